package sqlalchemy

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// class is one error of the page, or a variety of it.
type class struct {
	name   string
	params []string // instead of the page's plugins
	// cause makes a call of the ORM end in the error.
	cause func(t *testing.T, s *stage, h session) error
	is    []error
	not   []error
	class core.Class
	again bool // core.SafeToRepeat
	check func(t *testing.T, s *stage, err error)
}

// How the page's errors come about. What no server takes part in is below, in tests of their own.
var classes = []class{
	{
		name: "AwsConnectError, refused by the server", cause: tooManyConnections,
		is: []error{core.ErrConnect}, not: []error{core.ErrFailover, core.ErrOutcomeUnknown, driver.ErrBadConn}, class: core.ClassOperational,
		check: func(t *testing.T, s *stage, err error) { s.says(t, err, s.Codes().TooManyConnections) },
	},
	{
		name: "AwsConnectError, wrong login", cause: wrongLogin,
		is: []error{core.ErrConnect}, not: []error{core.ErrFailover, driver.ErrBadConn}, class: core.ClassOperational,
		check: func(t *testing.T, s *stage, err error) { s.says(t, err, s.Codes().WrongPassword) },
	},
	{
		name: "AwsConnectError, host unavailable", params: []string{"plugins=none"}, cause: refusedByHost,
		is: []error{core.ErrConnect, syscall.ECONNREFUSED}, not: []error{core.ErrFailover}, class: core.ClassOperational,
	},
	{
		name: "FailoverSuccessError", cause: lostWhileWriting,
		is:  []error{core.ErrFailover, core.ErrFailoverSuccess, core.ErrOutcomeUnknown},
		not: []error{core.ErrFailoverFailed, core.ErrTransactionResolutionUnknown, driver.ErrBadConn}, class: core.ClassOperational,
		check: lostHost("mydb-1"),
	},
	{
		name: "FailoverSuccessError, refused by the old writer", cause: writeToOldWriter,
		is:  []error{core.ErrFailover, core.ErrFailoverSuccess},
		not: []error{core.ErrOutcomeUnknown, driver.ErrBadConn}, class: core.ClassOperational, again: true,
		check: func(t *testing.T, s *stage, err error) { s.says(t, err, s.Codes().ReadOnly) },
	},
	{
		name: "FailoverFailedError", params: []string{plugins, "failover_timeout_sec=5"}, cause: lostForGood,
		is:  []error{core.ErrFailover, core.ErrFailoverFailed, core.ErrOutcomeUnknown},
		not: []error{core.ErrFailoverSuccess, driver.ErrBadConn}, class: core.ClassOperational,
		check: lostHost("mydb-1"),
	},
	{
		name: "FailoverFailedError, at connect", params: []string{plugins, "failover_timeout_sec=5"}, cause: connectWithoutWriter,
		is:  []error{core.ErrFailover, core.ErrFailoverFailed},
		not: []error{core.ErrFailoverSuccess, core.ErrOutcomeUnknown, driver.ErrBadConn}, class: core.ClassOperational,
	},
	{
		name: "TransactionResolutionUnknownError", cause: lostInTransaction,
		is:  []error{core.ErrFailover, core.ErrTransactionResolutionUnknown},
		not: []error{core.ErrFailoverSuccess, core.ErrOutcomeUnknown, driver.ErrBadConn}, class: core.ClassOperational, again: true,
		check: lostHost("mydb-1"),
	},
	{
		name: "TransactionResolutionUnknownError, at commit", cause: lostAtCommit,
		is:  []error{core.ErrFailover, core.ErrTransactionResolutionUnknown, core.ErrOutcomeUnknown},
		not: []error{core.ErrFailoverSuccess, driver.ErrBadConn}, class: core.ClassOperational,
	},
	{
		name: "QueryTimeoutError", params: []string{plugins, "auxiliary_query_timeout_sec=1", "enable_connect_failover=false"}, cause: ownQuestionHangs,
		is:  []error{core.ErrQueryTimeout, core.ErrConnect},
		not: []error{core.ErrFailover, core.ErrOutcomeUnknown, driver.ErrBadConn}, class: core.ClassOperational,
	},
	{
		name: "QueryTimeoutError, until the failover is given up", params: []string{plugins, "auxiliary_query_timeout_sec=1", "failover_timeout_sec=5"}, cause: ownQuestionHangs,
		is:  []error{core.ErrQueryTimeout, core.ErrFailoverFailed},
		not: []error{core.ErrOutcomeUnknown, driver.ErrBadConn}, class: core.ClassOperational,
	},
	{
		name: "lost without a plugin", params: []string{"plugins=none"}, cause: lostWhileWriting,
		is:  []error{core.ErrOutcomeUnknown},
		not: []error{core.ErrFailover, driver.ErrBadConn}, class: core.ClassOperational,
		check: lostHost("mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com"),
	},
	{
		name: "the caller's deadline", cause: deadline,
		is:  []error{context.DeadlineExceeded, core.ErrOutcomeUnknown},
		not: []error{core.ErrFailover, driver.ErrBadConn}, class: core.ClassOperational,
	},
	{
		name: "rows that end in the middle", cause: lostWhileReading,
		is: []error{core.ErrFailover, core.ErrFailoverSuccess}, not: []error{driver.ErrBadConn}, class: core.ClassOperational,
	},
}

