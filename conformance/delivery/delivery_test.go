// Package delivery cuts the connection at every point of the protocol, for every
// kind of call, and checks two things: how often the server received the
// statement, and what the application was told about it.
package delivery

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// cut is where the connection breaks.
type cut string

const (
	beforeSend cut = "before send"       // no byte leaves
	midSend    cut = "mid-send"          // a part of the request leaves
	beforeRun  cut = "sent, not run"     // the server has it, and the connection breaks
	afterRun   cut = "run, no reply"     // the server has run it, and the connection breaks
	midRows    cut = "reply in mid-rows" // a part of the result arrives

	// The same where the driver first prepares what has arguments, which is the
	// request that the two cuts of sending are then about.
	prepareUnanswered cut = "preparation sent, no reply"
	preparedUnsent    cut = "prepared, before send"
	preparedMidSend   cut = "prepared, mid-send"
)

var cuts = []cut{beforeSend, midSend, beforeRun, afterRun, midRows, prepareUnanswered, preparedUnsent, preparedMidSend}

func (at cut) afterPreparation() bool {
	return at == prepareUnanswered || at == preparedUnsent || at == preparedMidSend
}

// What the application may be told.
const (
	fine         = "ok"
	unknown      = "failover success, outcome unknown"
	txRolledBack = "transaction resolution unknown, rolled back"
	txUnknown    = "transaction resolution unknown, outcome unknown"

	plainUnknown    = "error, outcome unknown"
	plainRolledBack = "error, rolled back"
)

// told is how an error answers errors.Is.
func told(err error) string {
	var e *core.Error
	kind := ""
	switch {
	case err == nil:
		return fine
	case !errors.As(err, &e):
		return "untyped: " + err.Error()
	case errors.Is(err, core.ErrFailoverSuccess):
		kind = "failover success"
	case errors.Is(err, core.ErrTransactionResolutionUnknown):
		kind = "transaction resolution unknown"
	case errors.Is(err, core.ErrFailoverFailed):
		kind = "failover failed"
	default:
		kind = "error"
	}
	if core.ClassOf(err) != core.ClassOperational {
		kind += " of class " + core.ClassOf(err).String()
	}
	if errors.Is(err, core.ErrOutcomeUnknown) {
		return kind + ", outcome unknown"
	}
	return kind + ", " + e.Outcome.String()
}

// call is one kind of call; run makes it, with cutting armed just before it.
type call struct {
	name string
	kind kind // of the statement that is cut
	args bool // it has arguments and no preparation of its own
	run  func(ctx context.Context, db database, arm func()) error
}

// kind is a kind of statement.
type kind int

const (
	write kind = iota
	query      // it returns rows
	beginTx
	commitTx
	rollbackTx
	bulk // COPY
)

// beginning is what no other statement begins with, but for awsdb's own.
func (k kind) beginning(sql frontend.SQL) string {
	verb, _, _ := strings.Cut(sql.Rows, " ")
	return strings.ToLower([]string{"insert", verb, sql.Begin, sql.Commit, "rollback", "copy"}[k])
}

// is tells that a server has received a statement of that kind.
func is(f frontend.Frontend, sql frontend.SQL, k kind, s lab.Statement) bool {
	return !f.Own(s.SQL) && strings.HasPrefix(strings.ToLower(s.SQL), k.beginning(sql))
}

// database is a pool, and how one speaks to it.
type database struct {
	*sql.DB
	pool      *pgdriver.Pool // nil unless the front end is one
	sql       frontend.SQL
	insertArg string
}

const insert = "insert into t (id) values (7)"

func drain(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
	}
	return rows.Err()
}

func inTx(ctx context.Context, db database, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback()) // a rollback on a lost connection must not add an error
	}
	return tx.Commit()
}

func prepared(ctx context.Context, db database, text string, f func(s *sql.Stmt) error) error {
	s, err := db.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // it may be on a lost connection
	return f(s)
}

