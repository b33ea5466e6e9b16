package core

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"
)

// Conn is the driver.Conn that database/sql gets. It embeds the native
// connection's interfaces and overrides what sends something, to know what
// became of it when the connection breaks, and what lets a condemned connection
// leave the pool. While calls succeed it costs a few atomic loads per call.
//
// A Conn never moves to another host.
type Conn struct {
	Native
	connector *Connector
	link      *Link
	chain     *chain
	rows      RowsWrapper // nil if the engine does not report from its Rows
	rowsError func(ctx context.Context, err error) error
	reading   string // text of the latest query, which rows belong to

	target     Host     // where the connection was dialled to
	identity   Identity // what the server said when the connection was opened
	identified bool

	sole   bool          // the Connector ends with it
	silent bool          // closing a statement is not answered
	unused []driver.Stmt // closed by database/sql, not yet by us
	spare  *convertingStmt

	// A transaction, from BeginTx to Commit or Rollback.
	tx       driver.Tx
	txCtx    context.Context // of BeginTx: Commit and Rollback get none
	readOnly bool            // opened with TxOptions.ReadOnly
	lostTx   *Error          // what ended the transaction before its end
	leaky    bool            // some of it may be committed already

	implicit ImplicitCommitter // nil if the server has no such statements
	quiet    bool              // nobody watches calls, and none could commit an open transaction
}

func newConn(k *Connector, n Native, l *Link, target Host) *Conn {
	c := &Conn{connector: k, link: l, chain: k.chain, target: target, quiet: k.chain.unwatched}
	c.setNative(n)
	return c
}

func (c *Conn) setNative(n Native) {
	c.Native, c.rows, c.rowsError = n, nil, nil
	_, c.silent = n.(SilentCloser)
	c.implicit, _ = n.(ImplicitCommitter)
	if w, ok := n.(RowsWrapper); ok {
		c.rows = w
		c.rowsError = c.rowsFailed
	}
}

// Connector returns the handle the connection belongs to.
func (c *Conn) Connector() *Connector { return c.connector }

// Cluster returns what the connection shares with others.
func (c *Conn) Cluster() *Cluster { return c.connector.cluster }

// Link returns the socket.
func (c *Conn) Link() *Link { return c.link }

// InTx tells that BeginTx was called and neither Commit nor Rollback since.
func (c *Conn) InTx() bool { return c.tx != nil }

// ReadOnly tells that the open transaction was asked to be read-only.
func (c *Conn) ReadOnly() bool { return c.readOnly }

// Unwrap returns the driver's own connection. Engines have a typed form of it
// (pgdriver.Unwrap).
func (c *Conn) Unwrap() driver.Conn { return c.Native }

// Identify asks the server who it is, once, and records it: from now on the
// connection is known under that instance. It is for ConnectWrappers.
func (c *Conn) Identify(ctx context.Context) (Identity, error) {
	if c.identified {
		return c.identity, nil
	}
	cl, caller := c.Cluster(), ctx
	if t := cl.options.verifyTimeout; t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	d, err := cl.detect(ctx, c.connector, c.Native)
	if err != nil {
		return Identity{}, timeoutError(caller, ctx, "find out the kind of database", c.lossOf(err))
	}
	id, err := c.ask(ctx, d)
	if err != nil {
		return Identity{}, timeoutError(caller, ctx, "identify the host", c.lossOf(err))
	}
	if id.ID != "" {
		c.link.host.Store(&id.ID)
	}
	c.identity, c.identified = id, true
	return id, nil
}

// lossOf makes the loss of the connection of a question's error that says no more than that
// the driver has closed it: a host that is lost now is lost while connecting, and no answer.
func (c *Conn) lossOf(err error) error {
	if c.connector.Classify(err) != FaultClosed {
		return err
	}
	lost := c.link.Lost()
	if lost == nil {
		lost = c.link.TimedOut()
	}
	if lost == nil {
		return err
	}
	return cause(lost, err)
}

