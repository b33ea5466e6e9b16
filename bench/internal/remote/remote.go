// Package remote runs a cluster in another process, so that what the servers
// allocate and compute is not measured with what uses them. That process is the
// same program with other arguments.
package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/lab"
)

// Directory is what another process has to know of a cluster.
type Directory struct {
	DSN   string            // of the cluster endpoint
	Addrs map[string]string // where the hosts listen, by name
}

// Serve prints the Directory of a cluster and returns when standard input ends.
// It closes the cluster. addr is where connections to an instance are to go.
func Serve(cluster *lab.Cluster, addr func(*lab.Instance) string) error {
	defer cluster.Close()
	d := Directory{database.To(cluster).DSN, map[string]string{cluster.Endpoint(): addr(cluster.Writer())}}
	for _, i := range cluster.Instances() {
		d.Addrs[i.Host()] = addr(i)
	}
	if err := json.NewEncoder(os.Stdout).Encode(d); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// Start runs this program with args, which must lead to Serve. stop ends it.
func Start(args ...string) (d Directory, stop func() error, err error) {
	program, err := os.Executable()
	if err != nil {
		return d, nil, err
	}
	server := exec.Command(program, args...)
	server.Stderr = os.Stderr
	input, err := server.StdinPipe()
	if err != nil {
		return d, nil, err
	}
	output, err := server.StdoutPipe()
	if err != nil {
		return d, nil, err
	}
	if err := server.Start(); err != nil {
		return d, nil, err
	}
	stop = func() error {
		input.Close()
		return server.Wait()
	}
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &d)
	}
	if err != nil {
		return d, nil, fmt.Errorf("the server did not start: %w", errors.Join(err, stop()))
	}
	return d, stop, nil
}

// Route is how to get to the cluster.
func (d Directory) Route() database.Route { return database.Route{DSN: d.DSN, Dial: d.dial} }

func (d Directory) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	listener, ok := d.Addrs[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return new(net.Dialer).DialContext(ctx, network, listener)
}
