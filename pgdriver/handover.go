package pgdriver

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/awsdb/awsdb/core"
)

// A pgxpool opens its connections itself, by one call of pgx.ConnectConfig that cannot
// be surrounded: not to choose a host, not to verify it, wait, or try again. So all of
// that happens where pgx expects a socket. The chain opens a connection and logs in; then
// the session is handed over: pgx gets the socket under it, says what it wants to log in,
// and is answered from memory with what the server has said before. From the second
// message on it talks to the server.

// session is the socket that pgx gets: that of a connection which is logged in already.
type session struct {
	net.Conn // TLS, or the Link
	conn     *core.Conn
	failed   func(error) error // conn's
	number   uint64
	all      *sessions

	// For cancel requests. Nothing else is kept of the connection that has logged in.
	dialBeside pgconn.DialFunc
	tls        *tls.Config // nil: without
	direct     bool        // TLS begins without a request for it

	noted    map[string]any // in CustomData while logging in
	greeting []byte         // what pgx is to be told before it hears the server
	greeted  bool           // it has introduced itself
	single   bool           // opened by pgx.ConnectConfig and the pool's configuration: nobody has compared that
	pgx      *pgx.Conn      // on top; nil until that is known
	fresh    bool           // it has been in use a moment ago
	closed   atomic.Bool
	feigned  atomic.Int32 // losses that have passed for a timeout, see readable

	rows      []poolRows // to hand out
	oneRows   []poolRow
	allocated int      // of these at once, the last time
	unread    *reading // not in use
	span      *span    // not in use
	beginning bool     // a batch that begins a transaction is being read: pgx does not say yet that there is one
}

// sessions are those of one pool that are open.
type sessions struct {
	connector *core.Connector
	hooked    bool            // there is a BeforeConnect, which may change anything
	surface   *pgx.ConnConfig // what the pool's configuration said when it became ours
	latest    atomic.Uint64
	mu        sync.Mutex          // guards open
	open      map[uint64]*session // by number
}

// dial is the DialFunc of a pool's configuration. With the network of an open session it
// opens pgx's cancel request for that, else a session.
func (a *sessions) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if network[:min(len(network), len(sessionNetwork))] == sessionNetwork {
		number, err := strconv.ParseUint(network[len(sessionNetwork):], 10, 64)
		if err != nil {
			return nil, net.ErrClosed
		}
		a.mu.Lock()
		s := a.open[number]
		a.mu.Unlock()
		if s == nil {
			return nil, net.ErrClosed
		}
		return s.side(ctx, addr)
	}
	if _, configured := pgconn.NetworkAddress(a.surface.Host, a.surface.Port); addr != configured {
		return nil, errChanged
	}
	c, err := a.connector.Open(ctx)
	if err != nil {
		return nil, err
	}
	s, err := a.handOver(ctx, c)
	if err != nil {
		_ = c.Close() // the error is what matters
		return nil, err
	}
	return s, nil
}

// sessionNetwork begins the name of a session's network. pgx dials for a cancel request
// what RemoteAddr says, by which the session is found again.
const sessionNetwork = "awsdb/"

func (a *sessions) handOver(ctx context.Context, c *core.Conn) (*session, error) {
	inner, ok := Unwrap(c.Native)
	if !ok {
		return nil, fmt.Errorf("connection of type %T is not pgdriver's", c.Native)
	}
	if err := inner.PgConn().SyncConn(ctx); err != nil {
		return nil, err
	}
	top, pooled := ctx.Value(topKey{}).(*pgx.ConnConfig)
	if pooled {
		a.adopt(top, inner.Config())
	}
	from, err := inner.PgConn().Hijack()
	if err != nil {
		return nil, err
	}
	s := &session{
		Conn: from.Conn, conn: c, failed: c.Failed, number: a.latest.Add(1), all: a,
		dialBeside: dialBeside(from), tls: certified(from), direct: from.Config.SSLNegotiation == "direct",
		noted: from.CustomData, single: !pooled,
	}
	if s.greeting, err = greeting(from); err != nil {
		return nil, errors.Join(err, from.Conn.Close())
	}
	c.HandOver(native{s})
	a.mu.Lock()
	a.open[s.number] = s
	a.mu.Unlock()
	return s, nil
}

