package realpg

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// A node is one server of the cluster.
type node struct {
	// Constant after Start.
	name string
	port int
	root string // the cluster's directory

	// Owned by whoever holds the cluster's control slot.
	history int  // the Cluster.history its data directory belongs to; -1 for none
	standby bool // whether it was last started as a standby, and not promoted since

	server realserver.Server
}

// String returns the node's name.
func (n *node) String() string  { return n.name }
func (n *node) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }
func (n *node) data() string    { return filepath.Join(n.root, n.name) }
func (n *node) file(kind string) string {
	return filepath.Join(n.root, n.name+"."+kind)
}
func (n *node) signalFile() string { return filepath.Join(n.data(), "standby.signal") }
func (n *node) autoFile() string   { return filepath.Join(n.data(), "postgresql.auto.conf") }

// up says whether the server runs and is not frozen. A server that crashed by itself is not up.
func (n *node) up() bool { return n.server.Up() }

// kill ends the server at once; sockets are closed by the kernel, unread data makes that a reset.
func (n *node) kill() error {
	err := n.server.Kill()
	if err == nil {
		releaseSharedMemory(n.data())
	}
	return err
}

// freeze stops all processes of the server: its sockets stay open and silent.
func (n *node) freeze() error { return n.server.Freeze() }

// shutdownLimit bounds a fast shutdown. A primary waits for its standbys to have everything, and gives up on a silent one
// after wal_sender_timeout.
const shutdownLimit = 15 * time.Second

// shutdown ends every session with 57P01, writes a checkpoint, sends it to the standbys and ends the server.
func (n *node) shutdown() error { return n.server.Shutdown(syscall.SIGINT, shutdownLimit) }

// discard ends the server, whatever state it is in, and cleans up what it holds outside its directory.
func (n *node) discard() error {
	p := n.server.Running()
	if p == nil {
		return nil
	}
	if err := p.Signal(syscall.SIGQUIT); err != nil { // no checkpoint, but it releases the shared memory
		return err
	}
	if err := p.Thaw(); err != nil { // a frozen process does not hear the signal before
		return err
	}
	if p.Await(3 * time.Second) {
		return nil
	}
	return n.kill()
}

// releaseSharedMemory removes the small System V segment that guards the data directory: a killed server leaves it behind,
// and the system has room for a few thousand only. The seventh line of postmaster.pid has its key and id.
func releaseSharedMemory(data string) {
	content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return
	}
	lines := strings.Split(string(content), "\n")
	if len(lines) < 7 {
		return
	}
	if fields := strings.Fields(lines[6]); len(fields) == 2 {
		_ = exec.Command("ipcrm", "-m", fields[1]).Run() // without ipcrm, the segment stays until the next boot
	}
}

// launch starts the server on its data directory.
func (n *node) launch(found installation, who realserver.Account) error {
	// Not bound to a context: the server lives until Close or a fault.
	command := who.Command(context.Background(), n.root, found.program("postgres"), "-D", n.data(), "-c", "config_file="+n.file("conf"))
	if err := n.server.Launch(command, n.file("log")); err != nil {
		return fmt.Errorf("starting %s: %w", n.name, err)
	}
	return nil
}

// fatality returns the last reason the server's log gives for its end.
func (n *node) fatality() string {
	content, err := os.ReadFile(n.file("log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(content), "\n")
	for _, line := range slices.Backward(lines) {
		for _, severity := range []string{"FATAL:  ", "PANIC:  "} {
			if _, message, ok := strings.Cut(line, severity); ok {
				return message
			}
		}
	}
	return "its log gives no reason"
}

// configuration returns the node's postgresql.conf. What changes at run time is in postgresql.auto.conf instead.
func (n *node) configuration(o Options) string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(n.port),
		"unix_socket_directories": "",
		"hba_file":                filepath.Join(n.root, "pg_hba.conf"),
		"cluster_name":            n.name,
		"password_encryption":     "scram-sha-256",

		// Durable against killed processes, not against a power cut. Pages must be logged in full: a kill can tear one.
		"fsync":              "off",
		"full_page_writes":   "on",
		"synchronous_commit": "on",

		"wal_level":                    "replica",
		"hot_standby":                  "on",
		"hot_standby_feedback":         "on",
		"max_wal_senders":              "20",
		"wal_keep_size":                "256MB", // what a standby may miss and still catch up
		"min_wal_size":                 "8MB",
		"wal_retrieve_retry_interval":  "100ms",
		"wal_receiver_status_interval": "1s",
		"wal_receiver_timeout":         "3s",
		"wal_sender_timeout":           "3s",

		"max_connections":                 "100",
		"shared_buffers":                  "16MB",
		"shared_memory_type":              "mmap",
		"dynamic_shared_memory_type":      "mmap", // in the data directory, where Close finds it even after a kill
		"max_logical_replication_workers": "0",
		"jit":                             "off",
		"timezone":                        "UTC",

		"log_destination":   "stderr",
		"logging_collector": "off",
		"log_statement":     "all",
		"log_connections":   "on",
		"log_line_prefix":   logLinePrefix,
		"log_timezone":      "UTC",
		"log_checkpoints":   "off",
		"lc_messages":       "C",
	}
	switch o.Flavor {
	case AuroraPostgreSQL:
		settings["rds.extensions"] = "rds_tools,aurora_stat_utils"
	case MultiAZPostgreSQL:
		settings["rds.extensions"] = "rds_tools"
	}
	if _, ok := o.TLS[n.name]; ok {
		settings["ssl"], settings["ssl_cert_file"], settings["ssl_key_file"] = "on", n.file("crt"), n.file("key")
	}
	maps.Copy(settings, o.Settings)
	return settingLines(settings)
}

// settingLines writes settings in the form of postgresql.conf.
func settingLines(settings map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := strings.ReplaceAll(settings[name], `\`, `\\`) // configuration files have C escapes, SQL literals have not
		fmt.Fprintf(&text, "%s = %s\n", name, quoteLiteral(value))
	}
	return text.String()
}
