package mysqldriver

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

const (
	clusterHost  = "db.cluster-xyz.us-east-1.rds.amazonaws.com"
	instanceHost = "db-1.xyz.us-east-1.rds.amazonaws.com"
)

// topology is core.Target.Monitor of the topology monitor.
const topology = "topology-monitoring-"

// normalized is what go-sql-driver dials and logs in with.
func normalized(t *testing.T, cfg *mysql.Config) *mysql.Config {
	t.Helper()
	got := make(chan *mysql.Config, 1)
	cfg = cfg.Clone()
	stop := errors.New("stop")
	if err := cfg.Apply(mysql.BeforeConnect(func(_ context.Context, cfg *mysql.Config) error { got <- cfg; return stop })); err != nil {
		t.Fatal(err)
	}
	k, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Connect(t.Context()); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	return <-got
}

// B103: dialling another host keeps the choices of tls and checks the name of the
// host dialled.
func TestServerNamePerHost(t *testing.T) {
	for _, mode := range []string{"", "?tls=false", "?tls=true", "?tls=skip-verify", "?tls=preferred"} {
		for _, monitor := range []string{"", topology} {
			e := engineFor(t, "app:s@tcp("+strings.ToUpper(clusterHost)+":6033)/x"+mode)
			got := normalized(t, e.forTarget(core.Target{Host: core.Host{ID: "db-1", Addr: instanceHost + ":6034"}, Monitor: monitor}))
			want, err := mysql.ParseDSN("app:s@tcp(" + instanceHost + ":6034)/x" + mode)
			if err != nil {
				t.Fatal(err)
			}
			// All that concerns TLS is as the driver makes it for that host.
			if got.Addr != want.Addr || got.TLSConfig != want.TLSConfig || got.AllowFallbackToPlaintext != want.AllowFallbackToPlaintext {
				t.Errorf("%s, monitor %q: %s, %s", mode, monitor, got.Addr, got.TLSConfig)
			}
			if diff := cmp.Diff(want.TLS, got.TLS, sameConfig); diff != "" {
				t.Errorf("%s, monitor %q (-driver +ours):\n%s", mode, monitor, diff)
			}
			if e.base.Addr != strings.ToUpper(clusterHost)+":6033" || (mode == "?tls=true" && e.base.TLS.ServerName != strings.ToUpper(clusterHost)) {
				t.Errorf("%s: the original configuration was changed", mode)
			}
		}
	}
}