// adopt tells the configuration of the connection on top what BeforeConnect and the
// chain have made of that of the login.
func (a *sessions) adopt(top, used *pgx.ConnConfig) {
	top.Host, top.Port = used.Host, used.Port
	top.User, top.Password, top.Database = used.User, used.Password, used.Database
	if !a.hooked {
		return
	}
	top.DefaultQueryExecMode = used.DefaultQueryExecMode
	top.StatementCacheCapacity, top.DescriptionCacheCapacity = used.StatementCacheCapacity, used.DescriptionCacheCapacity
}

// topTracer finds the configuration on top: pgx connects by a copy of what the pool's
// BeforeConnect gets, and shows that to nobody but a tracer. It stands in for the
// application's until then.
type topTracer struct{ pgx.QueryTracer }

// topKey is where the context of a connect holds that configuration.
type topKey struct{}

// TraceConnectStart implements pgx.ConnectTracer.
func (t topTracer) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	data.ConnConfig.Tracer = t.QueryTracer
	if of, ok := t.QueryTracer.(pgx.ConnectTracer); ok {
		ctx = of.TraceConnectStart(ctx, data)
	}
	return context.WithValue(ctx, topKey{}, data.ConnConfig)
}

// TraceConnectEnd implements pgx.ConnectTracer.
func (t topTracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	if of, ok := t.QueryTracer.(pgx.ConnectTracer); ok {
		of.TraceConnectEnd(ctx, data)
	}
}

// greeting is what a server says to a client that it lets in at once.
func greeting(from *pgconn.HijackedConn) ([]byte, error) {
	messages := []pgproto3.BackendMessage{&pgproto3.AuthenticationOk{}}
	for name, value := range from.ParameterStatuses {
		messages = append(messages, &pgproto3.ParameterStatus{Name: name, Value: value})
	}
	if len(from.SecretKey) > 0 { // a pooler between may have none
		messages = append(messages, &pgproto3.BackendKeyData{ProcessID: from.PID, SecretKey: from.SecretKey})
	}
	messages = append(messages, &pgproto3.ReadyForQuery{TxStatus: from.TxStatus})
	var said []byte
	for _, m := range messages {
		var err error
		if said, err = m.Encode(said); err != nil {
			return nil, err
		}
	}
	return said, nil
}

// sessionOf is the session under a connection of a pool; nil if the pool is not ours.
func sessionOf(c *pgx.Conn) *session {
	s, _ := c.PgConn().Conn().(*session)
	return s
}

// Read implements net.Conn.
func (s *session) Read(b []byte) (int, error) {
	if len(s.greeting) > 0 {
		n := copy(b, s.greeting)
		if s.greeting = s.greeting[n:]; len(s.greeting) == 0 {
			s.greeting = nil // it is of no use any more
		}
		return n, nil
	}
	n, err := s.Conn.Read(b)
	if err != nil {
		err = s.readable(err)
	}
	return n, err
}

// Write implements net.Conn. The first message is pgx's login, which the server does not need.
func (s *session) Write(b []byte) (int, error) {
	if s.greeted {
		return s.Conn.Write(b)
	}
	if len(b) < 4 || int(binary.BigEndian.Uint32(b)) != len(b) {
		return 0, errNoLogin
	}
	if s.single && !logsIn(s.all.surface, b[4:]) {
		return 0, errChanged
	}
	s.greeted = true
	return len(b), nil
}

// logsIn reports whether a startup message asks for what c says.
func logsIn(c *pgx.ConnConfig, startup []byte) bool {
	var m pgproto3.StartupMessage
	if m.Decode(startup) != nil {
		return false
	}
	said := m.Parameters
	user, database := said["user"], said["database"]
	delete(said, "user")
	delete(said, "database")
	return user == c.User && database == c.Database && maps.Equal(said, c.RuntimeParams)
}

