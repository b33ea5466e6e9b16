package core

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func nativeOf(c *Conn) *fakeNative { return c.Unwrap().(*fakeNative) }

// B82: only ErrBadConn makes database/sql drop a connection.
func TestResetSessionAndIsValid(t *testing.T) {
	tests := map[string]struct {
		change func(c *Conn)
		reset  error
		valid  bool
	}{
		"healthy":                  {func(*Conn) {}, nil, true},
		"condemned":                {func(c *Conn) { c.Link().Condemn(errTestCause) }, driver.ErrBadConn, false},
		"aborted":                  {func(c *Conn) { c.Link().Abort(errTestCause) }, driver.ErrBadConn, false},
		"reset refused":            {func(c *Conn) { nativeOf(c).resets = errors.New("some other error") }, driver.ErrBadConn, true},
		"broken by the driver":     {func(c *Conn) { nativeOf(c).broken = true }, nil, false},
		"cancelled call closed it": {func(c *Conn) { _ = c.Native.Close() }, nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := open(t, newFakeCluster("w1").handle(t, nil))
			test.change(c)
			if err := c.ResetSession(t.Context()); err != test.reset { //nolint:errorlint // database/sql compares so
				t.Errorf("ResetSession: %v, want %v", err, test.reset)
			}
			if got := c.IsValid(); got != test.valid {
				t.Errorf("IsValid is %t", got)
			}
		})
	}
}

// overLiving is a connection that was used just now.
func overLiving(t *testing.T) (*Conn, *livingConn) {
	t.Helper()
	peer := &livingConn{alive: true}
	l := linkTo(t, quietCluster(), func(context.Context, string, string) (net.Conn, error) { return peer, nil }, "memory")
	k := &Connector{cluster: l.cluster, engine: &fakeEngine{}}
	k.chain = k.compile(nil)
	c := newConn(k, &fakeNative{link: l, silent: true}, l, Host{})
	l.writeAt.Store(nanotime())
	return c, peer
}

// A connection that has idled is looked at; a peer that went is a reason to
// look at its host, without a query.
func TestResetSessionPeeksAfterIdling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := overLiving(t)
		peer.alive = false
		if err := c.ResetSession(t.Context()); err != nil {
			t.Errorf("just used: %v", err)
		}
		time.Sleep(idleBeforePeek + time.Millisecond)
		if err := c.ResetSession(t.Context()); err != driver.ErrBadConn { //nolint:errorlint // database/sql compares so
			t.Errorf("idle and gone: %v", err)
		}
		peer.alive = true
		if err := c.ResetSession(t.Context()); err != nil {
			t.Errorf("idle and alive: %v", err)
		}
	})
}

// Who asks whether a connection is alive need not wait until it has idled. The answer no
// is final.
func TestAlive(t *testing.T) {
	c, peer := overLiving(t)
	if !c.Alive() || !c.IsValid() {
		t.Error("it is alive")
	}
	peer.alive = false
	if c.Alive() || c.IsValid() || c.ResetSession(t.Context()) == nil {
		t.Error("it is gone")
	}
}

