package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/XSAM/otelsql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

// TestSpans: which spans a call makes, with ! where they failed.
func TestSpans(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		r := newRecorder()
		db := opened(t, e, c, r)
		ctx, insert := t.Context(), insertBeat(e.Driver)
		step := func(what string, do func(), want ...string) {
			t.Helper()
			do()
			if diff := cmp.Diff(want, r.take()); diff != "" {
				t.Errorf("spans of %s (-want +got):\n%s", what, diff)
			}
		}
		exec := func() { _, _ = db.ExecContext(ctx, insert, 7) }
		step("the first call", func() { _ = prepare(ctx, db) }, "sql.connector.connect", "sql.conn.exec")
		if e == cluster.MySQL { // has no call with arguments: the statement is prepared
			step("a call with an argument", exec, "sql.conn.exec", "sql.conn.prepare", "sql.stmt.exec")
			step("the same", exec, "sql.conn.exec", "sql.conn.prepare", "sql.stmt.exec!")
			whole := opened(t, e, c, r, "interpolateParams=true")
			step("a call with interpolateParams", func() { _, _ = whole.ExecContext(ctx, insert, 8) },
				"sql.connector.connect", "sql.conn.exec")
		} else {
			step("a call with an argument", exec, "sql.conn.exec")
			step("the same", exec, "sql.conn.exec!")
		}
		step("a transaction", func() { _ = core.RunTx(ctx, db, nil, func(*sql.Tx) error { return nil }) },
			"sql.conn.begin_tx", "sql.tx.commit")
		c.Writer().ResetConnections()
		if err := prepare(ctx, db); err != nil {
			t.Fatal(err)
		}
		if names := r.take(); !slices.Contains(names, "sql.connector.connect") || slices.ContainsFunc(names, failed) {
			t.Errorf("spans of a call on a lost connection: %v, want a connect and none that failed", names)
		}
		cluster.Strike(c, "CREATE", lab.CutAfter())
		step("a call whose answer is lost", func() { _ = prepare(ctx, db) }, "sql.conn.exec!")
	})
}

func failed(name string) bool { return strings.HasSuffix(name, "!") }

// TestForms: a handle is made of a connector, of a name that otelsql registers, or by otelsql.Open, which open uses.
func TestForms(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		r := newRecorder()
		k, err := connector(e, c.DSN(c.Endpoint()))
		if err != nil {
			t.Fatal(err)
		}
		db := otelsql.OpenDB(k, options(e.Driver, r.tracing)...)
		checkUnwrap(t, e, db)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if _, err := k.Connect(t.Context()); !errors.Is(err, core.ErrClosed) {
			t.Errorf("after db.Close the connector says %v, want %q", err, core.ErrClosed)
		}
		name, err := otelsql.Register(e.Driver, options(e.Driver, r.tracing)...)
		if err != nil {
			t.Fatal(err)
		}
		db, err = sql.Open(name, c.DSN(c.Endpoint()))
		if err != nil {
			t.Fatal(err)
		}
		checkUnwrap(t, e, db)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		want := []string{"sql.connector.connect", "sql.connector.connect"}
		if diff := cmp.Diff(want, r.take()); diff != "" {
			t.Errorf("spans (-want +got):\n%s", diff)
		}
		_, err = open(c.DSN(c.Endpoint(), "failover_timeout_sec=soon"), r.tracing)
		if !errors.Is(err, core.ErrConfig) || strings.Contains(err.Error(), password) {
			t.Errorf("error %v, want one about the configuration", err)
		}
	})
}

func connector(e cluster.Engine, dsn string) (driver.Connector, error) {
	if e == cluster.MySQL {
		cfg, err := mysqldriver.ParseDSN(dsn)
		if err != nil {
			return nil, err
		}
		return mysqldriver.NewConnector(cfg)
	}
	cfg, err := pgdriver.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return pgdriver.NewConnector(cfg)
}

// checkUnwrap: the driver's own connection is reached through otelsql's.
func checkUnwrap(t *testing.T, e cluster.Engine, db *sql.DB) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(driverConn any) error {
		_, ok := pgdriver.Unwrap(driverConn)
		if e == cluster.MySQL {
			_, ok = mysqldriver.Unwrap(driverConn)
		}
		if !ok {
			t.Error("the driver's connection is not reached")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestColumns: otelsql's rows say of a column what the driver says, but for its Go type.
func TestColumns(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		db := opened(t, e, c, newRecorder())
		if err := prepare(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		rows, err := db.QueryContext(t.Context(), "SELECT id FROM beats")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.ColumnTypes()
		if err != nil {
			t.Fatal(err)
		}
		want := map[cluster.Engine]string{cluster.PostgreSQL: "INT8", cluster.MySQL: "BIGINT"}[e]
		if got := columns[0]; got.DatabaseTypeName() != want || got.ScanType() != reflect.TypeFor[any]() {
			t.Errorf("column of %s and %v, want %s and any, as the page says", got.DatabaseTypeName(), got.ScanType(), want)
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
	})
}

// TestStats: the pool's numbers are metrics.
func TestStats(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		reader := metric.NewManualReader()
		meters := metric.NewMeterProvider(metric.WithReader(reader))
		db := opened(t, e, c, newRecorder())
		registration, err := otelsql.RegisterDBStatsMetrics(db, otelsql.WithMeterProvider(meters))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := registration.Unregister(); err != nil {
				t.Error(err)
			}
		}()
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := openConnections(t, reader); n != 1 {
			t.Errorf("%d open connections, want 1", n)
		}
	})
}

func openConnections(t *testing.T, reader *metric.ManualReader) (n int64) {
	t.Helper()
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			if points, ok := m.Data.(metricdata.Gauge[int64]); ok && m.Name == "db.sql.connection.open" {
				for _, p := range points.DataPoints {
					n += p.Value
				}
			}
		}
	}
	return n
}

// tracer is what sees PostgreSQL's calls from below: pgx asks it.
type tracer struct {
	mu      sync.Mutex
	queries []string
	ended   int
}

// TraceQueryStart implements pgx.QueryTracer.
func (r *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queries = append(r.queries, data.SQL)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (r *tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended++
}

// TestTracerBelow: pgx's tracer sees the application's statements on all its connections, and none of awsdb's own.
func TestTracerBelow(t *testing.T) {
	c := cluster.StartSimulated(t, cluster.PostgreSQL)
	cfg, err := pgdriver.ParseDSN(c.DSN(c.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	r := &tracer{}
	cfg.Tracer = r
	k, err := pgdriver.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(k)
	defer db.Close()
	ctx := cluster.Context(t)
	if err := prepare(ctx, db); err != nil {
		t.Fatal(err)
	}
	for id := range int64(2) {
		if err := beat(ctx, db, insertBeat(pgdriver.Name), id); err != nil {
			t.Fatal(err)
		}
		cluster.FailOver(t, c, []string{"mydb-2", "mydb-3"}[id])
	}
	var ours []string
	for _, q := range r.queries {
		if !strings.HasPrefix(q, "CREATE TABLE") && q != insertBeat(pgdriver.Name) && q != "begin" && q != "commit" {
			ours = append(ours, q)
		}
	}
	if len(ours) > 0 || len(r.queries) < 7 || r.ended != len(r.queries) {
		t.Errorf("%d statements began and %d ended, want 7; awsdb's own: %q", len(r.queries), r.ended, ours)
	}
}
