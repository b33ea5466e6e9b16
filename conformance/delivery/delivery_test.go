// Package delivery cuts the connection at every point of the protocol, for every
// kind of call, and checks two things: how often the server received the
// statement, and what the application was told about it.
package delivery

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

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
)

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
	rows bool // it returns rows
	text string
	run  func(ctx context.Context, db *sql.DB, arm func()) error
}

const (
	insert       = "insert into t (id) values (7)"
	insertArg    = "insert into t (id) values ($1)"
	returning    = "insert into t (id) select i from generate_series(1, 5) as g(i) returning id"
	returningArg = "insert into t (id) select i from generate_series(1, $1::int8) as g(i) returning id"
)

func drain(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
	}
	return rows.Err()
}

func inTx(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback()) // a rollback on a lost connection must not add an error
	}
	return tx.Commit()
}

func prepared(ctx context.Context, db *sql.DB, text string, f func(s *sql.Stmt) error) error {
	s, err := db.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // it may be on a lost connection
	return f(s)
}

var calls = []call{
	{"exec", false, "insert", func(ctx context.Context, db *sql.DB, arm func()) error {
		arm()
		_, err := db.ExecContext(ctx, insert)
		return err
	}},
	{"exec with arguments", false, "insert", func(ctx context.Context, db *sql.DB, arm func()) error {
		arm()
		_, err := db.ExecContext(ctx, insertArg, 7)
		return err
	}},
	{"query", true, "insert", func(ctx context.Context, db *sql.DB, arm func()) error {
		arm()
		return drain(db.QueryContext(ctx, returning))
	}},
	{"query with arguments", true, "insert", func(ctx context.Context, db *sql.DB, arm func()) error {
		arm()
		return drain(db.QueryContext(ctx, returningArg, 5))
	}},
	{"prepared exec", false, "insert", func(ctx context.Context, db *sql.DB, arm func()) error {
		return prepared(ctx, db, insertArg, func(s *sql.Stmt) error {
			arm()
			_, err := s.ExecContext(ctx, 7)
			return err
		})
	}},
	{"prepared query", true, "insert", func(ctx context.Context, db *sql.DB, arm func()) error {
		return prepared(ctx, db, returningArg, func(s *sql.Stmt) error {
			arm()
			return drain(s.QueryContext(ctx, 5))
		})
	}},
	{"begin", false, "begin", func(ctx context.Context, db *sql.DB, arm func()) error {
		arm()
		return inTx(ctx, db, func(*sql.Tx) error { return nil })
	}},
	{"exec in transaction", false, "insert", func(ctx context.Context, db *sql.DB, arm func()) error {
		return inTx(ctx, db, func(tx *sql.Tx) error {
			arm()
			_, err := tx.ExecContext(ctx, insertArg, 7)
			return err
		})
	}},
	{"query in transaction", true, "insert", func(ctx context.Context, db *sql.DB, arm func()) error {
		return inTx(ctx, db, func(tx *sql.Tx) error {
			arm()
			return drain(tx.QueryContext(ctx, returning))
		})
	}},
	{"error ignored, then commit", false, "insert", func(ctx context.Context, db *sql.DB, arm func()) error {
		return inTx(ctx, db, func(tx *sql.Tx) error {
			arm()
			_, _ = tx.ExecContext(ctx, insert) // a careless application
			return nil
		})
	}},
	{"commit", false, "commit", func(ctx context.Context, db *sql.DB, arm func()) error {
		return inTx(ctx, db, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, insert); err != nil {
				return err
			}
			arm()
			return nil
		})
	}},
	{"rollback", false, "rollback", func(ctx context.Context, db *sql.DB, arm func()) error {
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
func expected(c call, at cut, follows bool) expectation {
	outside, inside, commit := unknown, txRolledBack, txUnknown
	if !follows {
		outside, inside, commit = plainUnknown, plainRolledBack, plainUnknown
	}
	received := map[cut]int{beforeSend: 0, midSend: 0, beforeRun: 1, afterRun: 1, midRows: 1}[at]
	switch {
	case c.name == "begin": // repeated unseen: it changes nothing
		return expectation{received + 1, fine}
	case c.name == "rollback": // the server has rolled back, which was asked for
		return expectation{received, fine}
	case c.name == "commit" && at == beforeSend:
		return expectation{0, inside}
	case c.name == "commit":
		return expectation{received, commit}
	case strings.HasSuffix(c.name, "transaction") || strings.HasSuffix(c.name, "commit"):
		return expectation{received, inside}
	case at == beforeSend: // nothing has left: repeated unseen
		return expectation{1, fine}
	}
	return expectation{received, outside}
}

// TestDelivery is the table, for each way pgx sends statements.
func TestDelivery(t *testing.T) {
	modes := []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}
	for _, mode := range modes {
		for _, follows := range []bool{true, false} {
			for _, c := range calls {
				for _, at := range []cut{beforeSend, midSend, beforeRun, afterRun, midRows} {
					if at == midRows && !c.rows {
						continue
					}
					t.Run(fmt.Sprintf("%s/failover=%t/%s/%s", mode, follows, c.name, at), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { deliver(t, mode, follows, c, at) })
					})
				}
			}
		}
	}
}