// TestErrorClasses: each error of the page is really caused, and what the ORM returns is looked at.
func TestErrorClasses(t *testing.T) {
	for _, c := range classes {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, s *stage) {
				if c.params == nil {
					c.params = []string{plugins}
				}
				h := s.create(t, c.params...)
				err := c.cause(t, s, h)
				if err == nil {
					t.Fatal("no error")
				}
				demand.Is(t, "the ORM", err, c.is...)
				demand.IsNot(t, "the ORM", err, c.not...)
				if got := core.ClassOf(err); got != c.class {
					t.Errorf("the class is %v, want %v: %v", got, c.class, err)
				}
				if core.SafeToRepeat(err) != c.again {
					t.Errorf("safe to repeat: %t: %v", !c.again, err)
				}
				if !errors.As(err, new(*core.Error)) {
					t.Errorf("there is no *core.Error: %v", err)
				}
				if c.check != nil {
					c.check(t, s, err)
				}
			})
		})
	}
	t.Run("AwsWrapperError, configuration", func(t *testing.T) { each(t, wrongConfiguration) })
	t.Run("AwsWrapperError, closed", func(t *testing.T) { virtual(t, closed) })
	t.Run("ReadWriteSplittingError", func(t *testing.T) {
		// Nothing gives this error yet, as there is no plugin that could. It has its class already.
		if got := core.ClassOf(core.ErrReadWriteSplitting); got != core.ClassInterface {
			t.Errorf("the class is %v", got)
		}
	})
	t.Run("UnsupportedOperationError", func(t *testing.T) {
		for _, o := range orms {
			t.Run(o.name, func(t *testing.T) { virtually(t, engines[0], o, unsupported) })
		}
	})
	t.Run("never seen", func(t *testing.T) { virtual(t, unseen) })
}

// says demands a server's error, by its code, in the chain of err.
func (s *stage) says(t *testing.T, err error, code string) {
	t.Helper()
	if got := s.Code(err); got != code {
		t.Errorf("the server's code is %q, want %s: %v", got, code, err)
	}
}

// lostHost demands that err tells which host was lost.
func lostHost(host string) func(t *testing.T, s *stage, err error) {
	return func(t *testing.T, s *stage, err error) {
		var lost *core.LostError
		if !errors.As(err, &lost) || !strings.HasPrefix(lost.Host, host) {
			t.Errorf("the error does not say that %s was lost: %v", host, err)
		}
	}
}

// onStatement decides about statements of the application that begin like that, in any case.
func (s *stage) onStatement(begins string, fate func() lab.Fate) {
	s.Writer().OnStatement(func(statement lab.Statement) lab.Fate {
		if strings.HasPrefix(strings.ToLower(statement.SQL), begins) {
			return fate()
		}
		return lab.Run()
	})
}

// crashAt lets the writer die of such a statement, and another be promoted two seconds later.
func (s *stage) crashAt(t *testing.T, begins string) {
	t.Helper()
	writer := s.Writer()
	s.onStatement(begins, func() lab.Fate {
		writer.Crash()
		return lab.Run()
	})
	time.AfterFunc(2*time.Second, func() { s.promote(t) })
}

// newConnection makes the next call open a connection.
func newConnection(h session) { h.DB().SetMaxIdleConns(0) }

func tooManyConnections(t *testing.T, s *stage, h session) error {
	return refuseLogins(t, s, h, s.Codes().TooManyConnections)
}