// What a call that fails becomes, without any plugin.
func TestFailedCalls(t *testing.T) {
	exec := func(ctx context.Context, c *Conn) error { _, err := c.ExecContext(ctx, "x", nil); return err }
	elsewhere := &net.OpError{Op: "read", Err: syscall.ECONNRESET} // of what LOAD DATA reads from, for instance
	tests := map[string]struct {
		host    func(h *fakeHost)
		conn    func(c *Conn)
		is, not []error
		valid   bool // the connection may be used again
	}{
		"B99: an ordinary error": {func(h *fakeHost) { h.fails['e'] = stateError("23505") }, nil, []error{stateError("23505")}, []error{driver.ErrBadConn, ErrOutcomeUnknown}, true},
		"B34: driver.ErrBadConn": {func(h *fakeHost) { h.fails['e'] = driver.ErrBadConn }, nil, []error{ErrOutcomeUnknown}, []error{driver.ErrBadConn, ErrFailover}, false},
		"B36: conn closed":       {nil, func(c *Conn) { nativeOf(c).broken = true }, []error{driver.ErrBadConn, errFakeClosed}, []error{ErrOutcomeUnknown}, false},
		"shutdown":               {func(h *fakeHost) { h.fails['e'] = errFakeShutdown }, nil, []error{ErrOutcomeUnknown, errFakeShutdown}, []error{driver.ErrBadConn}, false},
		"aborted before":         {nil, func(c *Conn) { c.Link().Abort(errTestCause) }, []error{driver.ErrBadConn, errTestCause}, []error{ErrOutcomeUnknown}, false},
		"B43: read-only, any":    {func(h *fakeHost) { h.fails['e'] = errFakeReadOnly }, nil, []error{errFakeReadOnly}, []error{ErrFailover, driver.ErrBadConn}, true},
		"B43: read-only, writer": {func(h *fakeHost) { h.fails['e'] = errFakeReadOnly }, func(c *Conn) { c.Expect(RoleWriter) }, []error{errFakeReadOnly}, []error{ErrFailover, driver.ErrBadConn}, true},
		"another socket's error": {func(h *fakeHost) { h.fails['e'] = elsewhere }, nil, []error{elsewhere}, []error{driver.ErrBadConn, ErrOutcomeUnknown, ErrFailover}, true},
		"busy":                   {func(h *fakeHost) { h.fails['e'] = errFakeBusy }, nil, []error{errFakeBusy}, []error{driver.ErrBadConn, ErrFailover}, true},
		"ErrSkip":                {func(h *fakeHost) { h.fails['e'] = driver.ErrSkip }, nil, []error{driver.ErrSkip}, nil, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster("w1")
			k := f.handle(t, nil)
			c := open(t, k)
			if test.host != nil {
				f.with("w1", test.host)
			}
			if test.conn != nil {
				test.conn(c)
			}
			err := exec(t.Context(), c)
			for _, want := range test.is {
				if !errors.Is(err, want) {
					t.Errorf("%v is not %v", err, want)
				}
			}
			for _, unwanted := range test.not {
				if errors.Is(err, unwanted) {
					t.Errorf("%v is %v", err, unwanted)
				}
			}
			if got := c.IsValid(); got != test.valid {
				t.Errorf("IsValid is %t", got)
			}
			if k.Cluster().Down("w1") != nil {
				t.Error("a failed call marked the host down")
			}
		})
	}
}

// B32, B33: the caller's own cancellation says so, and is no failover.
func TestCallersContextEnds(t *testing.T) {
	for name, inTx := range map[string]bool{"outside": false, "inside a transaction": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeCluster("w1")
				k := f.handle(t, nil)
				c := open(t, k)
				if inTx {
					if _, err := c.BeginTx(t.Context(), driver.TxOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				f.with("w1", func(h *fakeHost) { h.ignores = 'e' })
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := c.ExecContext(ctx, "x", nil)
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrFailover) || errors.Is(err, driver.ErrBadConn) {
					t.Errorf("got %v", err)
				}
				if errors.Is(err, ErrOutcomeUnknown) == inTx {
					t.Errorf("outcome unknown: %t", !inTx)
				}
				if c.Link().Lost() != nil || k.Cluster().Down("w1") != nil {
					t.Errorf("lost %v, down %v", c.Link().Lost(), k.Cluster().Down("w1"))
				}
				if err := open(t, k).Ping(t.Context()); err != nil {
					t.Errorf("the next call: %v", err)
				}
			})
		})
	}
}

// A call whose context has ended before anything was sent changes nothing, neither
// for the connection nor for the transaction: both can go on.
func TestContextEndedBefore(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	f := newFakeCluster("w1")
	c := open(t, f.handle(t, nil))
	exec := func() {
		t.Helper()
		if _, err := c.ExecContext(ended, "x", nil); !errors.Is(err, context.Canceled) || errors.Is(err, driver.ErrBadConn) {
			t.Errorf("got %v", err) // ErrBadConn would make database/sql drop a sql.Conn
		}
	}
	exec()
	tx, err := c.BeginTx(t.Context(), driver.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	exec()
	if _, err := c.ExecContext(t.Context(), "y", nil); err != nil {
		t.Errorf("the next call: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Errorf("commit: %v", err)
	}
	if open := read(f, "w1", func(h *fakeHost) int { return h.inTx }); open != 0 || !c.IsValid() {
		t.Errorf("%d transactions are open, the connection is valid: %t", open, c.IsValid())
	}
}

// Where the driver only says that the connection is closed, the caller's context is
// named as it is elsewhere, whatever cause it was given.
func TestCauseOfCallersContext(t *testing.T) {
	c := open(t, newFakeCluster("w1").handle(t, nil))
	nativeOf(c).broken = true
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errTestCause)
	_, err := c.ExecContext(ctx, "x", nil)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, errTestCause) {
		t.Errorf("got %v", err)
	}
}

// A transaction that is called lost leaves no connection that is in one, even if the
// driver's own would go on.
func TestLostTransactionsConnectionIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		c := open(t, f.handle(t, nil))
		tx, err := c.BeginTx(t.Context(), driver.TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		f.with("w1", func(h *fakeHost) { h.fails['e'] = driver.ErrBadConn }) // pgx says so of a context that has ended before
		nativeOf(c).ignoresContext = true
		if _, err := c.ExecContext(ended, "x", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err := tx.Commit(); err == nil {
			t.Error("the transaction was lost")
		}
		if open := read(f, "w1", func(h *fakeHost) int { return h.inTx }); open != 0 && c.IsValid() {
			t.Error("a connection with an open transaction goes back to the pool")
		}
	})
}