var calls = []call{
	{"exec", write, false, func(ctx context.Context, db database, arm func()) error {
		arm()
		_, err := db.ExecContext(ctx, insert)
		return err
	}},
	{"exec with arguments", write, true, func(ctx context.Context, db database, arm func()) error {
		arm()
		_, err := db.ExecContext(ctx, db.insertArg, 7)
		return err
	}},
	{"query", query, false, func(ctx context.Context, db database, arm func()) error {
		arm()
		return drain(db.QueryContext(ctx, db.sql.Rows))
	}},
	{"query with arguments", query, true, func(ctx context.Context, db database, arm func()) error {
		arm()
		return drain(db.QueryContext(ctx, db.sql.RowsOf, 5))
	}},
	{"prepared exec", write, false, func(ctx context.Context, db database, arm func()) error {
		return prepared(ctx, db, db.insertArg, func(s *sql.Stmt) error {
			arm()
			_, err := s.ExecContext(ctx, 7)
			return err
		})
	}},
	{"prepared query", query, false, func(ctx context.Context, db database, arm func()) error {
		return prepared(ctx, db, db.sql.RowsOf, func(s *sql.Stmt) error {
			arm()
			return drain(s.QueryContext(ctx, 5))
		})
	}},
	{"exec, not for the first time", write, true, func(ctx context.Context, db database, arm func()) error {
		if _, err := db.ExecContext(ctx, db.insertArg, 7); err != nil {
			return err
		}
		arm()
		_, err := db.ExecContext(ctx, db.insertArg, 7)
		return err
	}},
	{"query, not for the first time", query, true, func(ctx context.Context, db database, arm func()) error {
		if err := drain(db.QueryContext(ctx, db.sql.RowsOf, 5)); err != nil {
			return err
		}
		arm()
		return drain(db.QueryContext(ctx, db.sql.RowsOf, 5))
	}},
	{"begin", beginTx, false, func(ctx context.Context, db database, arm func()) error {
		arm()
		return inTx(ctx, db, func(*sql.Tx) error { return nil })
	}},
	{"exec in transaction", write, true, func(ctx context.Context, db database, arm func()) error {
		return inTx(ctx, db, func(tx *sql.Tx) error {
			arm()
			_, err := tx.ExecContext(ctx, db.insertArg, 7)
			return err
		})
	}},
	{"query in transaction", query, false, func(ctx context.Context, db database, arm func()) error {
		return inTx(ctx, db, func(tx *sql.Tx) error {
			arm()
			return drain(tx.QueryContext(ctx, db.sql.Rows))
		})
	}},
	{"error ignored, then commit", write, false, func(ctx context.Context, db database, arm func()) error {
		return inTx(ctx, db, func(tx *sql.Tx) error {
			arm()
			_, _ = tx.ExecContext(ctx, insert) // a careless application
			return nil
		})
	}},
	{"commit", commitTx, false, func(ctx context.Context, db database, arm func()) error {
		return inTx(ctx, db, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, insert); err != nil {
				return err
			}
			arm()
			return nil
		})
	}},
	{"rollback", rollbackTx, false, func(ctx context.Context, db database, arm func()) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		arm()
		return tx.Rollback()
	}},
}

// expectation is what must come of a call whose connection breaks.
type expectation struct {
	received int // how often the server received the statement
	told     string
}

// expected is the contract, B32–B46 and B95–B99, in one table. Without the
// failover plugin nothing is waited for, and the Kind is missing; what is known
// about the statement is the same.
func expected(c call, at cut, prepares, follows bool) expectation {
	outside, inside, commit := unknown, txRolledBack, txUnknown
	if !follows {
		outside, inside, commit = plainUnknown, plainRolledBack, plainUnknown
	}
	received := map[cut]int{beforeRun: 1, afterRun: 1, midRows: 1}[at]
	unsent := at == beforeSend || at == preparedUnsent || at == prepareUnanswered || at == midSend && prepares
	switch {
	case c.kind == beginTx: // repeated unseen: it changes nothing
		return expectation{received + 1, fine}
	case c.kind == rollbackTx: // the server has rolled back, which was asked for
		return expectation{received, fine}
	case c.kind == commitTx && at == beforeSend:
		return expectation{0, inside}
	case c.kind == commitTx:
		return expectation{received, commit}
	case strings.HasSuffix(c.name, "transaction") || strings.HasSuffix(c.name, "commit"):
		return expectation{received, inside}
	case unsent: // not a byte of the statement has left, but for its preparation: repeated unseen
		return expectation{1, fine}
	}
	return expectation{received, outside}
}

