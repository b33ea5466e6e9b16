package mysqldriver

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/awsdb/awsdb/core"
)

// Where a part of a text has run already, nothing of it is sent again, unlike by the
// bare driver.
func TestRejectReadOnlyOfSeveralStatements(t *testing.T) {
	s := startFake(t, map[string]fakeReply{"b": {err: serverError(1836, "HY000")}})
	db := sql.OpenDB(connector(t, parsed(t, "app@tcp("+s.addr+")/x?multiStatements=true&rejectReadOnly=true"), WithPlugins()))
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "a; b"); !errors.Is(err, core.ErrOutcomeUnknown) {
		t.Errorf("got %v", err)
	}
	if got := len(s.seen()); got != 1 {
		t.Errorf("a was delivered %d times", got)
	}
}

// Likewise where it is the rows that meet the refusal.
func TestReadOnlyInALaterResult(t *testing.T) {
	s := startFake(t, map[string]fakeReply{"one": rowsReplies["one"], "b": {err: serverError(1836, "HY000")}})
	db := sql.OpenDB(connector(t, parsed(t, "app@tcp("+s.addr+")/x?multiStatements=true&rejectReadOnly=true"), WithPlugins()))
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "a; one; b")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() || rows.NextResultSet() {
	}
	if err := rows.Err(); !errors.Is(err, core.ErrOutcomeUnknown) || errors.Is(err, driver.ErrBadConn) {
		t.Errorf("got %v", err)
	}
}

// The only connection of a driver.Driver has the interfaces that go-sql-driver's has.
func TestOpenIsComplete(t *testing.T) {
	s := startFake(t, nil)
	c, err := Driver{}.Open("app@tcp(" + s.addr + ")/x?plugins=none")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.(driver.Execer); !ok { //nolint:staticcheck // deprecated, but the driver has it
		t.Error("no Execer")
	}
	k := core.FromRaw(c).Connector()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := k.Connect(t.Context()); !errors.Is(err, core.ErrClosed) {
		t.Errorf("the connector outlives its connection: %v", err)
	}
}
