package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
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
	connector, err := connect(d, name, route)
	if err != nil {
		return usage{}, err
	}
	before := snapshot()
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxIdleConns(connections)
	if err := openIdle(db, connections); err != nil {
		return usage{}, err
	}
	after := snapshot()
	if open := db.Stats().Idle; open != connections {
		return usage{}, fmt.Errorf("%d idle connections, want %d", open, connections)
	}
	return usage{
		after.Goroutines - before.Goroutines, after.HeapAlloc - before.HeapAlloc,
		after.HeapInuse - before.HeapInuse, after.Stack - before.Stack,
	}, nil
}

func connect(d database.Database, name string, route database.Route) (driver.Connector, error) {
	if name == "bare" {
		return d.Bare(route)
	}
	return d.AWSDB(route, hostmonitor.Options{}, nil)
}

// openIdle opens connections, uses each once, and gives them back.
func openIdle(db *sql.DB, connections int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var open []*sql.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range connections {
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		open = append(open, c)
		var n int
		if err := c.QueryRowContext(ctx, "select 1").Scan(&n); err != nil {
			return err
		}
	}
	return nil
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
