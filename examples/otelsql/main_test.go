package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// password is the lab's.
const password = "secret"

// TestFailover: each beat is there once, the errors are what they are without otelsql, and spans tell of them.
func TestFailover(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		r := newRecorder()
		db := opened(t, e, c, r)
		for range 2 { // as the next run of the program does
			if err := prepare(t.Context(), db); err != nil {
				t.Fatal(err)
			}
		}
		t.Run("comments", func(t *testing.T) { checkComments(t, e, c) })
		outcome := cluster.FailOverDuring(t, c, func(ctx context.Context, n int64) error { return beat(ctx, db, insertBeat(e.Driver), n) })
		found := map[int64]int{}
		for _, row := range c.Rows("beats") {
			found[row[0].(int64)]++
		}
		outcome.ExactlyOnce(t, found)
		t.Run("errors", func(t *testing.T) {
			cluster.CheckErrors(t, e, c, func(params ...string) cluster.Calls {
				return cluster.CallsOf(opened(t, e, c, r, params...))
			})
		})
		text := r.text()
		if strings.Contains(text, password) {
			t.Error("the spans hold the password")
		}
		for _, want := range []string{"awsdb.failover true", "awsdb.outcome unknown", "awsdb.outcome rolled back", "server.address mydb-2"} {
			if !strings.Contains(text, want) {
				t.Errorf("no span tells %q", want)
			}
		}
	})
}

// checkComments: a statement arrives with the number of its trace.
func checkComments(t *testing.T, e cluster.Engine, c *lab.Cluster) {
	r := newRecorder()
	with := append(options(e.Driver, r.tracing), otelsql.WithSQLCommenter(true), otelsql.WithTextMapPropagator(propagation.TraceContext{}))
	db, err := otelsql.Open(e.Driver, c.DSN(c.Endpoint()), with...)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := prepare(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	trace := r.spans.Ended()[1].SpanContext().TraceID().String()
	cluster.Await(t, "a statement that names the trace", func() bool {
		return slices.ContainsFunc(c.Writer().Statements(), func(s lab.Statement) bool {
			return strings.HasPrefix(s.SQL, "CREATE TABLE") && strings.Contains(s.SQL, trace)
		})
	})
}

// recorder keeps spans.
type recorder struct {
	spans   *tracetest.SpanRecorder
	tracing *trace.TracerProvider
}

func newRecorder() recorder {
	spans := tracetest.NewSpanRecorder()
	return recorder{spans, trace.NewTracerProvider(trace.WithSpanProcessor(spans))}
}

// text is all that the spans hold.
func (r recorder) text() string {
	var b strings.Builder
	for _, s := range r.spans.Ended() {
		fmt.Fprintln(&b, s.Name(), s.Status())
		for _, a := range s.Attributes() {
			fmt.Fprintln(&b, a.Key, a.Value.String())
		}
		for _, e := range s.Events() {
			fmt.Fprintln(&b, e.Name, e.Attributes)
		}
	}
	return b.String()
}

// take returns the names of the spans so far, with ! if they failed, and forgets them.
func (r recorder) take() (names []string) {
	for _, s := range r.spans.Ended() {
		name := s.Name()
		if s.Status().Code == codes.Error {
			name += "!"
		}
		names = append(names, name)
	}
	r.spans.Reset()
	return names
}

func TestProgram(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, _ cluster.Engine, c *lab.Cluster) {
		cluster.Program(t, c, c.DSN(c.Endpoint()), "beats", run)
	})
}

// opened is closed by db.Close alone: that awsdb's goroutines end with it is for goleak to see.
func opened(t *testing.T, e cluster.Engine, c *lab.Cluster, r recorder, params ...string) *sql.DB {
	t.Helper()
	db, err := open(c.DSN(c.Endpoint(), params...), r.tracing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
