package mysqldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

func parsed(t *testing.T, dsn string) *mysql.Config {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func connector(t *testing.T, cfg *mysql.Config, opts ...Option) *core.Connector {
	t.Helper()
	k, err := NewConnector(cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.(io.Closer).Close() }) // never fails
	return k.(*core.Connector)
}

func TestNewConnectorCopiesItsConfiguration(t *testing.T) {
	const dsn = "app@tcp(db.example)/x?sql_mode=%27ANSI%27&cluster_id=one&rejectReadOnly=true&ssl_verify_cert=false"
	cfg, want := parsed(t, dsn), parsed(t, dsn)
	k := connector(t, cfg, WithParams(map[string]string{"cluster_id": "two", "plugins": "none"}))
	if diff := cmp.Diff(want, cfg, sameConfig); diff != "" || !cfg.RejectReadOnly || cfg.Logger != want.Logger {
		t.Errorf("the caller's configuration was changed (-before +after):\n%s", diff)
	}
	if got := k.Settings().String("cluster_id"); got != "two" {
		t.Errorf("cluster_id is %q: options override the configuration", got)
	}
	if k.Host() != (core.Host{Addr: "db.example:3306"}) || k.Driver() != (Driver{}) || k.Log() == nil {
		t.Errorf("host %v, driver %T", k.Host(), k.Driver())
	}
}

// Configurations made in code need not be complete.
func TestNewConnectorFillsIn(t *testing.T) {
	with := func(change func(*mysql.Config)) *mysql.Config {
		cfg := mysql.NewConfig()
		change(cfg)
		return cfg
	}
	for _, test := range []struct {
		cfg  *mysql.Config
		want string
	}{
		{mysql.NewConfig(), "127.0.0.1:3306"},
		{&mysql.Config{}, "127.0.0.1:3306"},
		{with(func(c *mysql.Config) { c.Addr = "db.example" }), "db.example:3306"},
		{with(func(c *mysql.Config) { c.Addr = "db.example:6033" }), "db.example:6033"},
		{with(func(c *mysql.Config) { c.Addr = "2001:db8::1" }), "[2001:db8::1]:3306"},
		{with(func(c *mysql.Config) { c.Addr = "[2001:db8::1]" }), "[2001:db8::1]:3306"},
		{with(func(c *mysql.Config) { c.Net = "tcp6"; c.Addr = "::1" }), "[::1]:3306"},
		{with(func(c *mysql.Config) { c.Net = "unix" }), "/tmp/mysql.sock"},
		{with(func(c *mysql.Config) { c.Net = "unix"; c.Addr = "@abstract" }), "@abstract"},
	} {
		if got := connector(t, test.cfg).Host().Addr; got != test.want {
			t.Errorf("%s %q leads to %s, want %s", test.cfg.Net, test.cfg.Addr, got, test.want)
		}
	}
}

func TestNewConnectorErrors(t *testing.T) {
	mysql.RegisterDialContext("tunnel", func(context.Context, string) (net.Conn, error) { return nil, errors.New("not to be dialled") })
	defer mysql.DeregisterDialContext("tunnel")
	for name, test := range map[string]struct {
		cfg  *mysql.Config
		want []string
	}{
		"nothing":                  {nil, []string{"NewConnector needs a configuration from mysql.NewConfig or mysql.ParseDSN"}},
		"two mistakes":             {parsed(t, "app@tcp(db.example)/x?topology_refresh_ms=x"), []string{"topology_refresh_ms", "tcp_keepalive"}},
		"a registered network":     {parsed(t, "app@tunnel(db.example:1)/x"), []string{"mysql.RegisterDialContext", "Config.DialFunc or mysqldriver.WithDialer"}},
		"no such TLS":              {&mysql.Config{TLSConfig: "nonesuch"}, []string{"nonesuch"}},
		"no such key":              {&mysql.Config{ServerPubKey: "nonesuch"}, []string{"nonesuch"}},
		"an address with a user":   {&mysql.Config{Addr: "app@db.example"}, []string{"without scheme, user, password"}},
		"a port that is no number": {&mysql.Config{Addr: "db.example:x"}, []string{"invalid port"}},
	} {
		k, err := NewConnector(test.cfg, WithParams(map[string]string{"tcp_keepalive": "x"}))
		if k != nil || !errors.Is(err, core.ErrConfig) {
			t.Errorf("%s: %v, %v", name, k, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is missing in %v", name, want, err)
			}
		}
	}
}

