package driverapi

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/frontend"
	_ "github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
)

// bed is a cluster of the lab, with the bare driver and awsdb in front of it.
type bed struct {
	front  frontend.Frontend
	lab    *lab.Cluster
	native driver.Connector
}

// each runs a test for each front end.
func each(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Helper()
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		cluster, err := lab.Start(lab.Options{Flavor: f.Flavors().Aurora})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		native, err := f.Bare(cluster, cluster.DSN(cluster.Endpoint()))
		if err != nil {
			t.Fatal(err)
		}
		test(t, &bed{f, cluster, native})
	})
}

// driver leaves out front ends that are no driver of database/sql.
func (b *bed) driver(t *testing.T) {
	if reason := b.front.Unlike().Interfaces; reason != "" {
		t.Skip(reason)
	}
}

// open is a handle of awsdb. onConnect may be nil.
func (b *bed) open(t *testing.T, onConnect func(context.Context, frontend.Query) error) *frontend.Handle {
	t.Helper()
	h, err := b.front.Open(frontend.Options{Lab: b.lab, DSN: b.lab.DSN(b.lab.Endpoint()), OnConnect: onConnect})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

// objects opens a connection and collects one of each thing it hands out.
func objects(t *testing.T, k driver.Connector) map[string]any {
	t.Helper()
	ctx := t.Context()
	conn, err := k.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	o := map[string]any{"Conn": conn, "Connector": k, "Driver": k.Driver()}
	stmt, err := conn.(driver.ConnPrepareContext).PrepareContext(ctx, "select 1")
	if err != nil {
		t.Fatal(err)
	}
	o["Stmt"] = stmt
	if o["Result"], err = conn.(driver.ExecerContext).ExecContext(ctx, "create table if not exists t (id bigint)", nil); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, "select 1", nil)
	if err != nil {
		t.Fatal(err)
	}
	o["Rows"] = rows
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	stmtRows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	o["Rows of Stmt"] = stmtRows
	if err := stmtRows.Close(); err != nil {
		t.Fatal(err)
	}
	tx, err := conn.(driver.ConnBeginTx).BeginTx(ctx, driver.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o["Tx"] = tx
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	return o
}

// invented are the interfaces that awsdb has and the driver has not, by the front end's
// name: what the pool needs to drop a condemned connection. go-sql-driver has it itself.
var invented = map[string]map[string]string{
	"postgresql": {"Conn": "Validator"},
}

// TestB100_OptionalInterfaces: nothing is lost, and nothing is invented but what
// the pool needs.
func TestB100_OptionalInterfaces(t *testing.T) {
	all := driverInterfaces(t)
	each(t, func(t *testing.T, b *bed) {
		b.driver(t)
		native, wrapped := objects(t, b.native), objects(t, b.open(t, nil).Connector)
		for name := range native {
			want, got := implemented(all, native[name]), implemented(all, wrapped[name])
			if extra := invented[b.front.Name()][name]; extra != "" {
				if want[extra] {
					t.Errorf("the driver's %s has %s itself now: it must be passed through", name, extra)
				}
				want[extra] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-driver %T, +awsdb %T):\n%s", name, native[name], wrapped[name], diff)
			}
		}
	})
}

// TestRowsMethods: also methods that no interface of this Go release names, such as
// those of Go 1.27, are those of the native rows.
func TestRowsMethods(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.driver(t)
		native, wrapped := objects(t, b.native)["Rows"], objects(t, b.open(t, nil).Connector)["Rows"]
		typ := reflect.TypeOf(native)
		for i := range typ.NumMethod() {
			m := typ.Method(i)
			if _, ok := reflect.TypeOf(wrapped).MethodByName(m.Name); !ok {
				t.Errorf("method %s is hidden", m.Name)
			}
		}
	})
}

// manyTypes is a query with columns of many types, by the front end's name.
var manyTypes = map[string]string{
	"postgresql": "select 1::int8 as a, 'x'::text as b, true as c, now() as d, 1.5::float8 as e",
	"mysql":      "select 1 as a, 'x' as b, true as c, now(6) as d, 1.5e0 as e, cast(1.25 as decimal(10, 2)) as f, null as g, cast('x' as binary) as h",
}

// TestColumnTypes: what applications learn about columns is what the driver says.
func TestColumnTypes(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.driver(t)
		bare := sql.OpenDB(b.native)
		defer bare.Close() //nolint:errcheck // nothing is pending
		query := manyTypes[b.front.Name()]
		if diff := cmp.Diff(describe(t, bare, query), describe(t, b.open(t, nil).DB, query)); diff != "" {
			t.Errorf("-driver +awsdb:\n%s", diff)
		}
	})
}

// describe lists what a result says of its columns.
func describe(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	columns, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for _, c := range columns {
		length, hasLength := c.Length()
		nullable, knowsNullable := c.Nullable()
		precision, scale, hasPrecision := c.DecimalSize()
		fmt.Fprintln(&s, c.Name(), c.DatabaseTypeName(), c.ScanType(), length, hasLength, nullable, knowsNullable, precision, scale, hasPrecision)
	}
	for rows.Next() {
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return s.String()
}

// TestUnwrap: sql.Conn.Raw reaches the driver's own connection, also through other
// wrappers (B101).
func TestUnwrap(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		c, err := b.open(t, nil).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // nothing is pending
		err = c.Raw(func(driverConn any) error {
			for name, wrapped := range map[string]any{"plain": driverConn, "foreign wrapper": rawer{driverConn.(driver.Conn)}} {
				query, ok := b.front.Unwrap(wrapped)
				if !ok {
					return fmt.Errorf("%s: none of the driver's connections in %T", name, wrapped)
				}
				n, err := query(t.Context(), "select 41 + 1")
				if err != nil || fmt.Sprint(n) != "42" {
					return fmt.Errorf("%s: %v, %w", name, n, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if _, ok := b.front.Unwrap("something else"); ok {
			t.Error("found a connection where there is none")
		}
	})
}

// rawer wraps a connection as otelsql does.
type rawer struct{ driver.Conn }

// Raw returns the connection underneath.
func (r rawer) Raw() driver.Conn { return r.Conn }

// TestOnConnect: the hook runs once on each new connection of the application, and
// its error fails the connect without a leak (B20).
func TestOnConnect(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		ran := 0
		fail := errors.New("no such type")
		db := b.open(t, func(context.Context, frontend.Query) error {
			if ran++; ran == 2 {
				return fail
			}
			return nil
		})
		db.SetMaxIdleConns(0)
		for n := range 3 {
			want := map[int]error{1: fail}[n]
			if err := db.PingContext(t.Context()); !errors.Is(err, want) {
				t.Errorf("connect %d: %v, want %v", n+1, err, want)
			}
		}
		if ran != 3 {
			t.Errorf("the hook ran %d times for 3 connections", ran)
		}
		for deadline := time.Now().Add(10 * time.Second); b.lab.Writer().Connections() > 1; time.Sleep(time.Millisecond) { // one is the monitor's
			if time.Now().After(deadline) {
				t.Fatalf("%d connections are left", b.lab.Writer().Connections())
			}
		}
	})
}