// ask puts the cheapest question that will do. A new server process has to load
// its catalogs for a query, which is a tenth of what a connection costs; it has
// not for a setting.
func (c *Conn) ask(ctx context.Context, d Dialect) (Identity, error) {
	if p, ok := d.(WriteProber); ok && c.target.ID != "" && c.link.Want() == RoleWriter {
		writes, err := p.AcceptsWrites(ctx, c.Native)
		if writes || err != nil {
			return Identity{ID: c.target.ID, Role: RoleWriter}, err
		}
	}
	return d.Identify(ctx, c.Native)
}

// Expect sets the role the connection is for. A topology that takes the role
// away from its host condemns it, also one published while it was being opened.
func (c *Conn) Expect(want Role) {
	c.link.want.Store(uint32(want))
	if t := c.Cluster().Topology(); t.Verified && want != RoleUnknown {
		if h, known := t.Host(c.link.Host()); known && h.Role != want {
			c.link.Condemn(errors.New("instance " + h.ID + " is a " + h.Role.String()))
		}
	}
}

// QueryContext implements driver.QueryerContext.
func (c *Conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	call := Call{OpQuery, query}
	ctx, err := c.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	sent := c.link.Written()
	rows, err := c.Native.QueryContext(ctx, query, args)
	if err = c.end(ctx, call, sent, err); err != nil {
		return nil, err
	}
	return c.wrapRows(ctx, query, rows), nil
}

// ExecContext implements driver.ExecerContext.
func (c *Conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	call := Call{OpExec, query}
	ctx, err := c.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	sent := c.link.Written()
	result, err := c.Native.ExecContext(ctx, query, args)
	if err = c.end(ctx, call, sent, err); err != nil {
		return nil, err
	}
	return result, nil
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *Conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	call := Call{OpPrepare, query}
	ctx, err := c.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	sent := c.link.Written()
	// On a connection that stays out of the pool for long, closed statements must
	// not pile up at the server.
	err = c.closeUnused(ctx)
	var s driver.Stmt
	if err == nil {
		s, err = c.Native.PrepareContext(ctx, query)
	}
	if err = c.end(ctx, call, sent, err); err != nil {
		return nil, err
	}
	return newStmt(c, s, query), nil
}

// Prepare implements driver.Conn.
func (c *Conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(c.connector.ctx, query)
}

// BeginTx implements driver.ConnBeginTx.
func (c *Conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	call := Call{Op: OpBegin}
	ctx, err := c.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	sent := c.link.Written()
	tx, err := c.Native.BeginTx(ctx, opts)
	if err = c.end(ctx, call, sent, err); err != nil {
		return nil, err
	}
	c.tx, c.txCtx, c.readOnly, c.lostTx, c.leaky = tx, ctx, opts.ReadOnly, nil, false
	c.quiet = c.chain.unwatched && c.implicit == nil
	return connTx{c}, nil
}

// Begin implements driver.Conn.
func (c *Conn) Begin() (driver.Tx, error) {
	return c.BeginTx(c.connector.ctx, driver.TxOptions{})
}

// Ping implements driver.Pinger.
func (c *Conn) Ping(ctx context.Context) error {
	call := Call{Op: OpPing}
	ctx, err := c.begin(ctx, call)
	if err != nil {
		return err
	}
	sent := c.link.Written()
	return c.end(ctx, call, sent, c.Native.Ping(ctx))
}

// idleBeforePeek is how long a connection may have been idle to be handed out
// again without a look at its socket.
const idleBeforePeek = time.Second

