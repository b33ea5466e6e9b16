package pgdriver

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// What is lost after the application has ended its transaction by a statement may have
// been committed.
func TestLossAfterTransactionEndedByStatement(t *testing.T) {
	ctx := t.Context()
	exec := func(t *testing.T, tx pgx.Tx, sql string) {
		t.Helper()
		if _, err := tx.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	const insert = "insert into t (n) values (2)"
	tests := map[string]func(t *testing.T, p *Pool, c Conn, tx pgx.Tx) error{
		"in the transaction": func(t *testing.T, _ *Pool, _ Conn, tx pgx.Tx) error {
			exec(t, tx, "commit")
			_, err := tx.Exec(ctx, insert)
			return err
		},
		"query": func(t *testing.T, _ *Pool, _ Conn, tx pgx.Tx) error {
			exec(t, tx, "commit")
			return tx.QueryRow(ctx, insert+" returning n").Scan(new(int))
		},
		"batch": func(t *testing.T, _ *Pool, _ Conn, tx pgx.Tx) error {
			exec(t, tx, "commit")
			b := new(pgx.Batch)
			b.Queue(insert)
			return tx.SendBatch(ctx, b).Close()
		},
		"connection": func(t *testing.T, _ *Pool, c Conn, _ pgx.Tx) error {
			if _, err := c.Exec(ctx, "commit"); err != nil {
				t.Fatal(err)
			}
			_, err := c.Exec(ctx, insert)
			return err
		},
		"next user": func(t *testing.T, p *Pool, c Conn, tx pgx.Tx) error {
			exec(t, tx, "commit")
			c.Release()
			_, err := p.Exec(ctx, insert)
			return err
		},
		"another transaction": func(t *testing.T, _ *Pool, _ Conn, tx pgx.Tx) error {
			exec(t, tx, "commit; begin")
			_, err := tx.Exec(ctx, insert)
			return err
		},
		"after a rollback in one text": func(_ *testing.T, _ *Pool, _ Conn, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "rollback; "+insert)
			return err
		},
		"after a rollback in one batch": func(_ *testing.T, _ *Pool, _ Conn, tx pgx.Tx) error {
			b := new(pgx.Batch)
			b.Queue("rollback")
			b.Queue(insert)
			return tx.SendBatch(ctx, b).Close()
		},
		"batch that begins and commits": func(_ *testing.T, _ *Pool, c Conn, tx pgx.Tx) error {
			if err := tx.Rollback(ctx); err != nil {
				return err
			}
			b := new(pgx.Batch)
			b.BeginTx(pgx.TxOptions{})
			b.Queue(insert)
			b.Queue("commit")
			return c.SendBatch(ctx, b).Close()
		},
	}
	for name, call := range tests {
		t.Run(name, func(t *testing.T) {
			cluster := started(t, lab.Options{Instances: 1})
			p := pooled(t, cluster, nil, "pool_max_conns=1")
			if _, err := p.Exec(ctx, "create table t (n int8)"); err != nil {
				t.Fatal(err)
			}
			c := acquired(t, p)
			tx, err := c.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			exec(t, tx, "insert into t (n) values (1)")
			cluster.Writer().OnStatement(func(s lab.Statement) lab.Fate {
				if name == "batch that begins and commits" {
					if s.SQL == "commit" {
						return lab.CutAfter()
					}
				} else if strings.HasPrefix(s.SQL, "insert") {
					return lab.CutAfter()
				}
				return lab.Run()
			})
			if err := call(t, p, c, tx); !errors.Is(err, core.ErrOutcomeUnknown) || core.SafeToRepeat(err) || errors.Is(err, driver.ErrBadConn) {
				t.Errorf("got %v, safe to repeat: %v", err, core.SafeToRepeat(err))
			}
		})
	}
}

