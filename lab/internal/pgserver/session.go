package pgserver

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/fate"
	"github.com/awsdb/awsdb/lab/internal/intake"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// session is one connection. Its goroutine is the one that called Server.ServeConn; only the fields marked so are
// touched by others.
type session struct {
	server  *Server
	raw     net.Conn // as given to ServeConn
	wire    net.Conn // raw, or TLS on it
	intake  *intake.Intake
	backend *pgproto3.Backend
	types   *pgtype.Map
	number  uint64

	user, database string
	pid            uint32
	secret         [4]byte

	ctx  context.Context         // done when the connection or the session ends
	stop context.CancelCauseFunc // from any goroutine

	engine       *sqlengine.Session // once logged in
	reported     []string           // values of reportedSettings as the client knows them
	reportedOnce bool
	skip         bool // until Sync

	statements map[string]*sqlengine.Prepared
	portals    map[string]*portal

	wake     chan struct{} // a notification has come
	cancelMu sync.Mutex
	cancel   context.CancelCauseFunc // of the running statement; guarded by cancelMu
	inboxMu  sync.Mutex
	channels map[string]bool          // guarded by inboxMu
	inbox    []sqlengine.Notification // guarded by inboxMu
}

// errOver ends a session about which there is nothing more to say to the client.
var errOver = errors.New("session over")

// errGone is the cause when the client's connection ended.
var errGone = errors.New("client connection gone")

func newSession(server *Server, raw, wire net.Conn, number uint64) *session {
	s := &session{
		server: server, raw: raw, wire: wire, number: number, types: pgtype.NewMap(),
		pid: uint32(firstPID + number), reported: make([]string, len(reportedSettings)),
		statements: map[string]*sqlengine.Prepared{}, portals: map[string]*portal{},
		wake: make(chan struct{}, 1), channels: map[string]bool{},
	}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	s.intake = intake.New(wire, func() { s.stop(errGone) })
	s.backend = pgproto3.NewBackend(s, wire)
	return s
}

// close ends what the session has started, after its connection is closed.
func (s *session) close() {
	if s.engine != nil {
		s.engine.Rollback()
	}
	s.server.unregister(s)
	s.stop(errOver)
	_ = s.raw.Close() // not through TLS, whose farewell could block
	<-s.intake.Done()
}

// end ends the session with a message, from any goroutine.
func (s *session) end(reason *sqlengine.Error) { s.stop(reason) }

// cancelStatement ends the running statement, if any, from any goroutine.
func (s *session) cancelStatement() {
	s.cancelMu.Lock()
	defer s.cancelMu.Unlock()
	if s.cancel != nil {
		s.cancel(sqlengine.Errorf("57014", "canceling statement due to user request"))
	}
}

// statementContext is the context of one statement; call done after it.
func (s *session) statementContext() (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	release := func() {}
	if value, _ := s.engine.Setting("statement_timeout"); value != "0" {
		if limit, ok := sqlengine.Milliseconds(value); ok && limit > 0 {
			ctx, release = context.WithTimeoutCause(ctx, limit, sqlengine.Errorf("57014", "canceling statement due to statement timeout"))
		}
	}
	s.cancelMu.Lock()
	s.cancel = cancel
	s.cancelMu.Unlock()
	return ctx, func() {
		s.cancelMu.Lock()
		s.cancel = nil
		s.cancelMu.Unlock()
		release()
		cancel(nil)
	}
}

// Read supplies the bytes the client sent to the protocol decoder. While it waits, the session is idle: it delivers
// notifications and notices that it is to end.
func (s *session) Read(p []byte) (int, error) {
	for {
		n, err := s.intake.Take(p)
		if err != nil && !errors.Is(err, io.EOF) {
			err = errConnection
		}
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-s.intake.Ready():
		case <-s.wake:
			if s.sendNotifications() {
				if err := s.backend.Flush(); err != nil {
					return 0, err
				}
			}
		case <-s.ctx.Done():
			if err := s.sayGoodbye(); err != nil {
				return 0, err
			}
			// The connection has ended, so there is an error to take now.
		}
	}
}

// sayGoodbye tells the client why its session ends; nil when it ends because the client has gone.
func (s *session) sayGoodbye() error {
	var reason *sqlengine.Error
	if !errors.As(context.Cause(s.ctx), &reason) {
		return nil
	}
	s.fatal(reason)
	return errOver
}

// fatal sends an error that ends the session.
func (s *session) fatal(err error) {
	failure := *sqlengine.AsError(err)
	failure.Severity = "FATAL"
	s.backend.Send(errorResponse(&failure))
	_ = s.backend.Flush() // the connection is closed next
}

// serve answers messages until the session ends.
func (s *session) serve() {
	for {
		message, err := s.backend.Receive()
		if err != nil {
			return
		}
		if s.sayGoodbye() != nil { // it was ended before the message came
			return
		}
		if err := s.handle(message); err != nil {
			return
		}
	}
}