// TLS by code and by the ssl_ parameters: the name is that of the host dialled
// unless the application has set one.
func TestServerNameOfTheApplication(t *testing.T) {
	if err := mysql.RegisterTLSConfig("named", &tls.Config{ServerName: "certificate.example"}); err != nil {
		t.Fatal(err)
	}
	defer mysql.DeregisterTLSConfig("named")
	if err := mysql.RegisterTLSConfig("nameless", &tls.Config{MinVersion: tls.VersionTLS13}); err != nil {
		t.Fatal(err)
	}
	defer mysql.DeregisterTLSConfig("nameless")
	inCode := func(c *tls.Config) *mysql.Config {
		cfg := mysql.NewConfig()
		cfg.Addr, cfg.TLS = clusterHost, c
		return cfg
	}
	parse := func(params string) *mysql.Config { return parsed(t, "app@tcp("+clusterHost+")/x"+params) }
	for name, test := range map[string]struct {
		cfg  *mysql.Config
		want string
	}{
		"in code, named":        {inCode(&tls.Config{ServerName: "certificate.example"}), "certificate.example"},
		"in code, nameless":     {inCode(&tls.Config{}), instanceHost},
		"in code, not verified": {inCode(&tls.Config{InsecureSkipVerify: true}), ""},
		"in code, by name":      {&mysql.Config{Addr: clusterHost, TLSConfig: "nameless"}, instanceHost},
		"in code, tls=true":     {&mysql.Config{Addr: clusterHost, TLSConfig: "true"}, instanceHost},
		"registered, named":     {parse("?tls=named"), "certificate.example"},
		"registered, nameless":  {parse("?tls=nameless"), instanceHost},
		"parsed":                {parse("?tls=true"), instanceHost},
		"ssl_verify_cert":       {parse("?ssl_verify_cert=true"), instanceHost},
	} {
		k, err := NewConnector(test.cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = k.(*core.Connector).Close() // never fails
		cfg := test.cfg.Clone()
		if err := takeTLS(cfg); err != nil {
			t.Fatal(err)
		}
		e, err := newEngine(cfg, core.Settings{}, options{log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		got := normalized(t, e.forTarget(core.Target{Host: core.Host{Addr: instanceHost + ":3306"}}))
		if got.TLS == nil || got.TLS.ServerName != test.want {
			t.Errorf("%s: %+v, want the server name %q", name, got.TLS, test.want)
		}
	}
}

func TestForTarget(t *testing.T) {
	tests := map[string]struct{ dsn, target, network, addr string }{
		"the DSN's own":              {"a@tcp(db.example:6000)/x", "db.example:6000", "tcp", "db.example:6000"},
		"an instance":                {"a@tcp(db.example:6000)/x", "db-1.example:7000", "tcp", "db-1.example:7000"},
		"without a port":             {"a@tcp(db.example:6000)/x", "db-1.example", "tcp", "db-1.example:6000"},
		"both without a port":        {"a@tcp(db.example)/x", "db-1.example", "tcp", "db-1.example:3306"},
		"IPv6 (B106)":                {"a@tcp(db.example:6000)/x", "[2001:db8::1]:7000", "tcp", "[2001:db8::1]:7000"},
		"IPv6 without a port":        {"a@tcp(db.example:6000)/x", "2001:db8::1", "tcp", "[2001:db8::1]:6000"},
		"IPv6 DSN":                   {"a@tcp([2001:db8::1]:6000)/x", "[2001:db8::1]:6000", "tcp", "[2001:db8::1]:6000"},
		"same host, other port":      {"a@tcp(db.example:6000)/x", "db.example:6001", "tcp", "db.example:6001"},
		"tcp4":                       {"a@tcp4(db.example:6000)/x", "db-1.example:6001", "tcp4", "db-1.example:6001"},
		"B71: a Unix socket":         {"a@unix(/tmp/my.sock)/x", "/tmp/my.sock", "unix", "/tmp/my.sock"},
		"a Unix socket with a colon": {"a@unix(/tmp/my:1)/x", "/tmp/my:1", "unix", "/tmp/my:1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := engineFor(t, test.dsn)
			for _, monitor := range []string{"", topology} {
				got := e.forTarget(core.Target{Host: core.Host{Addr: test.target}, Monitor: monitor})
				if got.Net != test.network || got.Addr != test.addr {
					t.Errorf("%s %s, want %s %s", got.Net, got.Addr, test.network, test.addr)
				}
			}
		})
	}
}

func TestCredentialsOfATarget(t *testing.T) {
	e := engineFor(t, "app:secret@tcp(db.example)/x?topology-monitoring-user=watcher&topology-monitoring-password=w")
	host := core.Host{Addr: "db.example:3306"}
	for name, test := range map[string]struct {
		target         core.Target
		user, password string
	}{
		"the DSN's":                          {core.Target{Host: host}, "app", "secret"},
		"an authenticator's":                 {core.Target{Host: host, User: "iam", Password: "token:/?#@%"}, "iam", "token:/?#@%"},
		"a password alone":                   {core.Target{Host: host, Password: "token"}, "app", "secret"},
		"the monitor's":                      {core.Target{Host: host, Monitor: topology}, "watcher", "w"},
		"an authenticator's for the monitor": {core.Target{Host: host, Monitor: topology, User: "iam", Password: "token"}, "iam", "token"},
	} {
		if got := e.forTarget(test.target); got.User != test.user || got.Passwd != test.password {
			t.Errorf("%s: %s, %s", name, got.User, got.Passwd)
		}
	}
	if e.base.User != "app" || e.base.Passwd != "secret" || e.monitors[topology].User != "watcher" {
		t.Error("the engine's configurations were changed")
	}
}

// The connections to a host share one configuration, but none with a password that
// is good for one login.
func TestSharedConnectors(t *testing.T) {
	e := engineFor(t, "app:secret@tcp(db.example)/x")
	target := core.Target{Host: core.Host{Addr: "db-1.example:3306"}}
	other, monitor, token := target, target, target
	other.Host.Addr, monitor.Monitor, token.User, token.Password = "db-2.example:3306", topology, "iam", "token"
	connector := func(target core.Target) driver.Connector {
		t.Helper()
		k, err := e.connector(target)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := connector(target)
	if connector(target) != first {
		t.Error("the same target has a Connector of its own")
	}
	for name, different := range map[string]core.Target{"another host": other, "the monitor": monitor, "a token": token} {
		if k := connector(different); k == first {
			t.Errorf("%s: the Connector of the application's connections", name)
		}
	}
	if connector(token) == connector(token) {
		t.Error("a token is kept")
	}
	if connector(target) != first {
		t.Error("the token's Connector has taken the place of the application's")
	}
}

// B65: monitoring connections inherit no session settings and no limits.
func TestMonitorConfig(t *testing.T) {
	e := engineFor(t, "app:secret@tcp("+clusterHost+")/orders?sql_mode=%27ANSI_QUOTES%27&transaction_read_only=1&parseTime=true&columnsWithAlias=true"+
		"&multiStatements=true&allowAllFiles=true&timeout=1s&readTimeout=1s&writeTimeout=1s&compress=true&maxAllowedPacket=0&rejectReadOnly=true"+
		"&connectionAttributes=program_name%3Ashop&tls=true&allowCleartextPasswords=true&collation=utf8mb4_bin")
	want := mysql.NewConfig()
	want.User, want.Passwd, want.Net, want.Addr, want.DBName = "app", "secret", "tcp", clusterHost+":3306", "orders"
	want.ConnectionAttributes = "program_name:awsdb-topology,program_name:shop"
	want.TLSConfig, want.TLS = "true", &tls.Config{ServerName: clusterHost}
	want.AllowCleartextPasswords, want.CheckConnLiveness, want.Collation = true, false, "utf8mb4_bin"
	if diff := cmp.Diff(want, e.forTarget(core.Target{Host: core.Host{Addr: clusterHost}, Monitor: topology}), sameConfig); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if b := e.base; !b.ParseTime || b.Params["sql_mode"] != "'ANSI_QUOTES'" || b.ReadTimeout != time.Second || b.ConnectionAttributes != "program_name:shop" || b.MaxAllowedPacket != 0 {
		t.Errorf("the application's own configuration was changed: %+v", b)
	}
}

func TestMonitorOverrides(t *testing.T) {
	e := engineFor(t, "app:secret@tcp("+clusterHost+")/orders?topology-monitoring-user=watcher&topology-monitoring-password=w"+
		"&topology-monitoring-database=mysql&topology-monitoring-connect_timeout=2.5&topology-monitoring-max_execution_time=3000")
	m := e.monitors[topology]
	if m.User != "watcher" || m.Passwd != "w" || m.DBName != "mysql" || m.Timeout != 2500*time.Millisecond {
		t.Errorf("user %s, database %s, timeout %s", m.User, m.DBName, m.Timeout)
	}
	if diff := cmp.Diff(map[string]string{"max_execution_time": "3000"}, m.Params); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if e.base.User != "app" || e.base.Passwd != "secret" || e.base.DBName != "orders" || e.base.Timeout != 0 {
		t.Errorf("the application's own: %s, %s", e.base.User, e.base.DBName)
	}
	for key, want := range map[string]string{
		"host": "cannot be set", "port": "cannot be set", "tls": "cannot be set", "ssl_ca": "cannot be set", "unix_socket": "cannot be set",
		"connect_timeout": "want a number of seconds", "connection_timeout": "want a number of seconds",
	} {
		_, err := Driver{}.OpenConnector("app@tcp(" + clusterHost + ")/x?topology-monitoring-" + key + "=x")
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), "topology-monitoring-"+key) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestWrapperDialect(t *testing.T) {
	for code, want := range map[string]string{
		"aurora-mysql": "aurora-mysql", "AURORA_MYSQL": "aurora-mysql", "global-aurora-mysql": "global-aurora-mysql", "rds-mysql": "rds-mysql", "mysql": "mysql",
		"rds-multi-az-mysql-cluster": "rds-multi-az-mysql-cluster", "multi-az-mysql": "rds-multi-az-mysql-cluster", "mariadb": "mariadb",
	} {
		e := engineFor(t, "app@tcp("+clusterHost+")/x?wrapper_dialect="+code)
		d, err := e.Detect(t.Context(), nil, core.Endpoint{}) // nothing is asked
		if err != nil || d.Code() != want {
			t.Errorf("%s: %v, %v", code, d, err)
		}
	}
}

// The driver's log goes where ours goes, unless the application has its own.
func TestLogger(t *testing.T) {
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	own := &mysql.NopLogger{}
	uncomparable := loggers{own}
	for name, test := range map[string]struct{ given, want mysql.Logger }{
		"none":                        {nil, quietLogger{log}},
		"the driver's":                {mysql.NewConfig().Logger, quietLogger{log}},
		"its own":                     {own, own},
		"one that cannot be compared": {uncomparable, uncomparable},
	} {
		cfg := mysql.NewConfig()
		cfg.Logger = test.given
		e, err := newEngine(cfg, core.Settings{}, options{log: log})
		if err != nil {
			t.Fatal(err)
		}
		if reflect.TypeOf(e.base.Logger) != reflect.TypeOf(test.want) {
			t.Errorf("%s: %T, want %T", name, e.base.Logger, test.want)
		}
	}
	quietLogger{log}.Print("unexpected", " EOF")
	if got := text.String(); !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, "unexpected EOF") {
		t.Errorf("logged %q", got)
	}
}

type loggers []mysql.Logger

func (loggers) Print(...any) {}