// Whoever asked for a transaction that is read-only, in whatever words, learns nothing
// about the host from a refused write.
func TestReadOnlyTransaction(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	c := acquired(t, pooled(t, cluster, nil))
	for name, opts := range map[string]pgx.TxOptions{"mode": {AccessMode: pgx.ReadOnly}, "text": {BeginQuery: "begin read only"}} {
		tx, err := c.BeginTx(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if !c.session.conn.ReadOnly() {
			t.Errorf("%s: not read-only", name)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := new(pgx.Batch)
		b.BeginTx(opts)
		r := c.SendBatch(t.Context(), b)
		if !c.session.conn.ReadOnly() {
			t.Errorf("%s: batch: not read-only", name)
		}
		if err := errors.Join(r.Close(), r.Tx().Rollback(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
}

// What the server has answered in full is an answer, whatever befell the connection since.
func TestAnswerBeforeLoss(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	p := pooled(t, cluster, nil)
	tests := map[string]struct {
		sql  string
		dest any
		want func(error) bool
	}{
		"no rows":  {"select 1 where false", new(int), func(err error) bool { return err == pgx.ErrNoRows }}, //nolint:errorlint // applications compare so
		"a row":    {"select 1", new(int), func(err error) bool { return err == nil }},
		"bad dest": {"select 1", new([]string), func(err error) bool { return errors.As(err, new(pgx.ScanArgError)) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := acquired(t, p)
			row := c.QueryRow(t.Context(), test.sql)
			c.session.conn.Link().Abort(errors.New("test"))
			if err := row.Scan(test.dest); !test.want(err) || errors.As(err, new(*core.Error)) {
				t.Errorf("got %v", err)
			}
			if _, err := c.Exec(t.Context(), "select 1"); !errors.As(err, new(*core.Error)) {
				t.Errorf("the next call: %v", err)
			}
		})
	}
}

// uncomparable is an error that cannot be compared, as validators' are.
type uncomparable []string

func (uncomparable) Error() string { return "invalid" }

// A batch may be closed more than once.
func TestBatchIsClosedTwice(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	p := pooled(t, cluster, nil)
	b := new(pgx.Batch)
	b.Queue("select 1").QueryRow(func(pgx.Row) error { return uncomparable{"x"} })
	r := p.SendBatch(t.Context(), b)
	for range 2 {
		if err := r.Close(); !errors.As(err, new(uncomparable)) {
			t.Errorf("got %v", err)
		}
	}
}

// panicking is an argument that panics when it is encoded.
type panicking struct{}

func (panicking) Value() (driver.Value, error) { panic("argument") }

// A panic of the application's does not cost a connection.
func TestPanicInArgument(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	p := pooled(t, cluster, nil)
	func() {
		defer func() { _ = recover() }()
		_, err := p.Exec(t.Context(), "select $1::text", panicking{})
		t.Errorf("no panic, but %v", err)
	}()
	if got := p.Stat().AcquiredConns(); got != 0 {
		t.Errorf("%d connections are out", got)
	}
}

// A batch that begins a transaction leaves the connection alone when that is over.
func TestBatchAfterItsTransaction(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	p := pooled(t, cluster, nil, "pool_max_conns=1")
	ctx := t.Context()
	b := new(pgx.Batch)
	b.BeginTx(pgx.TxOptions{})
	b.Queue("select 1 / 0")
	r := p.SendBatch(ctx, b)
	first := r.Close()
	if pgErr := (*pgconn.PgError)(nil); !errors.As(first, &pgErr) {
		t.Fatal(first)
	}
	if err := r.Tx().Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	tx, err := p.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cluster.Writer().ResetConnections()
	if _, err := tx.Exec(ctx, "select 1"); !errors.As(err, new(*core.Error)) {
		t.Fatal(err)
	}
	if err := r.Close(); err != first { //nolint:errorlint // the very same
		t.Errorf("closed again: %v, want %v", err, first)
	}
	if _, err := r.Exec(); errors.As(err, new(*core.Error)) {
		t.Errorf("the error of another user: %v", err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Error(err)
	}
}

// A batch that fails to begin its transaction gives its connection back as good as new.
func TestBatchThatBeginsNoTransaction(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	p := pooled(t, cluster, nil, "pool_max_conns=1")
	ctx := t.Context()
	b := new(pgx.Batch)
	b.BeginTx(pgx.TxOptions{BeginQuery: "select 1 / 0"})
	r := p.SendBatch(ctx, b)
	if err := r.Close(); err == nil {
		t.Fatal("no error")
	}
	if err := r.Tx().Rollback(ctx); !errors.Is(err, pgx.ErrTxClosed) {
		t.Fatal(err)
	}
	c := acquired(t, p)
	if p.Stat().NewConnsCount() != 1 || c.session.conn.InTx() {
		t.Errorf("%d connections, in a transaction: %v", p.Stat().NewConnsCount(), c.session.conn.InTx())
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r = tx.SendBatch(ctx, b)
	if err := errors.Join(r.Tx().Rollback(ctx), r.Close()); !errors.Is(err, pgx.ErrTxClosed) || !c.session.conn.InTx() {
		t.Errorf("a second transaction: %v, in a transaction: %v", err, c.session.conn.InTx())
	}
	if err := tx.Commit(ctx); err != nil {
		t.Error(err)
	}
}

// The next user of a connection is in no transaction, whatever the one before has said.
func TestTransactionEndedByStatementIsForgotten(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	p := pooled(t, cluster, nil, "pool_max_conns=1")
	c, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	c.Release()
	if c := acquired(t, p); c.session.conn.InTx() || p.Stat().NewConnsCount() != 1 {
		t.Errorf("in a transaction: %v, %d connections", c.session.conn.InTx(), p.Stat().NewConnsCount())
	}
}

// A configuration that awsdb has changed is not changed again: its dialer opens sessions,
// not sockets, and the parameters are gone.
func TestConfigurePoolTwice(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	p := pooled(t, cluster, nil)
	if _, err := NewPool(t.Context(), p.Config()); !errors.Is(err, core.ErrConfig) {
		t.Errorf("NewPool: %v", err)
	}
	if _, err := NewConnector(p.Config().ConnConfig); !errors.Is(err, core.ErrConfig) {
		t.Errorf("NewConnector: %v", err)
	}
	p.Config().ConnConfig.RuntimeParams["search_path"] = "x" // no panic

	// pgx itself may use it.
	db := stdlib.OpenDB(*p.Config().ConnConfig)
	defer db.Close() //nolint:errcheck // the pool's Close would tell
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

// What the pool reports as its configuration makes a second pool like it. One with another
// login has no connections, rather than such as the first has.
func TestPoolOfAChangedConfiguration(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	p := pooled(t, cluster, nil)
	for name, test := range map[string]struct {
		change func(*pgx.ConnConfig)
		want   error
	}{
		"as it is":        {func(*pgx.ConnConfig) {}, nil},
		"query mode":      {func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeExec }, nil},
		"database":        {func(c *pgx.ConnConfig) { c.Database = "other" }, core.ErrConfig},
		"user":            {func(c *pgx.ConnConfig) { c.User = "other" }, core.ErrConfig},
		"password":        {func(c *pgx.ConnConfig) { c.Password = "other" }, core.ErrConfig},
		"host":            {func(c *pgx.ConnConfig) { c.Host = "other" }, core.ErrConfig},
		"port":            {func(c *pgx.ConnConfig) { c.Port++ }, core.ErrConfig},
		"session setting": {func(c *pgx.ConnConfig) { c.RuntimeParams["search_path"] = "other" }, core.ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := p.Config()
			test.change(cfg.ConnConfig)
			second, err := pgxpool.NewWithConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer second.Close()
			if err := second.Ping(t.Context()); !errors.Is(err, test.want) {
				t.Errorf("error is %v, want %v", err, test.want)
			}
			if name == "password" {
				return // which pgx does not say before it is asked
			}
			single, err := pgx.ConnectConfig(t.Context(), cfg.ConnConfig)
			if !errors.Is(err, test.want) {
				t.Errorf("of a single connection, the error is %v, want %v", err, test.want)
			}
			if err == nil {
				_ = single.Close(t.Context())
			}
		})
	}
}

// unixConn is a socket that a server has bound by a relative name.
type unixConn struct{ net.Conn }

func (unixConn) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "unix", Name: "./.s.PGSQL.5433"} }

// A cancel request goes to the socket that the configuration names, and shows no
// certificate where the login showed none.
func TestBeside(t *testing.T) {
	var dialled string
	from := &pgconn.HijackedConn{
		Conn:      unixConn{},
		TLSConfig: &tls.Config{Certificates: make([]tls.Certificate, 1)},
		Config: &pgconn.Config{Host: "/run/db", Port: 5433, SSLCertMode: "disable", DialFunc: func(_ context.Context, network, addr string) (net.Conn, error) {
			dialled = network + " " + addr
			return nil, net.ErrClosed
		}},
	}
	if _, err := dialBeside(from)(t.Context(), "unix", "./.s.PGSQL.5433"); !errors.Is(err, net.ErrClosed) || dialled != "unix /run/db/.s.PGSQL.5433" {
		t.Errorf("%v, dialled %q", err, dialled)
	}
	if n := len(certified(from).Certificates); n != 0 {
		t.Errorf("%d certificates", n)
	}
	from.Config.SSLCertMode = ""
	if n := len(certified(from).Certificates); n != 1 {
		t.Errorf("%d certificates by default", n)
	}
}