var errNoLogin = errors.New("pgx has not begun with a startup message")

// Close implements net.Conn.
func (s *session) Close() error {
	s.closed.Store(true)
	s.all.mu.Lock()
	delete(s.all.open, s.number)
	s.all.mu.Unlock()
	return s.Conn.Close()
}

// NetConn is the connection below, as of a *tls.Conn.
func (s *session) NetConn() net.Conn { return s.Conn }

func (s *session) network() string { return sessionNetwork + strconv.FormatUint(s.number, 10) }

// RemoteAddr implements net.Conn.
func (s *session) RemoteAddr() net.Addr { return remote{s.Conn.RemoteAddr(), s.network()} }

// remote is an address by which a session is found again.
type remote struct {
	net.Addr
	network string
}

// Network implements net.Addr.
func (r remote) Network() string { return r.network }

// side opens the socket for a cancel request: by the means of the session, and encrypted
// if that is.
func (s *session) side(ctx context.Context, addr string) (net.Conn, error) {
	c, err := s.dialBeside(ctx, s.Conn.RemoteAddr().Network(), addr)
	if err != nil || s.tls == nil {
		return c, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })
	defer stop()
	if !s.direct {
		if err := requestTLS(c); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	encrypted := tls.Client(c, s.tls)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return encrypted, nil
}

// dialBeside is how the host of a connection is dialled once more. A server may have bound
// a Unix socket by a relative name, which leads nowhere from here.
func dialBeside(from *pgconn.HijackedConn) pgconn.DialFunc {
	dial := from.Config.DialFunc
	if from.Conn.RemoteAddr().Network() != "unix" {
		return dial
	}
	network, addr := pgconn.NetworkAddress(from.Config.Host, from.Config.Port)
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, network, addr) }
}

// certified is the TLS configuration of a connection, without the client's certificate
// where sslcertmode says so.
func certified(from *pgconn.HijackedConn) *tls.Config {
	if from.TLSConfig == nil || from.Config.SSLCertMode != "disable" {
		return from.TLSConfig
	}
	c := from.TLSConfig.Clone()
	c.Certificates, c.GetClientCertificate = nil, nil
	return c
}

// requestTLS asks the server to go on with TLS.
func requestTLS(c net.Conn) error {
	request, err := (&pgproto3.SSLRequest{}).Encode(nil)
	if err != nil {
		return err
	}
	if _, err := c.Write(request); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	if answer[0] != 'S' {
		return errors.New("server refused TLS for a cancel request")
	}
	return nil
}

// readable makes sure that pgx tells its caller why a connection broke. pgx 5.12 looks
// ahead in some places (Exec without arguments, and so BEGIN and COMMIT), forgets the
// error, and closes the connection, unless the error was a timeout. What it then reports
// is "conn closed", which it also calls safe to repeat: with pgx's stdlib on top,
// database/sql would send the statement three times. So the loss passes for a timeout
// when it is looked at first, and pgx reads once more. COPY does not look ahead: it
// closes the connection before it asks what to report.
func (s *session) readable(err error) error {
	err = s.failed(err)
	var lost *core.LostError
	if !errors.As(err, &lost) {
		return err
	}
	return &readError{error: lost, s: s}
}

// maxFeigned is how many errors pgx may forget one after the other: that of its reader in
// the background, and that of a look ahead. After that it shall close the connection, also
// where it forgets nothing, but leaves it open for a timeout (WaitForNotification).
const maxFeigned = 2

type readError struct {
	error
	s     *session
	asked atomic.Bool
}

// Unwrap returns the *core.LostError.
func (e *readError) Unwrap() error { return e.error }

// Timeout implements net.Error.
func (e *readError) Timeout() bool {
	return !e.asked.Swap(true) && !e.s.closed.Load() && e.s.feigned.Add(1) <= maxFeigned
}

// Temporary implements net.Error.
func (e *readError) Temporary() bool { return false }