// Rows report their failures too.
func TestLostRows(t *testing.T) {
	f := newFakeCluster("w1")
	c := open(t, f.handle(t, nil))
	rows, err := c.QueryContext(t.Context(), "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := rows.Next(nil); err != io.EOF { //nolint:errorlint // database/sql compares so
		t.Errorf("end of rows: %v", err)
	}
	c.Link().Abort(errTestCause)
	err = rows.Next(nil)
	var e *Error
	if !errors.As(err, &e) || e.Op != OpRows || !errors.Is(err, errTestCause) || !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("lost rows: %v", err)
	}
}

// Promise 3, B120: a healthy call through Conn allocates what the bare driver
// allocates.
func TestHealthyCallsDoNotAllocate(t *testing.T) {
	c := open(t, newFakeCluster("w1").handle(t, nil))
	bare := nativeOf(c)
	bare.silent = true
	ctx := t.Context()
	bareStmt, err := bare.PrepareContext(ctx, "s")
	if err != nil {
		t.Fatal(err)
	}
	stmt := newStmt(c, bareStmt, "s")
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	type stmtContext interface {
		driver.StmtExecContext
		driver.StmtQueryContext
	}
	tests := map[string]func(n Native, s stmtContext){
		"query": func(n Native, _ stmtContext) { _, err := n.QueryContext(ctx, "q", nil); must(err) },
		"exec":  func(n Native, _ stmtContext) { _, err := n.ExecContext(ctx, "e", nil); must(err) },
		"ping":  func(n Native, _ stmtContext) { must(n.Ping(ctx)) },
		"reset": func(n Native, _ stmtContext) { must(n.ResetSession(ctx)) },
		"commit": func(n Native, _ stmtContext) {
			tx, err := n.BeginTx(ctx, driver.TxOptions{})
			must(err)
			must(tx.Commit())
		},
		"rollback": func(n Native, _ stmtContext) {
			tx, err := n.BeginTx(ctx, driver.TxOptions{})
			must(err)
			must(tx.Rollback())
		},
		"prepared query": func(_ Native, s stmtContext) { _, err := s.QueryContext(ctx, nil); must(err) },
		"prepared exec":  func(_ Native, s stmtContext) { _, err := s.ExecContext(ctx, nil); must(err) },
		"valid":          func(n Native, _ stmtContext) { n.(driver.Validator).IsValid() },
	}
	for name, call := range tests {
		want := testing.AllocsPerRun(100, func() { call(bare, bareStmt.(stmtContext)) })
		if got := testing.AllocsPerRun(100, func() { call(c, stmt.(stmtContext)) }); got > want {
			t.Errorf("%s allocates %.0f times, the bare driver %.0f", name, got, want)
		}
	}
}