func wrongLogin(t *testing.T, s *stage, h session) error {
	return refuseLogins(t, s, h, s.Codes().WrongPassword)
}

func refuseLogins(t *testing.T, s *stage, h session, code string) error {
	newConnection(h)
	s.Writer().OnLogin(func(string) error { return &lab.LoginError{Code: code, Message: "not now"} })
	return h.Create(t.Context(), &account{ID: 1})
}

func refusedByHost(t *testing.T, s *stage, h session) error {
	newConnection(h)
	s.Writer().Crash()
	return h.Create(t.Context(), &account{ID: 1})
}

func lostWhileWriting(t *testing.T, s *stage, h session) error {
	s.crashAt(t, "insert")
	return h.Create(t.Context(), &account{ID: 1})
}

func writeToOldWriter(t *testing.T, s *stage, h session) error {
	s.promote(t)
	err := h.Create(t.Context(), &account{ID: 1})
	if n := len(s.Rows("accounts")); n != 0 {
		t.Errorf("%d rows of a write that was refused", n)
	}
	return err
}

func lostForGood(t *testing.T, s *stage, h session) error {
	s.onStatement("insert", func() lab.Fate {
		s.Writer().Crash()
		return lab.Run()
	})
	return h.Create(t.Context(), &account{ID: 1})
}

func connectWithoutWriter(t *testing.T, s *stage, h session) error {
	newConnection(h)
	s.Writer().Crash()
	time.Sleep(time.Second)
	return h.Create(t.Context(), &account{ID: 1})
}

// lostInTransaction also looks at what the transaction says to who goes on with it, and whether the ORM's own
// rollback hides the error.
func lostInTransaction(t *testing.T, s *stage, h session) error {
	s.crashAt(t, "insert")
	err := h.Transaction(t.Context(), func(tx session) error {
		first := tx.Create(t.Context(), &account{ID: 1})
		second := tx.Create(t.Context(), &account{ID: 2})
		var a, b *core.Error
		if !errors.As(first, &a) || !errors.As(second, &b) || a != b {
			t.Errorf("the transaction was lost by %v, and then says %v", first, second)
		}
		return first
	})
	time.Sleep(3 * time.Second)
	if n := len(s.Rows("accounts")); n != 0 {
		t.Errorf("%d rows of a transaction that was lost", n)
	}
	return err
}

func lostAtCommit(t *testing.T, s *stage, h session) error {
	s.onStatement("commit", lab.CutAfter)
	tries := 0
	err := core.Retry(t.Context(), func() error {
		return h.Transaction(t.Context(), func(tx session) error {
			tries++
			return tx.Create(t.Context(), &account{ID: 1})
		})
	})
	if tries != 1 || len(s.Rows("accounts")) != 1 {
		t.Errorf("%d tries, %d rows", tries, len(s.Rows("accounts")))
	}
	return err
}

// ownQuestionHangs: whoever connects is asked who he is, and does not say.
func ownQuestionHangs(t *testing.T, s *stage, h session) error {
	newConnection(h)
	for _, i := range s.Instances() {
		i.OnStatement(func(statement lab.Statement) lab.Fate {
			if s.Own(statement.SQL) {
				return lab.HangBefore()
			}
			return lab.Run()
		})
	}
	return h.Create(t.Context(), &account{ID: 1})
}

func deadline(t *testing.T, s *stage, h session) error {
	s.onStatement("insert", lab.HangBefore)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	return h.Create(ctx, &account{ID: 1})
}

