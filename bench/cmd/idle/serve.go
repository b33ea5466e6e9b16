package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/awsdb/awsdb/lab"
)

// directory is what another process has to know of the cluster.
type directory struct {
	URL   string            // of the cluster endpoint
	Addrs map[string]string // where the hosts listen, by name
}

// serve runs the cluster until standard input ends.
func serve() error {
	cluster, err := lab.Start(lab.Options{})
	if err != nil {
		return err
	}
	defer cluster.Close()
	d := directory{cluster.DSN(cluster.Endpoint()), map[string]string{cluster.Endpoint(): cluster.Writer().ListenAddr()}}
	for _, i := range cluster.Instances() {
		d.Addrs[i.Host()] = i.ListenAddr()
	}
	if err := json.NewEncoder(os.Stdout).Encode(d); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// startServer runs serve in another process. stop ends it.
func startServer() (address string, stop func() error, err error) {
	program, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	server := exec.Command(program, "serve")
	server.Stderr = os.Stderr
	input, err := server.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	output, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error {
		input.Close()
		return server.Wait()
	}
	address, err = bufio.NewReader(output).ReadString('\n')
	if err != nil {
		_ = stop() // the error says why
		return "", nil, fmt.Errorf("the server did not start: %w", err)
	}
	return address, stop, nil
}
