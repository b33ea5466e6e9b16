package mysqldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

// rowsReplies are results in which something goes wrong, or not.
var rowsReplies = map[string]fakeReply{
	"two":      {columns: []string{"#n", "s"}, rows: [][]any{{1, "a"}, {2, "b"}}},
	"one":      {columns: []string{"s"}, rows: [][]any{{"c"}}},
	"fails":    {columns: []string{"s"}, rows: [][]any{{"a"}}, err: &mysql.MySQLError{Number: 1317, Message: "interrupted"}},
	"hangs up": {columns: []string{"s"}, rows: [][]any{{"a"}}, hangUp: true},
	"stalls":   {columns: []string{"s"}, rows: [][]any{{"a"}, {"b"}}, silent: true},
	"refused":  {err: &mysql.MySQLError{Number: 1064, Message: "syntax"}},
}

// raw returns what sql.Conn.Raw gives to an application.
func raw(t *testing.T, s *fakeServer, params string) driver.Conn {
	t.Helper()
	k := connector(t, parsed(t, "app:secret@tcp("+s.addr+")/app"+params), WithPlugins())
	c, err := k.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // may be lost
	return c
}

// query runs a statement in the text protocol, or in the binary one.
func query(t *testing.T, c driver.Conn, statement string, binary bool) driver.Rows {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // with another one the driver allows one open result only
	return queryContext(ctx, t, c, statement, binary)
}

