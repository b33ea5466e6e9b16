package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/bench/internal/remote"
	"github.com/awsdb/awsdb/hostmonitor"
)

// usage is what idle connections cost, above what the process costs without.
type usage struct {
	Goroutines int
	HeapAlloc  int64 // bytes in live objects
	HeapInuse  int64 // bytes in spans that hold some
	Stack      int64 // bytes of goroutine stacks
}

// measure prints the usage of so many idle connections with one driver, given
// as arguments with the server's directory.
func measure(d database.Database, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("measure: %d arguments: want driver, connections, directory", len(args))
	}
	connections, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var server remote.Directory
	if err := json.Unmarshal([]byte(args[2]), &server); err != nil {
		return err
	}
	if _, err := observe(d, args[0], 1, server.Route()); err != nil { // what is made once for all is not counted
		return err
	}
	u, err := observe(d, args[0], connections, server.Route())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(u)
}

func observe(d database.Database, name string, connections int, route database.Route) (usage, error) {
	client, err := d.Open(name, route, connections, hostmonitor.Options{}, nil)
	if err != nil {
		return usage{}, err
	}
	defer client.Close()
	before := snapshot()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := database.Fill(ctx, client, connections, "select 1"); err != nil {
		return usage{}, err
	}
	after := snapshot()
	if open := client.Idle(); open != connections {
		return usage{}, fmt.Errorf("%d idle connections, want %d", open, connections)
	}
	return usage{
		after.Goroutines - before.Goroutines, after.HeapAlloc - before.HeapAlloc,
		after.HeapInuse - before.HeapInuse, after.Stack - before.Stack,
	}, nil
}

// settle is how long what has just been started or ended may take for it.
const settle = 300 * time.Millisecond

func snapshot() usage {
	time.Sleep(settle)
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), int64(m.HeapAlloc), int64(m.HeapInuse), int64(m.StackInuse)}
}