func lostWhileReading(t *testing.T, s *stage, h session) error {
	for id := range int64(5) {
		if err := h.Create(t.Context(), &account{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	s.onStatement("select", func() lab.Fate { return lab.CutAfterRows(2) })
	_, err := h.All(t.Context())
	return err
}

// wrongConfiguration: all mistakes are told when the ORM is opened, in one error.
func wrongConfiguration(t *testing.T, e engine, o orm) {
	for _, dsn := range e.DSNs(login("db.example.com"), "plugins=failover,nonesuch", "failover_timeout_sec=soon", "wrapper_dialect=oracle") {
		_, err := o.open(e, dsn)
		demand.Is(t, "the ORM", err, core.ErrConfig)
		if got := core.ClassOf(err); got != core.ClassDatabase {
			t.Errorf("the class is %v: %v", got, err)
		}
		for _, mistake := range []string{"nonesuch", "failover_timeout_sec", "oracle"} {
			if err == nil || !strings.Contains(err.Error(), mistake) {
				t.Errorf("%s is missing in %v", mistake, err)
			}
		}
	}
}

// closed: the handle is still open for the ORM, but its resources have been released.
func closed(t *testing.T, s *stage) {
	h := s.create(t, plugins)
	newConnection(h) // those that are there go on working
	core.ReleaseResources()
	err := h.Create(t.Context(), &account{ID: 1})
	demand.Is(t, "the ORM", err, core.ErrClosed)
	demand.IsNot(t, "the ORM", err, driver.ErrBadConn, core.ErrOutcomeUnknown)
	if got := core.ClassOf(err); got != core.ClassDatabase {
		t.Errorf("the class is %v: %v", got, err)
	}
}

// unseen: connections that are lost while nobody uses them are replaced, and so is one that is lost before anything was sent.
func unseen(t *testing.T, s *stage) {
	h := s.create(t, plugins)
	s.works(t, h)
	s.failOver(t)
	time.Sleep(time.Second)
	if err := h.Create(t.Context(), &account{ID: 4}); err != nil {
		t.Errorf("after a failover that nobody waited for: %v", err)
	}
	s.lands(t, h, "mydb-2")
	if n := len(s.Rows("accounts")); n != 3 {
		t.Errorf("%d rows", n)
	}
}

// TestDriverErrorsInsideORM: errors of the server are the driver's own, and the ORM's wrapping, if there is any, lets them be found.
func TestDriverErrorsInsideORM(t *testing.T) {
	virtual(t, func(t *testing.T, s *stage) {
		h := s.create(t, plugins)
		ctx := t.Context()
		if err := h.Create(ctx, &account{ID: 1}); err != nil {
			t.Fatal(err)
		}
		twice := func(tx session) error { return tx.Create(ctx, &account{ID: 1}) }
		for what, err := range map[string]error{
			"a statement":     twice(h),
			"a transaction":   h.Transaction(ctx, twice),
			"a retried one":   core.Retry(ctx, func() error { return h.Transaction(ctx, twice) }),
			"a wrapped error": errors.Join(errPlanned, twice(h)),
		} {
			s.says(t, err, s.Codes().UniqueViolation)
			if core.ClassOf(err) != core.ClassNone || core.SafeToRepeat(err) || errors.As(err, new(*core.Error)) {
				t.Errorf("%s: an error of the server is not awsdb's: %v", what, err)
			}
		}
		var nothing int
		s.says(t, h.Row(ctx, "select id from nowhere", &nothing), s.Codes().UndefinedTable)
		demand.Is(t, "no row", h.Row(ctx, "select id from accounts where id = 7", &nothing), sql.ErrNoRows)
	})
}

// keeper is a plugin that keeps the latest connection.
type keeper struct{ conn *core.Conn }

// Code implements core.Plugin.
func (*keeper) Code() string { return "keeper" }

// WrapConnect implements core.ConnectWrapper.
func (k *keeper) WrapConnect(_ *core.Connector, next core.ConnectFunc) core.ConnectFunc {
	return func(ctx context.Context, target core.Target) (conn *core.Conn, err error) {
		k.conn, err = next(ctx, target)
		return k.conn, err
	}
}

// Connect implements driver.Connector.
func (k *keeper) Connect(context.Context) (driver.Conn, error) { return k.conn, nil }

// Driver implements driver.Connector.
func (*keeper) Driver() driver.Driver { return pgdriver.Driver{} }

// unsupported: a connection that belongs to a native pool is given to an ORM by a plugin. No ORM gets at one by itself.
func unsupported(t *testing.T, s *stage) {
	k := &keeper{}
	cfg, err := pgxpool.ParseConfig(s.native())
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgdriver.NewPool(t.Context(), cfg, pgdriver.WithDialer(s.DialContext), pgdriver.WithResolver(s.Cluster), pgdriver.WithPlugins(k))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := s.orm.wrap(s.engine, sql.OpenDB(k))
	if err != nil {
		t.Fatal(err)
	}
	defer h.DB().Close() //nolint:errcheck // the pool's connection stays
	err = h.Exec(t.Context(), "select 1")
	demand.Is(t, "the ORM", err, core.ErrUnsupported)
	if got := core.ClassOf(err); got != core.ClassNotSupported {
		t.Errorf("the class is %v: %v", got, err)
	}
}