func queryContext(ctx context.Context, t *testing.T, c driver.Conn, statement string, binary bool) driver.Rows {
	t.Helper()
	var r driver.Rows
	var err error
	if binary {
		var s driver.Stmt
		if s, err = c.(driver.ConnPrepareContext).PrepareContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
		r, err = s.(driver.StmtQueryContext).QueryContext(ctx, nil)
	} else {
		r, err = c.(driver.QueryerContext).QueryContext(ctx, statement, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var protocols = map[string]bool{"text": false, "binary": true}

// Whatever the driver's types can do, also what they learn in a later version, ours
// can do too.
func TestEveryMethodIsPassedOn(t *testing.T) {
	s := startFake(t, rowsReplies)
	c := raw(t, s, "")
	for name, binary := range protocols {
		r, ok := query(t, c, "two", binary).(*rows)
		if !ok {
			t.Fatalf("%s: not our rows", name)
		}
		compareMethods(t, reflect.TypeOf(r.nativeRows), reflect.TypeOf(r))
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	native, ok := Unwrap(c)
	if !ok {
		t.Fatalf("%T is not ours", c)
	}
	compareMethods(t, reflect.TypeOf(native), reflect.TypeFor[*conn]())
	compareMethods(t, reflect.TypeOf(native), reflect.TypeOf(c))
}

func compareMethods(t *testing.T, native, ours reflect.Type) {
	t.Helper()
	if native.NumMethod() == 0 {
		t.Errorf("%s has no methods", native)
	}
	for i := range native.NumMethod() {
		method := native.Method(i)
		m, ok := ours.MethodByName(method.Name)
		if !ok {
			t.Errorf("%s has a method %s, %s does not", native, method.Name, ours)
			continue
		}
		if got, want := signature(m), signature(method); got != want {
			t.Errorf("%s.%s is %s, the driver's is %s", ours, m.Name, got, want)
		}
	}
}

// signature is the type of a method without its receiver.
func signature(m reflect.Method) string {
	var in, out []reflect.Type
	for i := 1; i < m.Type.NumIn(); i++ {
		in = append(in, m.Type.In(i))
	}
	for i := range m.Type.NumOut() {
		out = append(out, m.Type.Out(i))
	}
	return reflect.FuncOf(in, out, m.Type.IsVariadic()).String()
}

// The answers are those of the driver.
func TestRowsAnswerLikeTheDrivers(t *testing.T) {
	s := startFake(t, rowsReplies)
	for name, binary := range protocols {
		t.Run(name, func(t *testing.T) {
			type facts struct {
				Columns  []string
				Type     string
				Nullable bool
				ScanType string
				Sized    bool
				Values   [][]driver.Value
				More     bool
			}
			read := func(r driver.Rows) (f facts) {
				f.Columns = r.Columns()
				f.Type = r.(driver.RowsColumnTypeDatabaseTypeName).ColumnTypeDatabaseTypeName(0)
				f.Nullable, _ = r.(driver.RowsColumnTypeNullable).ColumnTypeNullable(0)
				f.ScanType = r.(driver.RowsColumnTypeScanType).ColumnTypeScanType(0).String()
				_, _, f.Sized = r.(driver.RowsColumnTypePrecisionScale).ColumnTypePrecisionScale(0)
				for {
					values := make([]driver.Value, len(f.Columns))
					if err := r.Next(values); err != nil {
						if err != io.EOF { //nolint:errorlint // what database/sql compares
							t.Error(err)
						}
						break
					}
					for i, v := range values {
						if b, ok := v.([]byte); ok {
							values[i] = string(b)
						}
					}
					f.Values = append(f.Values, values)
				}
				f.More = r.(driver.RowsNextResultSet).HasNextResultSet()
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				return f
			}
			c := raw(t, s, "")
			native, _ := Unwrap(c)
			want := read(query(t, native, "two", binary))
			if diff := cmp.Diff(want, read(query(t, c, "two", binary))); diff != "" {
				t.Errorf("(-driver +ours):\n%s", diff)
			}
			if want.Type != "BIGINT" || want.Nullable || want.ScanType != "int64" || len(want.Values) != 2 {
				t.Errorf("the driver's own answers: %+v", want)
			}
		})
	}
}

// Rows are used again when they have been closed, and not before.
func TestRowsAreReused(t *testing.T) {
	c := raw(t, startFake(t, rowsReplies), "")
	first := query(t, c, "one", false)
	value := make([]driver.Value, 1)
	if err := first.Next(value); err != nil {
		t.Fatal(err)
	}
	if err := first.Next(value); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	second := query(t, c, "two", false) // the driver has let go of the connection
	if second == first {
		t.Fatal("the rows of an open result were used for another one")
	}
	if got := second.Columns(); len(got) != 2 || first.Columns()[0] != "s" {
		t.Errorf("columns %v and %v", first.Columns(), got)
	}
	for range 2 { // closing twice does nothing
		if err := errors.Join(second.Close(), first.Close()); err != nil {
			t.Error(err)
		}
	}
	if err := first.Next(value); err != io.EOF { //nolint:errorlint // what database/sql compares
		t.Errorf("Next after Close: %v", err)
	}
	if err := first.(driver.RowsNextResultSet).NextResultSet(); err != io.EOF { //nolint:errorlint // what database/sql compares
		t.Errorf("NextResultSet after Close: %v", err)
	}
	if third := query(t, c, "one", true); third != first {
		t.Error("new rows were made although none are open")
	} else if err := third.Close(); err != nil {
		t.Error(err)
	}
}

func TestNextResultSet(t *testing.T) {
	s := startFake(t, rowsReplies)
	db := sql.OpenDB(connector(t, parsed(t, "app:secret@tcp("+s.addr+")/app?multiStatements=true"), WithPlugins()))
	defer db.Close()
	var got []string
	rows, err := db.QueryContext(t.Context(), "one; two; one")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]sql.RawBytes, len(names))
			scan := make([]any, len(names))
			for i := range values {
				scan[i] = &values[i]
			}
			if err := rows.Scan(scan...); err != nil {
				t.Fatal(err)
			}
			got = append(got, string(values[len(values)-1]))
		}
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"c", "a", "b", "c"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An error in the middle of a result carries the facts of any other.
func TestErrorsOfRows(t *testing.T) {
	tests := map[string]struct {
		statement string
		number    uint16 // of the server's error; 0: the connection is lost
	}{
		"an error of the server":              {"fails", 1317},
		"a lost connection":                   {"hangs up", 0},
		"a later statement":                   {"one; refused", 1064},
		"a connection lost at a later result": {"one; hangs up", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := startFake(t, rowsReplies)
			var reported []error
			c := raw(t, s, "?multiStatements=true")
			r := query(t, c, test.statement, false).(*rows)
			native := r.failed
			r.failed = func(ctx context.Context, err error) error {
				err = native(ctx, err)
				reported = append(reported, err)
				return err
			}
			values := make([]driver.Value, 1)
			var err error
			for err == nil {
				if err = r.Next(values); err == io.EOF { //nolint:errorlint // what database/sql compares
					err = r.NextResultSet()
				}
			}
			if test.number != 0 {
				var server *mysql.MySQLError
				if !errors.As(err, &server) || server.Number != test.number || errors.As(err, new(*core.Error)) {
					t.Errorf("%v", err)
				}
			} else {
				var e *core.Error
				if !errors.As(err, &e) || e.Op != core.OpRows || !e.Sent || e.Outcome != core.OutcomeUnknown || !errors.As(err, new(*core.LostError)) {
					t.Errorf("%#v", err)
				}
				if again := r.Next(values); again != err { //nolint:errorlint // the very same
					t.Errorf("Next again: %v", again)
				}
				if closing := r.Close(); closing != err { //nolint:errorlint // the very same
					t.Errorf("Close: %v", closing)
				}
			}
			if errors.Is(err, driver.ErrBadConn) || len(reported) != 1 {
				t.Errorf("%v, reported %d times", err, len(reported))
			}
		})
	}
}

// Close reads what is left of the result, and may find that it does not come.
func TestErrorOfClose(t *testing.T) {
	c := raw(t, startFake(t, rowsReplies), "")
	err := query(t, c, "hangs up", false).Close()
	if !errors.Is(err, core.ErrOutcomeUnknown) || !errors.As(err, new(*core.LostError)) {
		t.Errorf("Close: %v", err)
	}
	if c.(driver.Validator).IsValid() {
		t.Error("the connection would go back into the pool")
	}
}

// What Close waits for ends with the context of the query.
func TestCloseEndsWithTheContext(t *testing.T) {
	tests := map[string]struct {
		statement string
		binary    bool
	}{
		"text":           {"stalls", false},
		"binary":         {"stalls", true},
		"a later result": {"one; one; stalls", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := raw(t, startFake(t, rowsReplies), "?multiStatements=true")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := queryContext(ctx, t, c, test.statement, test.binary)
			if err := r.Next(make([]driver.Value, 1)); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(10*time.Millisecond, cancel)
			if err := r.Close(); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if c.(driver.Validator).IsValid() {
				t.Error("the connection would go back into the pool")
			}
		})
	}
}
