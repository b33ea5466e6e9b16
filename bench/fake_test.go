package bench

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/hostmonitor"
)

// A driver whose calls cost little and always the same: what awsdb adds to a
// call shows. Each request is 50 bytes written to the socket and 50 bytes read
// from it, as with a real driver.

const (
	fakeAddress = "db.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com:5432"
	fakeWriter  = "db-1"
	message     = 50 // bytes
)

// newFakeContest compares the fake driver with itself under awsdb.
func newFakeContest(d fakeDriver) contest {
	return contest{statements{hundredRows, "select $1"}, []contestant{
		{"bare", func(testing.TB) driver.Connector { return fakeBare{d} }},
		{"awsdb", d.newConnector},
	}}
}

// hundredRows is the query that the fake driver answers with as many.
const hundredRows = "select 100 rows"

// fakeBare connects without awsdb.
type fakeBare struct{ driver fakeDriver }

func (k fakeBare) Connect(context.Context) (driver.Conn, error) {
	return k.driver.newConn(fakeSocket{}), nil
}
func (k fakeBare) Driver() driver.Driver { return k.driver }

// newConnector connects with awsdb, all plugins on.
func (d fakeDriver) newConnector(tb testing.TB) driver.Connector {
	tb.Helper()
	plugins, err := database.Plugins(hostmonitor.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	settings, err := core.TakeSettings(map[string]string{})
	if err != nil {
		tb.Fatal(err)
	}
	k, err := core.NewConnector(core.Config{
		Engine: fakeEngine{d}, Family: "fake", Driver: d, Addr: fakeAddress, Settings: settings,
		Plugins: plugins,
		Dial:    func(context.Context, string, string) (net.Conn, error) { return fakeSocket{}, nil },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// fakeDriver comes in two kinds.
type fakeDriver struct {
	// skips: calls with arguments are left to statements, as by go-sql-driver,
	// which answers them with ErrSkip; database/sql then prepares, executes and
	// closes. Statements are closed without an answer, and check and convert their
	// arguments themselves.
	skips bool
}

func (fakeDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("fake: use a connector")
}

// fakeSocket takes every write and fills every read.
type fakeSocket struct{}

func (fakeSocket) Read(p []byte) (int, error)       { return len(p), nil }
func (fakeSocket) Write(p []byte) (int, error)      { return len(p), nil }
func (fakeSocket) Close() error                     { return nil }
func (fakeSocket) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (fakeSocket) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (fakeSocket) SetDeadline(time.Time) error      { return nil }
func (fakeSocket) SetReadDeadline(time.Time) error  { return nil }
func (fakeSocket) SetWriteDeadline(time.Time) error { return nil }

type fakeEngine struct{ driver fakeDriver }

func (e fakeEngine) Open(ctx context.Context, t core.Target) (core.Native, *core.Link, error) {
	socket, err := t.Dial(ctx, "tcp", strings.Clone(t.Host.Addr)) // put together anew, as drivers do
	if err != nil {
		return nil, nil, err
	}
	native := &fakeNative{fakeConn: e.driver.newConn(socket), dial: t.Dial}
	if e.driver.skips {
		return silentNative{native}, socket.(*core.Link), nil
	}
	return native, socket.(*core.Link), nil
}

func (fakeEngine) Detect(context.Context, core.Native, core.Endpoint) (core.Dialect, error) {
	return fakeDialect{}, nil
}

func (fakeEngine) Classify(error, core.Dialect) core.Fault { return core.FaultNone }

// fakeDialect is a cluster of one writer.
type fakeDialect struct{}

func (fakeDialect) Code() string    { return "fake" }
func (fakeDialect) Clustered() bool { return true }

func (fakeDialect) Identify(context.Context, core.Native) (core.Identity, error) {
	return core.Identity{ID: fakeWriter, Role: core.RoleWriter}, nil
}

func (fakeDialect) Topology(context.Context, core.Native) ([]core.Instance, error) {
	return []core.Instance{{ID: fakeWriter, Writer: true, UpdatedAt: time.Now()}}, nil
}

// fakeConn is the driver's connection.
type fakeConn struct {
	socket  net.Conn
	request [message]byte
	answer  [message]byte
	rows    fakeRows
	skips   bool
}

func (d fakeDriver) newConn(socket net.Conn) *fakeConn {
	return &fakeConn{socket: socket, skips: d.skips}
}

func (c *fakeConn) exchange() error {
	if _, err := c.socket.Write(c.request[:]); err != nil {
		return err
	}
	_, err := c.socket.Read(c.answer[:])
	return err
}

// query answers with one row, or as many as the statement says it wants.
func (c *fakeConn) query(text string) (driver.Rows, error) {
	if err := c.exchange(); err != nil {
		return nil, err
	}
	c.rows.left = 1
	if text == hundredRows {
		c.rows.left = 100
	}
	return &c.rows, nil
}

func (c *fakeConn) QueryContext(_ context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if c.skips && len(args) > 0 {
		return nil, driver.ErrSkip
	}
	return c.query(text)
}

func (c *fakeConn) ExecContext(_ context.Context, _ string, args []driver.NamedValue) (driver.Result, error) {
	if c.skips && len(args) > 0 {
		return nil, driver.ErrSkip
	}
	return driver.RowsAffected(1), c.exchange()
}

func (c *fakeConn) PrepareContext(_ context.Context, text string) (driver.Stmt, error) {
	s := &fakeStmt{c, text}
	if c.skips {
		return skippingStmt{s}, c.exchange()
	}
	return s, c.exchange()
}

func (c *fakeConn) Prepare(text string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), text)
}

func (c *fakeConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return (*fakeTx)(c), c.exchange()
}

func (c *fakeConn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

func (c *fakeConn) Ping(context.Context) error               { return c.exchange() }
func (c *fakeConn) ResetSession(context.Context) error       { return nil }
func (c *fakeConn) CheckNamedValue(*driver.NamedValue) error { return nil }
func (c *fakeConn) Close() error                             { return c.socket.Close() }

type fakeTx fakeConn

func (t *fakeTx) Commit() error   { return (*fakeConn)(t).exchange() }
func (t *fakeTx) Rollback() error { return (*fakeConn)(t).exchange() }

type fakeStmt struct {
	conn *fakeConn
	text string
}

func (s *fakeStmt) Close() error                               { return nil }
func (s *fakeStmt) NumInput() int                              { return -1 }
func (s *fakeStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (s *fakeStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }

func (s *fakeStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), s.conn.exchange()
}

func (s *fakeStmt) QueryContext(context.Context, []driver.NamedValue) (driver.Rows, error) {
	return s.conn.query(s.text)
}

// skippingStmt is the statement of a driver that skips.
type skippingStmt struct{ *fakeStmt }

// Close sends a message that is not answered.
func (s skippingStmt) Close() error {
	_, err := s.conn.socket.Write(s.conn.request[:])
	return err
}

func (s skippingStmt) CheckNamedValue(*driver.NamedValue) error { return nil }
func (s skippingStmt) ColumnConverter(int) driver.ValueConverter {
	return driver.DefaultParameterConverter
}

type fakeRows struct{ left int }

var fakeColumns = []string{"n"}

func (r *fakeRows) Columns() []string { return fakeColumns }
func (r *fakeRows) Close() error      { return nil }

func (r *fakeRows) Next(row []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	row[0] = int64(r.left) // small integers are not allocated
	r.left--
	return nil
}

// fakeNative is what a driver module makes of the connection: its Rows tell core
// their errors.
type fakeNative struct {
	*fakeConn
	dial func(ctx context.Context, network, addr string) (net.Conn, error) // which real ones keep, for cancel requests
	shim reportingRows
}

// silentNative closes statements without an answer.
type silentNative struct{ *fakeNative }

func (silentNative) ClosesSilently() {}

type reportingRows struct {
	*fakeRows
	ctx    context.Context
	failed func(ctx context.Context, err error) error
}

func (n *fakeNative) WrapRows(ctx context.Context, rows driver.Rows, failed func(context.Context, error) error) driver.Rows {
	n.shim.fakeRows, n.shim.ctx = rows.(*fakeRows), ctx
	if n.shim.failed == nil {
		n.shim.failed = failed
	}
	return &n.shim
}

func (r *reportingRows) Next(row []driver.Value) error {
	err := r.fakeRows.Next(row)
	if err != nil && !errors.Is(err, io.EOF) {
		return r.failed(r.ctx, err)
	}
	return err
}