// Every optional interface of the driver's statements is kept, none is invented.
func TestStatementInterfaces(t *testing.T) {
	c := open(t, newFakeCluster("w1").handle(t, nil))
	plain, err := c.PrepareContext(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := plain.(driver.NamedValueChecker); ok {
		t.Error("a NamedValueChecker was invented")
	}
	checking := newStmt(c, checkedStmt{(*fakeStmt)(nativeOf(c))}, "s")
	if _, ok := checking.(driver.NamedValueChecker); !ok {
		t.Error("the NamedValueChecker is gone")
	}
	if _, ok := checking.(driver.StmtQueryContext); !ok {
		t.Error("the StmtQueryContext is gone")
	}
}

type checkedStmt struct{ *fakeStmt }

func (checkedStmt) CheckNamedValue(*driver.NamedValue) error { return nil }

// RunTx repeats what is safe, and only that.
func TestRunTx(t *testing.T) {
	lostBefore := &Error{Op: OpExec, Sent: true, InTx: true, Outcome: OutcomeRolledBack}
	tests := map[string]struct {
		err      error // of fn, always
		attempts int
	}{
		"none":                       {nil, 1},
		"an ordinary error":          {stateError("23505"), 1},
		"serialization failure":      {stateError("40001"), 10},
		"deadlock":                   {fmt.Errorf("step 2: %w", stateError("40P01")), 10},
		"failover in the tx":         {&Error{Op: OpExec, Sent: true, InTx: true, Outcome: OutcomeRolledBack, Kind: ErrTransactionResolutionUnknown}, 10},
		"failover, joined":           {errors.Join(errors.New("x"), &Error{Op: OpExec, Kind: ErrFailoverSuccess}), 10},
		"lost, rolled back":          {lostBefore, 10},
		"outcome unknown":            {&Error{Op: OpCommit, Sent: true, InTx: true, Outcome: OutcomeUnknown, Kind: ErrTransactionResolutionUnknown}, 1},
		"failover failed":            {&Error{Op: OpExec, Kind: ErrFailoverFailed}, 1},
		"cannot connect":             {&Error{Op: OpConnect, Kind: ErrConnect}, 1},
		"cancelled":                  {context.Canceled, 1},
		"cancelled, rolled back":     {&Error{Op: OpExec, Sent: true, InTx: true, Outcome: OutcomeRolledBack, Err: context.Canceled}, 1},
		"deadline, rolled back":      {&Error{Op: OpExec, Sent: true, InTx: true, Outcome: OutcomeRolledBack, Err: context.DeadlineExceeded}, 1},
		"wrong configuration":        {ErrConfig, 1},
		"serialization, commit lost": {errors.Join(stateError("40001"), &Error{Outcome: OutcomeUnknown}), 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeCluster("w1")
				db := sql.OpenDB(f.handle(t, nil))
				defer db.Close()
				attempts := 0
				err := RunTx(t.Context(), db, nil, func(tx *sql.Tx) error {
					attempts++
					if _, err := tx.ExecContext(t.Context(), "x"); err != nil {
						return err
					}
					return test.err
				})
				if !errors.Is(err, test.err) || attempts != test.attempts {
					t.Errorf("%d attempts, want %d: %v", attempts, test.attempts, err)
				}
				if test.err != nil && SafeToRepeat(test.err) != (test.attempts > 1) {
					t.Errorf("SafeToRepeat(%v) is %t", test.err, SafeToRepeat(test.err))
				}
				if n := read(f, "w1", func(h *fakeHost) int { return h.inTx }); n != 0 {
					t.Errorf("%d transactions are left open", n)
				}
			})
		})
	}
}

func TestRunTxRepeatsALostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		db := sql.OpenDB(f.handle(t, nil))
		defer db.Close()
		attempts := 0
		err := RunTx(t.Context(), db, nil, func(tx *sql.Tx) error {
			if attempts++; attempts < 3 {
				f.with("w1", func(h *fakeHost) {
					for c := range h.conns {
						_ = c.Close()
					}
				})
			}
			_, err := tx.ExecContext(t.Context(), "x")
			return err
		})
		if err != nil || attempts != 3 {
			t.Errorf("%d attempts: %v", attempts, err)
		}
		// A commit whose answer is lost is never repeated.
		attempts = 0
		f.with("w1", func(h *fakeHost) { h.fails['C'] = errFakeShutdown })
		err = RunTx(t.Context(), db, nil, func(*sql.Tx) error { attempts++; return nil })
		if !errors.Is(err, ErrOutcomeUnknown) || attempts != 1 {
			t.Errorf("%d attempts: %v", attempts, err)
		}
	})
}

func TestRunTxEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sql.OpenDB(newFakeCluster("w1").handle(t, nil))
		defer db.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := RunTx(ctx, db, nil, func(*sql.Tx) error { return stateError("40001") })
		if err == nil || time.Since(start) > 100*time.Millisecond {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func TestRunTxRollsBackWhenFnPanics(t *testing.T) {
	f := newFakeCluster("w1")
	db := sql.OpenDB(f.handle(t, nil))
	defer db.Close()
	func() {
		defer func() {
			if recover() != "out of cheese" {
				t.Error("the panic was swallowed")
			}
		}()
		_ = RunTx(t.Context(), db, nil, func(*sql.Tx) error { panic("out of cheese") })
	}()
	if n := read(f, "w1", func(h *fakeHost) int { return h.inTx }); n != 0 {
		t.Errorf("%d transactions are left open", n)
	}
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%d connections are in use", n)
	}
}

// refusing is a gate that lets no commit through.
type refusing struct{}

func (refusing) Code() string { return "refusing" }

func (refusing) Admit(_ context.Context, _ *Conn, call Call) error {
	if call.Op == OpCommit {
		return errTestCause
	}
	return nil
}

// Statements that are prepared and closed on a connection that stays out of the
// pool are closed at the server as well: it has room for so many only.
func TestClosedStatementsDoNotPileUp(t *testing.T) {
	f := newFakeCluster("w1")
	db := sql.OpenDB(f.handle(t, nil))
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const n = 5
	for range n {
		s, err := conn.PrepareContext(t.Context(), "select 1")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.Raw(func(c any) error {
		if closed := nativeOf(c.(*Conn)).closedStatements; closed != n-1 {
			t.Errorf("%d of %d statements are closed at the server, want all but the last", closed, n)
		}
		return nil
	})
}