// A dialer of the application opens the sockets, on whatever network.
func TestDialers(t *testing.T) {
	s := newFake(t, nil)
	unused := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("not to be used") }
	var dialled []string
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled = append(dialled, network+" "+addr)
		return s.dial(ctx, network, addr)
	}
	for name, test := range map[string]struct {
		dsn  string
		set  core.DialFunc // Config.DialFunc
		opts []Option
		want string
	}{
		"Config.DialFunc":     {"app@tcp(db.example)/x", dial, nil, "tcp db.example:3306"},
		"WithDialer":          {"app@tcp(db.example:1)/x", nil, []Option{WithDialer(dial)}, "tcp db.example:1"},
		"WithDialer is first": {"app@tcp(db.example)/x", unused, []Option{WithDialer(dial)}, "tcp db.example:3306"},
		"another network":     {"app@tunnel(db.example:1)/x", dial, nil, "tunnel db.example:1"},
		"a Unix socket":       {"app@unix(/tmp/my:1)/x", nil, []Option{WithDialer(dial), WithResolver(resolver(nil))}, "unix /tmp/my:1"},
	} {
		cfg := parsed(t, test.dsn)
		cfg.DialFunc = test.set
		c, err := connector(t, cfg, append(test.opts, WithPlugins())...).Connect(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Join(dialled, ", "); got != test.want {
			t.Errorf("%s: dialled %s, want %s", name, got, test.want)
		}
		dialled = nil
	}
}

// The options' resolver is used, its addresses are tried in turn, and errors reach
// the caller.
func TestResolver(t *testing.T) {
	s := newFake(t, nil)
	cause, noName := errors.New("no network in this test"), errors.New("no such name")
	for name, test := range map[string]struct {
		addr    string
		addrs   []string
		fails   error // the lookup
		want    string
		wantErr error // nil: connected
	}{
		"the first":     {"db.example:6000", []string{"192.0.2.2", "192.0.2.3"}, nil, "192.0.2.2:6000", nil},
		"the second":    {"db.example:6000", []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, nil, "192.0.2.1:6000 192.0.2.2:6000", nil},
		"IPv6":          {"db.example:6000", []string{"2001:db8::2"}, nil, "[2001:db8::2]:6000", nil},
		"none answers":  {"db.example:6000", []string{"192.0.2.1", "192.0.2.1"}, nil, "192.0.2.1:6000 192.0.2.1:6000", cause},
		"none":          {"db.example:6000", nil, nil, "", &net.DNSError{}},
		"lookup fails":  {"db.example:6000", nil, noName, "", noName},
		"an IP address": {"192.0.2.2:6000", nil, noName, "192.0.2.2:6000", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var dialled []string
			dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
				mu.Lock()
				dialled = append(dialled, addr)
				mu.Unlock()
				if addr == "192.0.2.1:6000" {
					return nil, cause
				}
				return s.dial(ctx, network, addr)
			}
			lookUp := resolver(func(host string) ([]string, error) {
				if host != "db.example" {
					t.Errorf("looked up %s", host)
				}
				return test.addrs, test.fails
			})
			c, err := connector(t, parsed(t, "app@tcp("+test.addr+")/x"), WithPlugins(), WithResolver(lookUp), WithDialer(dial)).Connect(t.Context())
			switch {
			case test.wantErr == nil && err == nil:
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			case test.wantErr == nil:
				t.Error(err)
			default:
				if _, dns := test.wantErr.(*net.DNSError); dns && errors.As(err, new(*net.DNSError)) { //nolint:errorlint // of the table
					err = errors.Join(err, test.wantErr)
				}
				if !errors.Is(err, test.wantErr) || !errors.Is(err, core.ErrConnect) {
					t.Errorf("Connect: %v", err)
				}
			}
			if got := strings.Join(dialled, " "); got != test.want {
				t.Errorf("dialled %s, want %s", got, test.want)
			}
		})
	}
}

type resolver func(host string) ([]string, error)

func (r resolver) LookupHost(_ context.Context, host string) ([]string, error) { return r(host) }

