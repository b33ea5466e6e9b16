package cluster

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// Calls are how a tool runs SQL.
type Calls struct {
	// Exec runs a statement outside a transaction.
	Exec func(ctx context.Context, statement string) error
	// InTx runs work in a transaction, and commits it. It makes one attempt.
	InTx func(ctx context.Context, work func(exec func(statement string) error) error) error
}

// CallsOf are the calls of database/sql itself.
func CallsOf(db *sql.DB) Calls {
	return Calls{
		Exec: func(ctx context.Context, statement string) error {
			_, err := db.ExecContext(ctx, statement)
			return err
		},
		InTx: func(ctx context.Context, work func(func(string) error) error) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			err = work(func(statement string) error {
				_, err := tx.ExecContext(ctx, statement)
				return err
			})
			if err != nil {
				return err
			}
			return tx.Commit()
		},
	}
}

// CheckErrors causes the errors that applications have to tell apart, and looks at what comes out of a tool. It opens a
// tool by the cluster's writer endpoint with further parameters. The cluster has no writer afterwards.
func CheckErrors(t *testing.T, e Engine, c *lab.Cluster, open func(params ...string) Calls) {
	t.Helper()
	ctx, calls := Context(t), open()
	for _, statement := range []string{"create table numbers (n bigint primary key)", "insert into numbers values (1)"} {
		if err := calls.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("of the driver", func(t *testing.T) {
		const again = "insert into numbers values (1)"
		checkDuplicate(t, e, calls.Exec(ctx, again))
		checkDuplicate(t, e, calls.InTx(ctx, func(exec func(string) error) error { return exec(again) }))
	})
	t.Run("deadline", func(t *testing.T) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err := calls.Exec(short, e.sleep())
		checkMatches(t, err, context.DeadlineExceeded, core.ErrOutcomeUnknown)
	})
	t.Run("idle connection lost", func(t *testing.T) {
		c.Writer().ResetConnections()
		if err := calls.Exec(ctx, "insert into numbers values (2)"); err != nil {
			t.Error(err)
		}
	})
	t.Run("lost outside a transaction", func(t *testing.T) {
		err := during(t, c, e.sleep(), c.Writer().ResetConnections, func() error { return calls.Exec(ctx, e.sleep()) })
		checkMatches(t, err, core.ErrFailoverSuccess, core.ErrOutcomeUnknown)
		checkLost(t, err)
	})
	t.Run("lost inside a transaction", func(t *testing.T) {
		err := calls.InTx(ctx, func(exec func(string) error) error {
			if err := exec("insert into numbers values (3)"); err != nil {
				return err
			}
			c.Writer().ResetConnections()
			return exec("insert into numbers values (4)")
		})
		checkMatches(t, err, core.ErrFailover, core.ErrTransactionResolutionUnknown)
		if errors.Is(err, core.ErrOutcomeUnknown) || !core.SafeToRepeat(err) {
			t.Errorf("no commit was under way, and the error says otherwise: %v", err)
		}
		checkLost(t, err)
	})
	t.Run("no host", func(t *testing.T) {
		calls := open("failover_timeout_sec=1")
		Await(t, "a connection", func() bool { return calls.Exec(ctx, "select 1") == nil }) // on a slow machine it takes longer than that
		err := during(t, c, e.sleep(), c.Writer().Crash, func() error { return calls.Exec(ctx, e.sleep()) })
		checkMatches(t, err, core.ErrFailoverFailed, core.ErrOutcomeUnknown)
		err = calls.Exec(ctx, "insert into numbers values (5)")
		checkMatches(t, err, core.ErrFailoverFailed)
		var e *core.Error
		if !errors.As(err, &e) || e.Op != core.OpConnect || errors.Is(err, core.ErrOutcomeUnknown) {
			t.Errorf("error %v, want one about a connection that could not be made", err)
		}
	})
}

// sleep is a statement that takes longer than any test has patience for.
func (e Engine) sleep() string {
	if e == MySQL {
		return "select sleep(600)"
	}
	return "select pg_sleep(600)"
}

// during does something while a call waits for the answer to a statement, and returns the call's error.
func during(t *testing.T, c *lab.Cluster, statement string, do func(), call func() error) error {
	t.Helper()
	running := func() (n int) {
		for _, s := range c.Writer().Statements() {
			if strings.Contains(s.SQL, statement) {
				n++
			}
		}
		return n
	}
	before, result := running(), make(chan error, 1)
	go func() { result <- call() }()
	Await(t, statement, func() bool { return running() > before || len(result) > 0 })
	do()
	select {
	case err := <-result:
		return err
	case <-time.After(Patience): //ci:wait only a test that fails waits so long
		t.Fatalf("%s has not ended within %v", statement, Patience)
		return nil
	}
}

func checkMatches(t *testing.T, err error, sentinels ...error) {
	t.Helper()
	for _, want := range sentinels {
		if !errors.Is(err, want) {
			t.Errorf("error %v, want a match with %q", err, want)
		}
	}
	if got := core.ClassOf(err); got != core.ClassOperational {
		t.Errorf("class %v of %v, want %v", got, err, core.ClassOperational)
	}
}

func checkLost(t *testing.T, err error) {
	t.Helper()
	var e *core.Error
	var lost *core.LostError
	if !errors.As(err, &e) || !errors.As(err, &lost) || lost.Host == "" {
		t.Errorf("error %v, want a *core.Error with a *core.LostError that names the host", err)
	}
}

// checkDuplicate wants the driver's error about a row that exists.
func checkDuplicate(t *testing.T, e Engine, err error) {
	t.Helper()
	if !e.Duplicate(err) {
		t.Errorf("error %v, want the driver's about a unique key", err)
	}
	if core.SafeToRepeat(err) || core.ClassOf(err) != core.ClassNone {
		t.Errorf("SafeToRepeat %v and class %v of %v, want false and none", core.SafeToRepeat(err), core.ClassOf(err), err)
	}
}
