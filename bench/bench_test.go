package bench

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/bench/internal/processor"
)

// contestant is one of the two that are compared. Their names and the order of
// the benchmarks' names are what benchstat -col /driver needs; bare and awsdb run
// one right after the other, since the machine is not equally fast at all times.
type contestant struct {
	name      string
	connector func(tb testing.TB) driver.Connector
}

// contest is what two contestants are compared on.
type contest struct {
	statements
	contestants []contestant
}

var reverse = flag.Bool("reverse", false, "let awsdb run before the bare driver")

func BenchmarkFake(b *testing.B) { benchmark(b, newFakeContest(fakeDriver{})) }

// BenchmarkFakeSkipping is about the calls that a driver such as go-sql-driver
// makes three of, and the statements of such a driver.
func BenchmarkFakeSkipping(b *testing.B) {
	benchmarkOperations(b, newFakeContest(fakeDriver{skips: true}), "-argument", "prepared-")
}

func BenchmarkLoopbackPostgreSQL(b *testing.B) { benchmark(b, startReal(b, database.PostgreSQL)) }

// BenchmarkLoopbackMySQL also opens connections with the bare driver asking each
// who the server is, as awsdb does: what awsdb itself takes beside that one round
// trip, which is a large part of a MySQL login.
func BenchmarkLoopbackMySQL(b *testing.B) {
	c := startReal(b, database.MySQL)
	benchmark(b, c)
	bare := c.contestants[0].connector
	c.contestants[0].connector = func(tb testing.TB) driver.Connector {
		return asking{bare(tb), "select @@aurora_server_id, @@innodb_read_only"}
	}
	benchmarkOpenClose(b, "open-ask-close", c.contestants)
}

// asking is a Connector that asks a question on each new connection.
type asking struct {
	driver.Connector
	question string
}

func (k asking) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	_, err = c.(driver.ExecerContext).ExecContext(ctx, k.question, nil)
	return c, err
}

func benchmark(b *testing.B, c contest) {
	benchmarkOperations(b, c, "")
	benchmarkParallel(b, c.contestants)
	benchmarkOpenClose(b, "open-close", c.contestants)
}

// each runs one benchmark for both.
func each(b *testing.B, name string, contestants []contestant, run func(b *testing.B, db *sql.DB)) {
	b.Run(name, func(b *testing.B) {
		contestants := slices.Clone(contestants)
		if *reverse {
			slices.Reverse(contestants)
		}
		for _, c := range contestants {
			b.Run("driver="+c.name, func(b *testing.B) {
				db := sql.OpenDB(c.connector(b))
				defer db.Close()
				b.ReportAllocs()
				run(b, db)
			})
		}
	})
}

// benchmarkOperations is about the operations whose names have one of the parts.
func benchmarkOperations(b *testing.B, c contest, parts ...string) {
	for _, o := range operations {
		if !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(o.name, part) }) {
			continue
		}
		each(b, o.name, c.contestants, func(b *testing.B, db *sql.DB) {
			db.SetMaxOpenConns(1)
			run := o.start(b, db, c.statements)
			if err := run(); err != nil { // connects
				b.Fatal(err)
			}
			repeat(b, run)
		})
	}
}

// repeat runs one operation at a time.
func repeat(b *testing.B, run func() error) {
	b.Helper()
	b.ResetTimer()
	defer meter(b)()
	for range b.N {
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
}

// meter reports the processor time between its call and that of what it returns.
func meter(b *testing.B) (stop func()) {
	start, _ := processor.Time()
	return func() {
		if end, ok := processor.Time(); ok {
			b.ReportMetric(float64(end-start)/float64(b.N), "cpu-ns/op")
		}
	}
}

// parallelism is the number of connections, each with its goroutine.
const parallelism = 100

func benchmarkParallel(b *testing.B, contestants []contestant) {
	each(b, fmt.Sprintf("parallel-%d", parallelism), contestants, func(b *testing.B, db *sql.DB) {
		db.SetMaxOpenConns(parallelism)
		db.SetMaxIdleConns(parallelism)
		openAll(b, db, parallelism)
		processors := runtime.GOMAXPROCS(0)
		b.SetParallelism((parallelism + processors - 1) / processors)
		b.ResetTimer()
		defer meter(b)()
		b.RunParallel(func(pb *testing.PB) {
			var n int64
			for pb.Next() {
				if err := db.QueryRowContext(ctx, "select 1").Scan(&n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// openAll opens so many connections of the pool and uses each once.
func openAll(tb testing.TB, db *sql.DB, connections int) {
	tb.Helper()
	var open []*sql.Conn
	for range connections {
		c, err := db.Conn(ctx)
		if err != nil {
			tb.Fatal(err)
		}
		open = append(open, c)
		if _, err := c.ExecContext(ctx, "select 1"); err != nil {
			tb.Fatal(err)
		}
	}
	for _, c := range slices.Backward(open) {
		c.Close()
	}
}

func benchmarkOpenClose(b *testing.B, name string, contestants []contestant) {
	each(b, name, contestants, func(b *testing.B, db *sql.DB) {
		db.SetMaxIdleConns(-1) // a connection that is given back is closed
		run := func() error {
			c, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			return c.Close()
		}
		if err := run(); err != nil { // finds out what the cluster is like
			b.Fatal(err)
		}
		repeat(b, run)
	})
}
