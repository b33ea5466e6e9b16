package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/pgdriver"
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
func measure(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("measure: %d arguments: want driver, connections, directory", len(args))
	}
	connections, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var d directory
	if err := json.Unmarshal([]byte(args[2]), &d); err != nil {
		return err
	}
	if _, err := observe(args[0], 1, d); err != nil { // what is made once for all is not counted
		return err
	}
	u, err := observe(args[0], connections, d)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(u)
}

func observe(name string, connections int, d directory) (usage, error) {
	connector, err := d.connector(name)
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

func (d directory) connector(name string) (driver.Connector, error) {
	cfg, err := pgx.ParseConfig(d.URL)
	if err != nil {
		return nil, err
	}
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	cfg.DialFunc = d.dial
	if name == "bare" {
		return stdlib.GetConnector(*cfg), nil
	}
	plugin, err := failover.New(failover.Options{})
	if err != nil {
		return nil, err
	}
	return pgdriver.NewConnector(cfg, pgdriver.WithPlugins(plugin))
}

func (d directory) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	real, ok := d.Addrs[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return new(net.Dialer).DialContext(ctx, network, real)
}
