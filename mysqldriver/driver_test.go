package mysqldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

func TestDriverIsRegistered(t *testing.T) {
	db, err := sql.Open("awsmysql", "app@tcp(127.0.0.1:1)/x?plugins=none")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := db.Driver().(Driver); !ok {
		t.Errorf("driver is %T", db.Driver())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.PingContext(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ping: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// driver.Driver.Open is for code that knows nothing newer.
func TestOpen(t *testing.T) {
	s := startFake(t, rowsReplies)
	c, err := Driver{}.Open("app@tcp(" + s.addr + ")/x?plugins=none")
	if err != nil {
		t.Fatal(err)
	}
	if native, ok := Unwrap(c); !ok || native == c {
		t.Errorf("Unwrap: %T", native)
	}
	r := query(t, c, "one", true)
	if err := errors.Join(r.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if _, err := (Driver{}).Open("app@tcp(127.0.0.1:1)/x?pluginz=none"); !errors.Is(err, core.ErrConfig) {
		t.Errorf("a wrong DSN: %v", err)
	}
	s.replies["SET nonesuch = 1"] = fakeReply{err: &mysql.MySQLError{Number: 1193, Message: "unknown"}}
	if _, err := (Driver{}).Open("app@tcp(" + s.addr + ")/x?plugins=none&nonesuch=1"); !errors.Is(err, core.ErrConnect) {
		t.Errorf("a refused login: %v", err)
	}
}

// Only what embeds or wraps one of ours has go-sql-driver's connection under it.
func TestUnwrap(t *testing.T) {
	s := startFake(t, nil)
	c := raw(t, s, "")
	ours := core.FromRaw(c)
	want := ours.Native.(*conn).nativeConn
	for name, wrapped := range map[string]any{"ours": c, "Unwrap": unwrapper{c}, "Raw": rawer{c}, "both": rawer{unwrapper{c}}} {
		if native, ok := Unwrap(wrapped); !ok || native != driver.Conn(want) {
			t.Errorf("%s: %T, %t", name, native, ok)
		}
		if found := core.FromRaw(wrapped); found != ours {
			t.Errorf("%s: core finds %p, want %p", name, found, ours)
		}
	}
	for name, other := range map[string]any{"nothing": nil, "another driver's": struct{ driver.Conn }{}, "a wrapper of nothing": unwrapper{nil}} {
		if native, ok := Unwrap(other); ok || native != nil || core.FromRaw(other) != nil {
			t.Errorf("%s: %T, %t, core finds %v", name, native, ok, core.FromRaw(other))
		}
	}
}

type unwrapper struct{ driver.Conn }

func (u unwrapper) Unwrap() driver.Conn { return u.Conn }

type rawer struct{ driver.Conn }

func (r rawer) Raw() driver.Conn { return r.Conn }

// go-sql-driver documents sql.Conn.Raw with driver.Execer as the way to the result
// of each statement.
func TestResultsThroughRaw(t *testing.T) {
	s := startFake(t, rowsReplies)
	db := sql.OpenDB(connector(t, parsed(t, "app@tcp("+s.addr+")/x?multiStatements=true"), WithPlugins()))
	defer db.Close()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Raw(func(driverConn any) error {
		result, err := driverConn.(driver.Execer).Exec("a; b", nil) //nolint:staticcheck // deprecated, but go-sql-driver's README has it
		if err != nil {
			return err
		}
		if diff := cmp.Diff([]int64{3, 3}, result.(mysql.Result).AllRowsAffected()); diff != "" {
			t.Errorf("rows affected (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int64{7, 7}, result.(mysql.Result).AllLastInsertIds()); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
		rows, err := driverConn.(driver.Queryer).Query("one", nil) //nolint:staticcheck // likewise
		if err != nil {
			return err
		}
		value := make([]driver.Value, 1)
		if err := rows.Next(value); err != nil || string(value[0].([]byte)) != "c" {
			t.Errorf("%s, %v", value[0], err)
		}
		return rows.Close()
	})
	if err != nil {
		t.Error(err)
	}
	if err := c.Raw(func(driverConn any) error {
		_, err := driverConn.(driver.Execer).Exec("refused", nil) //nolint:staticcheck // likewise
		return err
	}); !errors.As(err, new(*mysql.MySQLError)) {
		t.Errorf("%v", err)
	}
}

// Arguments without interpolateParams are the driver's ErrSkip: database/sql then
// prepares.
func TestErrSkip(t *testing.T) {
	const statement = "insert ?"
	for params, want := range map[string]string{"": statement, "?interpolateParams=true": "insert 'a'"} {
		s := startFake(t, nil)
		c := raw(t, s, params)
		_, err := c.(driver.ExecerContext).ExecContext(t.Context(), statement, []driver.NamedValue{{Ordinal: 1, Value: "a"}})
		if skipped := err == driver.ErrSkip; skipped != (params == "") { //nolint:errorlint // what database/sql compares
			t.Errorf("%s: %v", params, err)
		}
		_, err = c.(driver.QueryerContext).QueryContext(t.Context(), statement, []driver.NamedValue{{Ordinal: 1, Value: "a"}, {Ordinal: 2, Value: "b"}})
		if err != driver.ErrSkip { //nolint:errorlint // what database/sql compares
			t.Errorf("%s, too many arguments: %v", params, err)
		}
		db := sql.OpenDB(connector(t, parsed(t, "app@tcp("+s.addr+")/x"+params), WithPlugins()))
		result, err := db.ExecContext(t.Context(), statement, "a")
		if err != nil {
			t.Fatal(err)
		}
		if n, err := result.RowsAffected(); n != 3 || err != nil {
			t.Errorf("%d rows affected, %v", n, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if seen := s.seen(); seen[len(seen)-1] != want {
			t.Errorf("%s: the server saw %q, want %s", params, seen, want)
		}
	}
}
