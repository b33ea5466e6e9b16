package core

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"
)

// B44, B98: what ended a transaction is what every later call on it says, and
// Rollback does not hide it.
func TestLostTransaction(t *testing.T) {
	f := newFakeCluster("w1")
	c := open(t, f.handle(t, nil))
	tx, err := c.BeginTx(t.Context(), driver.TxOptions{ReadOnly: true})
	if err != nil || !c.InTx() || !c.ReadOnly() {
		t.Fatalf("begin: %v, in a tx %t, read-only %t", err, c.InTx(), c.ReadOnly())
	}
	c.Link().Abort(errTestCause)
	_, first := c.ExecContext(t.Context(), "x", nil)
	var e *Error
	if !errors.As(first, &e) || !e.InTx || e.Outcome != OutcomeRolledBack || !errors.Is(first, errTestCause) || errors.Is(first, driver.ErrBadConn) {
		t.Errorf("first: %v", first)
	}
	if _, err := c.QueryContext(t.Context(), "y", nil); err != first { //nolint:errorlint // identity is meant
		t.Errorf("second: %v", err)
	}
	if err := tx.Commit(); err != first { //nolint:errorlint // identity is meant
		t.Errorf("commit: %v", err)
	}
	if c.InTx() {
		t.Error("still in a transaction after Commit")
	}
	c = open(t, f.handle(t, nil))
	if tx, err = c.BeginTx(t.Context(), driver.TxOptions{}); err != nil {
		t.Fatal(err)
	}
	c.Link().Abort(errTestCause)
	if err := tx.Rollback(); err != nil {
		t.Errorf("rollback of what the server has rolled back: %v", err)
	}
}

// A connection that could not roll back is perhaps still in the transaction.
func TestFailedRollback(t *testing.T) {
	f := newFakeCluster("w1")
	c := open(t, f.handle(t, nil))
	tx, err := c.BeginTx(t.Context(), driver.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.with("w1", func(h *fakeHost) { h.fails['R'] = stateError("57014") })
	if err := tx.Rollback(); !errors.Is(err, stateError("57014")) || c.IsValid() {
		t.Errorf("%v, valid %t", err, c.IsValid())
	}
}

func TestLostCommit(t *testing.T) {
	f := newFakeCluster("w1")
	c := open(t, f.handle(t, nil))
	tx, err := c.BeginTx(t.Context(), driver.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.with("w1", func(h *fakeHost) { h.fails['C'] = errFakeShutdown })
	if err := tx.Commit(); !errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, driver.ErrBadConn) {
		t.Errorf("commit: %v", err)
	}
	if c.InTx() || c.IsValid() {
		t.Errorf("in a tx %t, valid %t", c.InTx(), c.IsValid())
	}
}

// A commit that a gate refuses must not leave a pooled connection inside the
// transaction.
func TestRefusedCommitEndsTheTransaction(t *testing.T) {
	f := newFakeCluster("w1")
	db := sql.OpenDB(f.handle(t, nil, refusing{}))
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); !errors.Is(err, errTestCause) {
		t.Errorf("commit: %v", err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Raw(func(c any) error {
		if c.(*Conn).InTx() {
			return errors.New("the next user is inside the transaction")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if n := read(f, "w1", func(h *fakeHost) int { return h.inTx }); n != 0 {
		t.Errorf("%d transactions are open on the server", n)
	}
}

// A statement that commits by itself leaves nothing that a broken connection could
// roll back: the outcome of the transaction is unknown from then on.
func TestImplicitCommit(t *testing.T) {
	f := newFakeCluster("w1")
	k := f.handle(t, nil)
	for _, statement := range []string{"dml", "ddl"} {
		c := open(t, k)
		if _, err := c.BeginTx(t.Context(), driver.TxOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ExecContext(t.Context(), statement, nil); err != nil {
			t.Fatal(err)
		}
		c.Link().Abort(errTestCause)
		_, err := c.ExecContext(t.Context(), "x", nil)
		if unknown := errors.Is(err, ErrOutcomeUnknown); unknown != (statement == "ddl") || SafeToRepeat(err) == unknown {
			t.Errorf("after %s: %v", statement, err)
		}
	}
}

// Who begins after a lost transaction gets an error at which database/sql drops the
// connection, also when it has not told us yet that the transaction is over.
func TestBeginAfterLostTransaction(t *testing.T) {
	c := open(t, newFakeCluster("w1").handle(t, nil))
	if _, err := c.BeginTx(t.Context(), driver.TxOptions{}); err != nil {
		t.Fatal(err)
	}
	c.Link().Abort(errTestCause)
	if _, err := c.ExecContext(t.Context(), "x", nil); err == nil {
		t.Fatal("the connection is lost")
	}
	if _, err := c.BeginTx(t.Context(), driver.TxOptions{}); !errors.Is(err, driver.ErrBadConn) {
		t.Errorf("got %v, want one that lets database/sql drop the connection", err)
	}
}
