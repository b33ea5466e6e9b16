package realmaria

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/awsdb/awsdb/lab/internal/mysqlproxy"
	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// A node is one server of the cluster.
type node struct {
	// Constant after Start.
	name   string
	number int // its server_id
	port   int
	root   string // the cluster's directory
	relay  *relay // where readers replicate from it
	proxy  *mysqlproxy.Proxy

	// Owned by whoever is in control of the cluster.
	history int  // the Cluster.history its data directory belongs to; -1 for none
	reader  bool // whether it follows the primary, or followed the one there was when it was lost
	lives   int  // how often it was launched

	server realserver.Server
}

// String returns the node's name.
func (n *node) String() string  { return n.name }
func (n *node) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }
func (n *node) data() string    { return filepath.Join(n.root, n.name) }
func (n *node) file(kind string) string {
	return filepath.Join(n.root, n.name+"."+kind)
}

// up says whether the server runs and is not frozen. A server that crashed by itself is not up.
func (n *node) up() bool { return n.server.Up() }

func (n *node) kill() error   { return n.server.Kill() }
func (n *node) freeze() error { return n.server.Freeze() }

// shutdownLimit bounds an orderly shutdown, which takes about two seconds.
const shutdownLimit = 20 * time.Second

// shutdown ends every session and then the server.
func (n *node) shutdown() error { return n.server.Shutdown(syscall.SIGTERM, shutdownLimit) }

// How a server is launched. No server replicates before it is told to.
var (
	// asPrimary makes it take writes at once.
	asPrimary = []string{"--read-only=0", "--rpl-semi-sync-master-enabled=0"}
	// asGuardedPrimary makes it keep commits waiting for a reader from the first one on.
	asGuardedPrimary = []string{"--read-only=0", "--rpl-semi-sync-master-enabled=1"}
	// asReader takes back the commits that a crash found waiting for a reader, so that the server is behind the primary and
	// not beside it.
	asReader = []string{"--read-only=1", "--init-rpl-role=SLAVE"}
	// asSource keeps those commits: somebody may have confirmed them.
	asSource = []string{"--read-only=1", "--init-rpl-role=MASTER"}
)

// launch starts the server on its data directory.
func (n *node) launch(found installation, who realserver.Account, pristine string, arguments []string) error {
	return n.launchAs(&n.server, n.port, found, who, pristine, arguments)
}

// launchAs starts a server on the node's data directory, where none runs.
func (n *node) launchAs(server *realserver.Server, port int, found installation, who realserver.Account, pristine string, arguments []string) error {
	if err := n.renewStatementLog(who, pristine); err != nil {
		return fmt.Errorf("starting %s: %w", n.name, err)
	}
	all := append([]string{"--defaults-file=" + n.file("cnf"), "--port=" + strconv.Itoa(port)}, arguments...)
	// Not bound to a context: the server lives until Close or a fault.
	if err := server.Launch(who.Command(context.Background(), n.root, found.server, all...), n.file("log")); err != nil {
		return fmt.Errorf("starting %s: %w", n.name, err)
	}
	return nil
}

// fatality returns the last error in the server's log.
func (n *node) fatality() string {
	content, err := os.ReadFile(n.file("log"))
	if err != nil {
		return err.Error()
	}
	message := "its log gives no reason"
	for line := range strings.Lines(string(content)) {
		if _, text, ok := strings.Cut(line, "[ERROR] "); ok && !strings.HasPrefix(text, "Aborting") {
			message = strings.TrimSpace(text)
		}
	}
	return message
}

// configuration returns the node's option file. What differs from life to life is in the arguments of launch instead.
func (n *node) configuration(o Options) string {
	settings := map[string]string{
		"datadir":      n.data(),
		"bind_address": "127.0.0.1",
		"socket":       "socket", // in the data directory, whose path may be too long for a socket
		"pid_file":     "pid",
		"tmpdir":       n.file("tmp"), // a server that starts empties it, whoever uses it

		// Durable against killed processes, not against a power cut: everything is written at a commit, nothing is synced.
		"innodb_flush_log_at_trx_commit": "2",
		"sync_binlog":                    "0",
		"innodb_flush_method":            "nosync",
		// Nothing is written behind the back of a stopped process: its data directory can be copied.
		"innodb_use_native_aio": "0",

		"server_id":                strconv.Itoa(n.number),
		"log_bin":                  "binlog",
		"relay_log":                "relaylog",
		"binlog_format":            "ROW",
		"log_slave_updates":        "1",
		"gtid_strict_mode":         "1",
		"skip_slave_start":         "1",
		"slave_net_timeout":        "30",
		"slave_max_allowed_packet": "1073741824",
		"max_allowed_packet":       "67108864",
		// A commit waits for a reader for as long as it takes, before anybody sees what it changed.
		"rpl_semi_sync_master_timeout":          strconv.FormatInt((365 * 24 * time.Hour).Milliseconds(), 10),
		"rpl_semi_sync_master_wait_no_slave":    "1",
		"rpl_semi_sync_master_wait_point":       "AFTER_SYNC",
		"rpl_semi_sync_slave_kill_conn_timeout": "1", // seconds

		"character_set_server":                "utf8mb4",
		"default_time_zone":                   "+00:00",
		"skip_name_resolve":                   "1",
		"performance_schema":                  "OFF",
		"innodb_buffer_pool_size":             "16M",
		"innodb_log_file_size":                logFileSize,
		"innodb_temp_data_file_path":          "ibtmp1:2M:autoextend",
		"innodb_fast_shutdown":                "2",
		"innodb_buffer_pool_dump_at_shutdown": "0",
		"innodb_buffer_pool_load_at_startup":  "0",
		"key_buffer_size":                     "1M",
		"aria_pagecache_buffer_size":          "1M",
		"max_connections":                     "200",
		"log_bin_trust_function_creators":     "1",

		"general_log":             "1",
		"log_output":              "TABLE",
		"log_disabled_statements": "slave,sp",
		"log_warnings":            "1",
	}
	if o.Flavor == MultiAZMySQL {
		settings["report_host"] = n.name + "." + o.Suffix
	}
	for name, value := range o.Settings {
		settings[variableName(name)] = value
	}
	var text strings.Builder
	text.WriteString("[mariadbd]\n")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := strings.ReplaceAll(settings[name], `\`, `\\`)
		fmt.Fprintf(&text, "%s = \"%s\"\n", name, value)
	}
	return text.String()
}
