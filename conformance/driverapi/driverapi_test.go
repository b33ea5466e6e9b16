// Package driverapi compares the database/sql/driver interfaces of what pgx gives
// to database/sql with those of what awsdb gives (B100).
package driverapi

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	_ "github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// driverInterfaces reads all interfaces of database/sql/driver from its source:
// name -> method -> signature. A Go release that adds one is noticed.
func driverInterfaces(t *testing.T) map[string]map[string]string {
	t.Helper()
	pkg, err := importer.ForCompiler(token.NewFileSet(), "source", nil).Import("database/sql/driver")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, name := range pkg.Scope().Names() {
		object, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok || !object.Exported() {
			continue
		}
		iface, ok := object.Type().Underlying().(*types.Interface)
		if !ok || iface.NumMethods() == 0 {
			continue
		}
		all[name] = map[string]string{}
		for m := range iface.Methods() {
			all[name][m.Name()] = signature(m.Signature())
		}
	}
	if len(all) < 20 {
		t.Fatalf("found only %d interfaces in database/sql/driver", len(all))
	}
	return all
}

// signature writes a function type as package reflect does.
func signature(s *types.Signature) string {
	list := func(tuple *types.Tuple) []string {
		var parts []string
		for v := range tuple.Variables() {
			text := types.TypeString(v.Type(), func(p *types.Package) string { return p.Name() })
			parts = append(parts, strings.ReplaceAll(text, "any", "interface {}"))
		}
		return parts
	}
	text := "func(" + strings.Join(list(s.Params()), ", ") + ")"
	switch results := list(s.Results()); len(results) {
	case 0:
	case 1:
		text += " " + results[0]
	default:
		text += " (" + strings.Join(results, ", ") + ")"
	}
	return text
}

// implemented lists the interfaces that v has.
func implemented(all map[string]map[string]string, v any) map[string]bool {
	has := map[string]bool{}
	for name, methods := range all {
		has[name] = true
		for method, want := range methods {
			m := reflect.ValueOf(v).MethodByName(method)
			if !m.IsValid() || m.Type().String() != want {
				has[name] = false
			}
		}
	}
	return has
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
	if o["Result"], err = conn.(driver.ExecerContext).ExecContext(ctx, "create table if not exists t (id int8)", nil); err != nil {
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

func start(t *testing.T) (*lab.Cluster, *pgx.ConnConfig) {
	t.Helper()
	cluster, err := lab.Start(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg, err := pgx.ParseConfig(cluster.URL(cluster.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc, cfg.LookupFunc = cluster.DialContext, cluster.LookupHost
	return cluster, cfg
}

func connector(t *testing.T, cfg *pgx.ConnConfig, opts ...pgdriver.Option) driver.Connector {
	t.Helper()
	k, err := pgdriver.NewConnector(cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.(io.Closer).Close() })
	return k
}

// TestB100_OptionalInterfaces: nothing is lost, and nothing is invented but what
// the pool needs to drop a condemned connection and to end background work.
func TestB100_OptionalInterfaces(t *testing.T) {
	all := driverInterfaces(t)
	_, cfg := start(t)
	invented := map[string]string{
		"Conn": "Validator", // IsValid: where a condemned connection leaves the pool
	}
	native, wrapped := objects(t, stdlib.GetConnector(*cfg)), objects(t, connector(t, cfg))
	for name := range native {
		want, got := implemented(all, native[name]), implemented(all, wrapped[name])
		if extra := invented[name]; extra != "" {
			if want[extra] {
				t.Errorf("%s of pgx has %s itself now: it must be passed through", name, extra)
			}
			want[extra] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-pgx %T, +awsdb %T):\n%s", name, native[name], wrapped[name], diff)
		}
	}
}

// TestRowsMethods: also methods that no interface of this Go release names, such as
// those of Go 1.27, are those of the native rows.
func TestRowsMethods(t *testing.T) {
	_, cfg := start(t)
	native, wrapped := objects(t, stdlib.GetConnector(*cfg))["Rows"], objects(t, connector(t, cfg))["Rows"]
	typ := reflect.TypeOf(native)
	for i := range typ.NumMethod() {
		m := typ.Method(i)
		if _, ok := reflect.TypeOf(wrapped).MethodByName(m.Name); !ok {
			t.Errorf("method %s is hidden", m.Name)
		}
	}
}

// TestColumnTypes: what applications learn about columns is what pgx says.
func TestColumnTypes(t *testing.T) {
	_, cfg := start(t)
	describe := func(k driver.Connector) string {
		db := sql.OpenDB(k)
		defer db.Close() //nolint:errcheck // nothing is pending
		rows, err := db.QueryContext(t.Context(), "select 1::int8 as a, 'x'::text as b, true as c, now() as d, 1.5::float8 as e")
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
			fmt.Fprintln(&s, c.Name(), c.DatabaseTypeName(), c.ScanType(), length, hasLength)
		}
		for rows.Next() {
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
		return s.String()
	}
	if diff := cmp.Diff(describe(stdlib.GetConnector(*cfg)), describe(connector(t, cfg))); diff != "" {
		t.Error(diff)
	}
}

// TestUnwrap: sql.Conn.Raw reaches pgx, also through other wrappers (B101).
func TestUnwrap(t *testing.T) {
	_, cfg := start(t)
	db := sql.OpenDB(connector(t, cfg))
	defer db.Close() //nolint:errcheck // nothing is pending
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing is pending
	err = c.Raw(func(driverConn any) error {
		for name, wrapped := range map[string]any{"plain": driverConn, "foreign wrapper": rawer{driverConn.(driver.Conn)}} {
			conn, ok := pgdriver.Unwrap(wrapped)
			if !ok {
				return fmt.Errorf("%s: no *pgx.Conn in %T", name, wrapped)
			}
			var n int
			if err := conn.QueryRow(t.Context(), "select 41 + 1").Scan(&n); err != nil || n != 42 {
				return fmt.Errorf("%s: %d, %w", name, n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, ok := pgdriver.Unwrap("something else"); ok {
		t.Error("found a connection where there is none")
	}
}

// rawer wraps a connection as otelsql does.
type rawer struct{ driver.Conn }

// Raw returns the connection underneath.
func (r rawer) Raw() driver.Conn { return r.Conn }

// TestOnConnect: the hook runs once on each new connection of the application, and
// its error fails the connect without a leak (B20).
func TestOnConnect(t *testing.T) {
	cluster, cfg := start(t)
	ran := 0
	fail := fmt.Errorf("no such type")
	db := sql.OpenDB(connector(t, cfg, pgdriver.WithOnConnect(func(_ context.Context, c *pgx.Conn) error {
		if ran++; ran == 2 {
			return fail
		}
		return nil
	})))
	defer db.Close() //nolint:errcheck // nothing is pending
	db.SetMaxIdleConns(0)
	var results []string
	for range 3 {
		results = append(results, fmt.Sprint(db.PingContext(t.Context()) == nil))
	}
	if diff := cmp.Diff([]string{"true", "false", "true"}, results); diff != "" || ran != 3 {
		t.Errorf("hook ran %d times: %s", ran, diff)
	}
	for deadline := time.Now().Add(10 * time.Second); cluster.Writer().Connections() > 1; time.Sleep(time.Millisecond) { // one is the monitor's
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", cluster.Writer().Connections())
		}
	}
}