func deliver(t *testing.T, mode pgx.QueryExecMode, follows bool, c call, at cut) {
	cluster, err := lab.Start(lab.Options{Network: lab.Memory, Latency: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	knife := &knife{dial: cluster.DialContext}
	db := open(t, cluster, knife, mode, follows)
	defer db.Close() //nolint:errcheck // checked below
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := db.ExecContext(ctx, "create table t (id int8)"); err != nil {
		t.Fatal(err)
	}
	for _, i := range cluster.Instances() {
		i.ResetStatements()
	}
	err = c.run(ctx, db, func() { arm(cluster, knife, c, at) })
	got := expectation{received(cluster, c.text), told(err)}
	if want := expected(c, at, follows); got != want {
		t.Errorf("received %d times, told %q; want %d times, %q; error: %v", got.received, got.told, want.received, want.told, err)
	}
	if _, err := db.ExecContext(ctx, "insert into t (id) values (8)"); err != nil {
		t.Errorf("the pool does not work afterwards: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func open(t *testing.T, cluster *lab.Cluster, k *knife, mode pgx.QueryExecMode, follows bool) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(cluster.URL(cluster.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = mode
	opts := []pgdriver.Option{pgdriver.WithDialer(k.DialContext), pgdriver.WithResolver(cluster), pgdriver.WithPlugins()}
	if follows {
		plugin, err := failover.New(failover.Options{})
		if err != nil {
			t.Fatal(err)
		}
		opts = append(opts, pgdriver.WithPlugins(plugin))
	}
	connector, err := pgdriver.NewConnector(cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1) // so that the connection that was warmed up is the one that breaks
	return db
}

func received(cluster *lab.Cluster, text string) int {
	n := 0
	for _, i := range cluster.Instances() {
		for _, s := range i.Statements() {
			if strings.HasPrefix(strings.ToLower(s.SQL), text) {
				n++
			}
		}
	}
	return n
}

// arm makes the connection break at the next statement of the call.
func arm(cluster *lab.Cluster, k *knife, c call, at cut) {
	fate := lab.Run()
	switch at {
	case beforeSend:
		k.cutAfter(0)
		return
	case midSend:
		k.cutAfter(9)
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
			if strings.HasPrefix(strings.ToLower(s.SQL), c.text) && !done.Swap(true) {
				return fate
			}
			return lab.Run()
		})
	}
}

// knife cuts what the client sends.
type knife struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	left atomic.Int64 // bytes that may still leave, plus one; 0: no limit
}

func (k *knife) cutAfter(n int64) { k.left.Store(n + 1) }

func (k *knife) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := k.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &knifed{Conn: c, knife: k}, nil
}

type knifed struct {
	net.Conn
	knife *knife
	dead  bool
}

func (c *knifed) Write(p []byte) (int, error) {
	limit := c.knife.left.Swap(0)
	if limit == 0 && !c.dead {
		return c.Conn.Write(p)
	}
	n := 0
	if !c.dead {
		n, _ = c.Conn.Write(p[:min(int64(len(p)), limit-1)])
		c.dead = true
		_ = c.Conn.Close() // the other side sees the end
	}
	return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
}

func (c *knifed) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.dead {
		err = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return n, err
}