// handle answers one message. Errors end the session; those of statements are sent to the client.
func (s *session) handle(message pgproto3.FrontendMessage) error {
	switch message := message.(type) {
	case *pgproto3.Query:
		if s.skip {
			return nil
		}
		return s.simpleQuery(message.String)
	case *pgproto3.Sync:
		return s.sync()
	case *pgproto3.Flush:
		return s.backend.Flush()
	case *pgproto3.Terminate:
		return errOver
	case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail:
		return nil // of a COPY that has failed
	}
	if s.skip {
		return nil
	}
	if err := s.extended(message); err != nil {
		if !isReport(err) {
			return err
		}
		s.skip = true
		return s.report(err)
	}
	return nil
}

// isReport reports whether an error is for the client rather than the end of the session.
func isReport(err error) bool { return !errors.Is(err, errOver) && !errors.Is(err, errConnection) }

// report sends the error of a statement, and fails or rolls back its transaction. The error it returns ends the session.
func (s *session) report(err error) error {
	var failure *sqlengine.Error
	if s.ctx.Err() != nil && errors.As(context.Cause(s.ctx), &failure) { // the session ends, not only the statement
		s.fatal(failure)
		return errOver
	}
	if errors.Is(err, errGone) {
		return errOver
	}
	failure = sqlengine.AsError(err)
	s.engine.Fail()
	s.backend.Send(errorResponse(failure))
	if failure.Severity == "FATAL" || failure.Severity == "PANIC" {
		_ = s.backend.Flush() // the connection is closed next
		return errOver
	}
	return nil
}

// ready ends a query cycle.
func (s *session) ready() error {
	s.reportSettings()
	s.sendNotifications()
	status := byte('I')
	switch {
	case s.engine.Failed():
		status = 'E'
	case s.engine.InBlock():
		status = 'T'
	}
	s.backend.Send(&pgproto3.ReadyForQuery{TxStatus: status})
	return s.backend.Flush()
}

// warn sends a warning.
func (s *session) warn(code, message string) {
	s.backend.Send(&pgproto3.NoticeResponse{Severity: "WARNING", SeverityUnlocalized: "WARNING", Code: code, Message: message})
}

// fated lets Config.Statement decide about a statement and runs it accordingly. With cut, the caller sends as many rows as
// its fate says, and drops the connection.
func (s *session) fated(p *sqlengine.Prepared, args []any) (r *result, f fate.Fate, err error) {
	ctx, done := s.statementContext()
	defer done()
	if s.server.config.Statement != nil {
		shown := make([]any, len(args))
		for i, v := range args {
			shown[i] = sqlengine.Plain(v)
		}
		f = s.server.config.Statement(fate.Statement{
			Conn: s.number, User: s.user, SQL: p.SQL(), Args: shown, InTx: s.engine.InBlock(), Writable: s.server.config.Host.Writable(), At: time.Now(),
		})
	}
	err = f.Fulfil(ctx, fate.Means{
		Run: func() (err error) {
			r, err = s.run(ctx, p, args)
			if f.Action == fate.ActionRun || s.engine.InBlock() {
				return err
			}
			if err != nil { // its outcome is settled before anything else happens
				s.engine.Rollback()
				return err
			}
			return s.engine.Commit()
		},
		Cut: s.cut, Hang: s.hang, Fail: func() error { return failure(f) },
	})
	return r, f, err
}

// cut drops the connection.
func (s *session) cut() error {
	fate.Cut(s.raw)
	return errOver
}

func failure(f fate.Fate) error {
	if f.Err == nil {
		return sqlengine.Errorf("XX000", "the statement was made to fail")
	}
	return f.Err
}

// run executes a statement in the transaction it belongs to.
func (s *session) run(ctx context.Context, p *sqlengine.Prepared, args []any) (*result, error) {
	r, err := s.engine.Run(ctx, p, args)
	if err != nil {
		return nil, err
	}
	if stmt, ok := p.Stmt().(*syntax.Copy); ok && !stmt.From {
		return s.copyOut(stmt, r)
	}
	return &result{Result: *r}, nil
}

// hang answers nothing until the connection goes or the session is ended.
func (s *session) hang() error {
	<-s.ctx.Done()
	if err := s.sayGoodbye(); err != nil {
		return err
	}
	return errOver
}

func errorResponse(e *sqlengine.Error) *pgproto3.ErrorResponse {
	severity := e.Severity
	if severity == "" {
		severity = "ERROR"
	}
	return &pgproto3.ErrorResponse{
		Severity: severity, SeverityUnlocalized: severity, Code: e.Code, Message: e.Message, Detail: e.Detail,
		Position: int32(e.Position), TableName: e.Table, ColumnName: e.Column, ConstraintName: e.Constraint,
	}
}

// parse parses a string of statements.
func parse(sql string) ([]syntax.Parsed, error) {
	statements, err := syntax.Parse(sql)
	var bad *syntax.Error
	if errors.As(err, &bad) {
		at := min(max(bad.Position, 0), len(sql))
		return nil, &sqlengine.Error{Code: bad.Code, Message: bad.Message, Position: utf8.RuneCountInString(sql[:at]) + 1}
	}
	return statements, err
}