// The hook runs once on each connection of the application, before anybody uses it.
func TestOnConnect(t *testing.T) {
	s := startFake(t, nil)
	hook := func(ctx context.Context, c driver.Conn) error {
		_, err := c.(driver.ExecerContext).ExecContext(ctx, "hook", nil)
		return err
	}
	k := connector(t, parsed(t, "app@tcp("+s.addr+")/x?sql_mode=%27ANSI%27"), WithPlugins(), WithOnConnect(hook))
	db := sql.OpenDB(k)
	defer db.Close()
	one, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*sql.Conn{one, one, two} {
		if _, err := c.ExecContext(t.Context(), "used"); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(one.Close(), two.Close()); err != nil {
		t.Error(err)
	}
	want := []string{"SET sql_mode = 'ANSI'", "hook", "SET sql_mode = 'ANSI'", "hook", "used", "used", "used"}
	if diff := cmp.Diff(want, s.seen()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnConnectIsNotForMonitors(t *testing.T) {
	s := newFake(t, nil)
	ran := 0
	cfg := parsed(t, "app@tcp(db.example)/x?sql_mode=%27ANSI%27&topology-monitoring-user=watcher")
	e, err := newEngine(cfg, settingsOf(t, cfg), options{log: slog.New(slog.DiscardHandler), onConnect: func(context.Context, driver.Conn) error { ran++; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, monitor := range []string{topology, ""} {
		n, _, err := e.Open(t.Context(), core.Target{Host: core.Host{Addr: "db.example:3306"}, Monitor: monitor, Dial: s.dial})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if (ran == 0) != (monitor != "") {
			t.Errorf("monitor %q: ran %d times", monitor, ran)
		}
	}
	if diff := cmp.Diff([]string{"watcher", "app"}, s.logins()); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"SET sql_mode = 'ANSI'"}, s.seen()); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
}

func settingsOf(t *testing.T, cfg *mysql.Config) core.Settings {
	t.Helper()
	settings, err := core.TakeSettings(cfg.Params)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// An error of the hook fails the connect, and nothing stays open.
func TestOnConnectFails(t *testing.T) {
	s := startFake(t, map[string]fakeReply{
		"refused":  {err: &mysql.MySQLError{Number: 1064, Message: "syntax"}},
		"hangs up": {hangUp: true},
	})
	own := errors.New("unknown tenant")
	for name, test := range map[string]struct {
		hook func(context.Context, driver.Conn) error
		want func(error) bool
	}{
		"its own error": {func(context.Context, driver.Conn) error { return own }, func(err error) bool { return errors.Is(err, own) }},
		"the server's": {execHook("refused"), func(err error) bool {
			var server *mysql.MySQLError
			return errors.As(err, &server) && server.Number == 1064
		}},
		"a lost connection": {execHook("hangs up"), func(err error) bool { return errors.As(err, new(*core.LostError)) && errors.Is(err, io.EOF) }},
		"driver.ErrBadConn": {func(context.Context, driver.Conn) error { return driver.ErrBadConn }, func(error) bool { return true }},
	} {
		k := connector(t, parsed(t, "app@tcp("+s.addr+")/x"), WithPlugins(), WithOnConnect(test.hook))
		_, err := k.Connect(t.Context())
		if !errors.Is(err, core.ErrConnect) || !test.want(err) || errors.Is(err, driver.ErrBadConn) {
			t.Errorf("%s: %v", name, err)
		}
		for l := range k.Cluster().Links() {
			t.Errorf("%s: a connection to %s is left", name, l.Host())
		}
	}
}

func execHook(statement string) func(context.Context, driver.Conn) error {
	return func(ctx context.Context, c driver.Conn) error {
		_, err := c.(driver.ExecerContext).ExecContext(ctx, statement, nil)
		return err
	}
}

// mysql.BeforeConnect is heeded for every connection: what the hook changes counts.
func TestBeforeConnect(t *testing.T) {
	s := newFake(t, nil)
	var dialled []string
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled = append(dialled, addr)
		return s.dial(ctx, network, addr)
	}
	cfg := parsed(t, "app@tcp(db.example)/x")
	calls := 0
	err := cfg.Apply(mysql.BeforeConnect(func(_ context.Context, cfg *mysql.Config) error {
		calls++
		cfg.User = "rotated"
		cfg.Addr = "elsewhere.example:3306"
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	k := connector(t, cfg, WithPlugins(), WithDialer(dial))
	for range 2 {
		c, err := k.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"rotated", "rotated"}, s.logins()); diff != "" || calls != 2 {
		t.Errorf("%d calls, users (-want +got):\n%s", calls, diff)
	}
	if diff := cmp.Diff([]string{"elsewhere.example:3306", "elsewhere.example:3306"}, dialled); diff != "" {
		t.Errorf("dialled (-want +got):\n%s", diff)
	}
}