// TestDelivery is the table, for each way a driver sends statements.
func TestDelivery(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		for _, mode := range f.Params().Modes {
			preparing := slices.Contains(f.Params().PreparingModes, mode)
			for _, follows := range []bool{true, false} {
				for _, c := range calls {
					prepares := preparing && c.args
					for _, at := range cuts {
						if at == midRows && c.kind != query || at.afterPreparation() && !prepares {
							continue
						}
						want := expected(c, at, prepares, follows)
						t.Run(fmt.Sprintf("%s/failover=%t/%s/%s", mode, follows, c.name, at), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { deliver(t, f, mode, follows, c, at, want) })
						})
					}
				}
			}
		}
	})
}

func deliver(t *testing.T, f frontend.Frontend, mode string, follows bool, c call, at cut, want expectation) {
	cluster, err := lab.Start(lab.Options{Flavor: f.Flavors().Aurora, Network: lab.Memory, Latency: time.Millisecond, Auth: lab.Trust})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	knife := &knife{dial: cluster.DialContext}
	db := open(t, f, frontend.Options{Lab: cluster, DSN: cluster.DSN(cluster.Endpoint(), mode), Dial: knife.DialContext}, follows)
	defer db.Close() //nolint:errcheck // checked below
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := db.ExecContext(ctx, "create table t (id bigint)"); err != nil {
		t.Fatal(err)
	}
	isIt := func(s lab.Statement) bool { return is(f, db.sql, c.kind, s) }
	err = c.run(ctx, db, func() {
		for _, i := range cluster.Instances() {
			i.ResetStatements()
		}
		arm(cluster, knife, at, isIt)
	})
	got := expectation{received(cluster, isIt), told(err)}
	if got != want {
		t.Errorf("received %d times, told %q; want %d times, %q; error: %v", got.received, got.told, want.received, want.told, err)
	}
	if _, err := db.ExecContext(ctx, "insert into t (id) values (8)"); err != nil {
		t.Errorf("the pool does not work afterwards: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func open(t *testing.T, f frontend.Frontend, o frontend.Options, follows bool) database {
	t.Helper()
	o.Plugins = []core.Plugin{}
	if follows {
		plugin, err := failover.New(failover.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o.Plugins = append(o.Plugins, plugin)
	}
	h, err := f.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	h.SetMaxOpenConns(1) // so that the connection that was warmed up is the one that breaks
	return database{h.DB, h.Native, f.SQL(), f.SQL().Bind("insert into t (id) values (?)")}
}

func received(cluster *lab.Cluster, isIt func(lab.Statement) bool) int {
	n := 0
	for _, i := range cluster.Instances() {
		for _, s := range i.Statements() {
			if isIt(s) {
				n++
			}
		}
	}
	return n
}

// arm makes the connection break at the call's statement.
func arm(cluster *lab.Cluster, k *knife, at cut, isIt func(lab.Statement) bool) {
	fate := lab.Run()
	switch at {
	case beforeSend:
		k.cut(plan{})
		return
	case midSend:
		k.cut(plan{bytes: 9})
		return
	case prepareUnanswered:
		k.cut(plan{requests: 1, answer: true})
		return
	case preparedUnsent:
		k.cut(plan{requests: 1})
		return
	case preparedMidSend:
		k.cut(plan{requests: 1, bytes: 9})
		return
	case beforeRun:
		fate = lab.CutBefore()
	case afterRun:
		fate = lab.CutAfter()
	case midRows:
		fate = lab.CutAfterRows(2)
	}
	var done atomic.Bool
	for _, i := range cluster.Instances() {
		i.OnStatement(func(s lab.Statement) lab.Fate {
			if isIt(s) && !done.Swap(true) {
				return fate
			}
			return lab.Run()
		})
	}
}