// ResetSession implements driver.SessionResetter: a connection that is lost or
// condemned leaves the pool here, before anybody gets it. Only ErrBadConn makes
// database/sql drop it.
func (c *Conn) ResetSession(ctx context.Context) error {
	if c.link.condemned.Load() != nil || c.link.lost.Load() != nil {
		return driver.ErrBadConn
	}
	if c.link.idle() > idleBeforePeek {
		switch c.link.peek() {
		case peerGone:
			c.Cluster().Suspect(c.link.Host(), errIdleLost)
			return driver.ErrBadConn
		case peerWaiting:
			if c.Native.Ping(ctx) != nil {
				return driver.ErrBadConn
			}
		}
	}
	if c.Native.ResetSession(ctx) != nil {
		return driver.ErrBadConn
	}
	if c.closeUnused(ctx) != nil {
		return driver.ErrBadConn
	}
	return nil
}

// Alive looks at the socket, as ResetSession does when the connection has been idle for
// long. If the server has closed it nobody gets the connection any more.
func (c *Conn) Alive() bool {
	if c.link.peek() != peerGone {
		return true
	}
	c.link.Condemn(errIdleLost)
	c.Cluster().Suspect(c.link.Host(), errIdleLost)
	return false
}

var errIdleLost = errors.New("closed by the server while idle")

// IsValid implements driver.Validator: a lost or condemned connection does not
// go back into the pool.
func (c *Conn) IsValid() bool { return c.link.condemned.Load() == nil && c.intact() }

// intact tells that the connection works, as far as is known.
func (c *Conn) intact() bool {
	if c.link.lost.Load() != nil {
		return false
	}
	if v, ok := c.Native.(driver.Validator); ok {
		return v.IsValid()
	}
	return true
}

// Close implements driver.Conn.
func (c *Conn) Close() error {
	c.link.released.Store(true)
	if c.link.condemned.Load() != nil && c.Cluster().Down(c.link.Host()) != nil {
		c.link.Abort(errBroken) // no farewell to a dead host
	}
	err := c.Native.Close()
	if c.link.lost.Load() != nil {
		err = nil // nobody to say farewell to
	}
	if c.sole {
		err = errors.Join(err, c.connector.Close())
	}
	return err
}

// begin asks the gates and tells the observers.
func (c *Conn) begin(ctx context.Context, call Call) (context.Context, error) {
	if c.quiet {
		return ctx, nil
	}
	return c.beginWatched(ctx, call)
}

func (c *Conn) beginWatched(ctx context.Context, call Call) (context.Context, error) {
	if c.tx != nil && c.implicit != nil && call.Query != "" && !c.leaky {
		c.leaky = call.Op != OpPrepare && c.implicit.CommitsImplicitly(call.Query)
	}
	for _, g := range c.chain.gates {
		if err := g.Admit(ctx, c, call); err != nil {
			return ctx, err
		}
	}
	for _, o := range c.chain.observers {
		ctx = o.CallStart(ctx, c, call)
	}
	return ctx, nil
}

// end turns the driver's error into what the caller shall see.
func (c *Conn) end(ctx context.Context, call Call, sent int64, err error) error {
	if err == nil && c.chain.unwatched {
		return nil
	}
	return c.endWatched(ctx, call, sent, err)
}

func (c *Conn) endWatched(ctx context.Context, call Call, sent int64, err error) error {
	if err != nil && err != driver.ErrSkip { //nolint:errorlint // ErrSkip is a signal of database/sql, never wrapped
		err = c.fail(ctx, call, c.link.Written() != sent, err)
	}
	for i := len(c.chain.observers) - 1; i >= 0; i-- {
		c.chain.observers[i].CallEnd(ctx, c, call, err)
	}
	return err
}

func (c *Conn) wrapRows(ctx context.Context, query string, rows driver.Rows) driver.Rows {
	if c.rows == nil {
		return rows
	}
	c.reading = query
	return c.rows.WrapRows(ctx, rows, c.rowsError)
}

// rowsFailed is what Rows report their errors to.
func (c *Conn) rowsFailed(ctx context.Context, err error) error {
	return c.fail(ctx, Call{OpRows, c.reading}, true, err)
}
