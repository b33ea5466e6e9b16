package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/pgdriver"
)

// pool is what a *pgxpool.Pool and a *pgdriver.Pool have in common.
type pool interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Begin(ctx context.Context) (pgx.Tx, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error)
	Close()
}

// poolContestant is one of the two pools that are compared.
type poolContestant struct {
	name string
	// open makes a pool with at most so many connections.
	open func(tb testing.TB, route database.Route, connections int) pool
	// borrow acquires a connection, uses it, and gives it back. The two differ in its type.
	borrow borrower
}

type borrower func(p pool, use func(*pgx.Conn) error) error

// poolContestants compare pgxpool with itself under awsdb.
var poolContestants = []poolContestant{
	{
		"bare",
		func(tb testing.TB, route database.Route, connections int) pool {
			p, err := pgxpool.NewWithConfig(ctx, poolConfig(tb, route, connections))
			if err != nil {
				tb.Fatal(err)
			}
			return p
		},
		func(p pool, use func(*pgx.Conn) error) error {
			c, err := p.(*pgxpool.Pool).Acquire(ctx)
			if err != nil {
				return err
			}
			defer c.Release()
			return use(c.Conn())
		},
	},
	{
		"awsdb",
		func(tb testing.TB, route database.Route, connections int) pool {
			plugins, err := database.Plugins(hostmonitor.Options{})
			if err != nil {
				tb.Fatal(err)
			}
			p, err := pgdriver.NewPool(ctx, poolConfig(tb, route, connections), pgdriver.WithPlugins(plugins...),
				pgdriver.WithResolver(route.Resolver), pgdriver.WithParams(map[string]string{"wrapper_dialect": "aurora-pg"}))
			if err != nil {
				tb.Fatal(err)
			}
			return p
		},
		func(p pool, use func(*pgx.Conn) error) error {
			c, err := p.(*pgdriver.Pool).Acquire(ctx)
			if err != nil {
				return err
			}
			defer c.Release()
			return use(c.Conn())
		},
	},
}

func poolConfig(tb testing.TB, route database.Route, connections int) *pgxpool.Config {
	tb.Helper()
	cfg, err := pgxpool.ParseConfig(route.DSN)
	if err != nil {
		tb.Fatal(err)
	}
	cfg.ConnConfig.DialFunc, cfg.ConnConfig.LookupFunc = pgconn.DialFunc(route.Dial), route.Resolver.LookupHost
	cfg.MaxConns = int32(connections)
	return cfg
}

// toFake leads to a server that is not there.
var toFake = database.Route{
	DSN:  "postgres://app:secret@" + fakeAddress + "/shop?sslmode=disable",
	Dial: dialFakePostgres, Resolver: fakeResolver{},
}

// fakeResolver finds every host at the same address.
type fakeResolver struct{}

func (fakeResolver) LookupHost(context.Context, string) ([]string, error) {
	return []string{net.IPv4(127, 0, 0, 1).String()}, nil
}

// poolOperations are what an application does again and again.
var poolOperations = []struct {
	name string
	run  func(p pool, borrow borrower) error
}{
	{"query-row", func(p pool, _ borrower) error {
		var n int64
		return p.QueryRow(ctx, "select 1").Scan(&n)
	}},
	{"query-row-argument", func(p pool, _ borrower) error {
		var n int64
		return p.QueryRow(ctx, "select $1::bigint", 1).Scan(&n)
	}},
	{"query-row-none", func(p pool, _ borrower) error {
		var n int64
		if err := p.QueryRow(ctx, noRows).Scan(&n); !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("%w, want pgx.ErrNoRows", err)
		}
		return nil
	}},
	{"rows-1", func(p pool, _ borrower) error { return readRows(p, "select 1", 1) }},
	{"rows-100", func(p pool, _ borrower) error { return readRows(p, hundredRows, 100) }},
	{"exec", func(p pool, _ borrower) error {
		_, err := p.Exec(ctx, "select 1")
		return err
	}},
	{"exec-argument", func(p pool, _ borrower) error { // a cached statement
		_, err := p.Exec(ctx, "select $1::bigint", 1)
		return err
	}},
	{"begin-commit", func(p pool, _ borrower) error {
		tx, err := p.Begin(ctx)
		if err != nil {
			return err
		}
		return tx.Commit(ctx)
	}},
	{"acquire-release", func(p pool, borrow borrower) error { return borrow(p, func(*pgx.Conn) error { return nil }) }},
	{"batch-10", func(p pool, _ borrower) error {
		var b pgx.Batch
		for range 10 {
			b.Queue("select $1::bigint", 1)
		}
		results := p.SendBatch(ctx, &b)
		for range b.Len() {
			if _, err := results.Exec(); err != nil {
				return err
			}
		}
		return results.Close()
	}},
	{"copy-100", func(p pool, _ borrower) error {
		n := 0
		count, err := p.CopyFrom(ctx, pgx.Identifier{copyTable}, []string{copyColumn}, pgx.CopyFromFunc(func() ([]any, error) {
			if n == 100 {
				return nil, nil
			}
			n++
			return []any{n}, nil
		}))
		if count != 100 && err == nil {
			return fmt.Errorf("%d rows copied, want 100", count)
		}
		return err
	}},
}

func readRows(p pool, statement string, want int) error {
	rows, err := p.Query(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	count := 0
	var n int64
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return err
		}
		count++
	}
	if count != want && rows.Err() == nil {
		return fmt.Errorf("%d rows, want %d", count, want)
	}
	return rows.Err()
}

// BenchmarkFakePool is about the calls of a *pgdriver.Pool.
func BenchmarkFakePool(b *testing.B) {
	for _, o := range poolOperations {
		eachPool(b, o.name, 1, func(b *testing.B, c poolContestant, p pool) {
			run := func() error { return o.run(p, c.borrow) }
			if err := run(); err != nil { // connects
				b.Fatal(err)
			}
			repeat(b, run)
		})
	}
	eachPool(b, fmt.Sprintf("parallel-%d", parallelism), parallelism, func(b *testing.B, _ poolContestant, p pool) {
		openPool(b, p, parallelism)
		processors := runtime.GOMAXPROCS(0)
		b.SetParallelism((parallelism + processors - 1) / processors)
		b.ResetTimer()
		defer meter(b)()
		b.RunParallel(func(pb *testing.PB) {
			var n int64
			for pb.Next() {
				if err := p.QueryRow(ctx, "select 1").Scan(&n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// BenchmarkLoopbackPool is about opening connections to a real server.
func BenchmarkLoopbackPool(b *testing.B) {
	route := startRealServer(b, database.PostgreSQL)
	eachPoolTo(b, route, "open-close", 1, func(b *testing.B, c poolContestant, p pool) {
		run := func() error {
			return c.borrow(p, func(c *pgx.Conn) error { return c.Close(ctx) })
		}
		if err := run(); err != nil { // finds out what the cluster is like
			b.Fatal(err)
		}
		repeat(b, run)
	})
}

func eachPool(b *testing.B, name string, connections int, run func(b *testing.B, c poolContestant, p pool)) {
	eachPoolTo(b, toFake, name, connections, run)
}

// eachPoolTo runs one benchmark for both.
func eachPoolTo(b *testing.B, route database.Route, name string, connections int, run func(b *testing.B, c poolContestant, p pool)) {
	b.Run(name, func(b *testing.B) {
		contestants := slices.Clone(poolContestants)
		if *reverse {
			slices.Reverse(contestants)
		}
		for _, c := range contestants {
			b.Run("driver="+c.name, func(b *testing.B) {
				p := c.open(b, route, connections)
				defer p.Close()
				b.ReportAllocs()
				run(b, c, p)
			})
		}
	})
}

// openPool opens so many connections and uses each once.
func openPool(tb testing.TB, p pool, connections int) {
	tb.Helper()
	var open []pgx.Rows
	for range connections {
		rows, err := p.Query(ctx, "select 1") // keeps its connection
		if err != nil {
			tb.Fatal(err)
		}
		open = append(open, rows)
	}
	for _, rows := range open {
		rows.Close()
	}
}
