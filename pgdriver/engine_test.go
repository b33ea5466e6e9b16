package pgdriver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/core"
)

// topology is core.Target.Monitor of the topology monitor.
const topology = "topology-monitoring-"

func engineFor(t *testing.T, dsn string) *engine {
	t.Helper()
	cfg, settings, err := parseAll(dsn)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(cfg, settings, options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const (
	clusterHost  = "db.cluster-xyz.us-east-1.rds.amazonaws.com"
	instanceHost = "db-1.xyz.us-east-1.rds.amazonaws.com"
)

// B103: dialling another host keeps the choices of sslmode and checks the name
// of the host dialled.
func TestServerNamePerHost(t *testing.T) {
	for _, mode := range []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"} {
		for _, monitor := range []string{"", topology} {
			e := engineFor(t, "postgres://app:s@"+clusterHost+":5433/x?sslmode="+mode)
			got := e.forTarget(core.Target{Host: core.Host{ID: "db-1", Addr: instanceHost + ":5434"}, Monitor: monitor})
			want, err := pgx.ParseConfig("postgres://app:s@" + instanceHost + ":5434/x?sslmode=" + mode)
			if err != nil {
				t.Fatal(err)
			}
			// Everything that concerns TLS is as pgx makes it for that host.
			if got.Host != instanceHost || got.Port != 5434 {
				t.Errorf("%s: %s:%d", mode, got.Host, got.Port)
			}
			if diff := cmp.Diff(want.TLSConfig, got.TLSConfig, sameConfig); diff != "" {
				t.Errorf("%s, monitor %q (-pgx +ours):\n%s", mode, monitor, diff)
			}
			if diff := cmp.Diff(want.Fallbacks, got.Fallbacks, sameConfig); diff != "" {
				t.Errorf("%s, monitor %q, fallbacks (-pgx +ours):\n%s", mode, monitor, diff)
			}
			if e.base.Host != clusterHost || (e.base.TLSConfig != nil && e.base.TLSConfig.ServerName != clusterHost) {
				t.Errorf("%s: the original configuration was changed", mode)
			}
		}
	}
}

func TestServerNameOfTheApplicationStays(t *testing.T) {
	cfg, err := pgx.ParseConfig("postgres://app@" + clusterHost + "/x?sslmode=verify-full")
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLSConfig = &tls.Config{ServerName: "certificate.example"}
	e, err := newEngine(cfg, core.Settings{}, options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := e.forTarget(core.Target{Host: core.Host{Addr: instanceHost + ":5432"}}); got.TLSConfig.ServerName != "certificate.example" {
		t.Errorf("server name %q", got.TLSConfig.ServerName)
	}
}

func TestForTarget(t *testing.T) {
	tests := map[string]struct {
		dsn, addr string
		host      string
		port      uint16
	}{
		"the DSN's own":         {"postgres://a@db.example:6000/x", "db.example:6000", "db.example", 6000},
		"an instance":           {"postgres://a@db.example:6000/x", "db-1.example:7000", "db-1.example", 7000},
		"without a port":        {"postgres://a@db.example:6000/x", "db-1.example", "db-1.example", 6000},
		"IPv6 (B106)":           {"postgres://a@db.example:6000/x", "[2001:db8::1]:7000", "2001:db8::1", 7000},
		"IPv6 DSN":              {"postgres://a@[2001:db8::1]:6000/x", "[2001:db8::1]:6000", "2001:db8::1", 6000},
		"same host, other port": {"postgres://a@db.example:6000/x", "db.example:6001", "db.example", 6001},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := engineFor(t, test.dsn)
			for _, monitor := range []string{"", topology} {
				target := core.Target{Host: core.Host{Addr: test.addr}, Monitor: monitor}
				got := e.forTarget(target)
				if got.Host != test.host || got.Port != test.port {
					t.Errorf("%s port %d, want %s port %d", got.Host, got.Port, test.host, test.port)
				}
				if again := e.forTarget(target); again != got {
					t.Error("B24: a second configuration was made for the same host")
				}
				for _, f := range got.Fallbacks {
					if f.Host != test.host || f.Port != test.port {
						t.Errorf("a fallback leads to %s:%d", f.Host, f.Port)
					}
				}
			}
		})
	}
}

// The other hosts of a multi-host DSN are no fallbacks of an instance: a
// connection would be known under the wrong name.
func TestMultiHostFallbacksAreNotTheInstances(t *testing.T) {
	e := engineFor(t, "postgres://a@one.example:1,two.example:2/x?sslmode=prefer")
	got := e.forTarget(core.Target{Host: core.Host{Addr: "db-1.example:3"}})
	if len(got.Fallbacks) != 1 || got.Fallbacks[0].Host != "db-1.example" || got.Fallbacks[0].TLSConfig != nil {
		t.Errorf("fallbacks %+v", got.Fallbacks)
	}
}

// B65: monitoring connections inherit no hooks and no session settings.
func TestMonitorConfig(t *testing.T) {
	cfg, err := pgx.ParseConfig("postgres://app:secret@" + clusterHost + "/orders?target_session_attrs=read-write&statement_timeout=1" +
		"&search_path=evil&options=-c%20geqo%3Doff&application_name=shop&default_transaction_read_only=on&connect_timeout=9")
	if err != nil {
		t.Fatal(err)
	}
	cfg.AfterConnect = func(context.Context, *pgconn.PgConn) error { return errors.New("user's hook") }
	cfg.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {}
	cfg.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	cfg.Tracer = tracer{}
	e, err := newEngine(cfg, core.Settings{}, options{})
	if err != nil {
		t.Fatal(err)
	}
	m := e.forTarget(core.Target{Host: core.Host{Addr: instanceHost + ":5432"}, Monitor: topology})
	if m.AfterConnect != nil || m.ValidateConnect != nil || m.OnNotice != nil || m.OnNotification != nil || m.Tracer != nil {
		t.Error("a hook of the application is left")
	}
	want := map[string]string{"application_name": "shop-topology", "datestyle": "ISO"}
	if diff := cmp.Diff(want, m.RuntimeParams); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if m.User != "app" || m.Password != "secret" || m.Database != "orders" || m.ConnectTimeout != 9*time.Second {
		t.Errorf("user %s, database %s, timeout %s", m.User, m.Database, m.ConnectTimeout)
	}
	if cfg.AfterConnect == nil || cfg.ValidateConnect == nil || cfg.Tracer == nil || cfg.RuntimeParams["search_path"] != "evil" {
		t.Error("the application's own configuration was changed")
	}
}

type tracer struct{}

func (tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestMonitorOverrides(t *testing.T) {
	e := engineFor(t, "postgres://app:secret@"+clusterHost+"/orders?topology-monitoring-user=watcher&topology-monitoring-password=w"+
		"&topology-monitoring-database=postgres&topology-monitoring-connect_timeout=2.5&topology-monitoring-statement_timeout=3s&topology-monitoring-application_name=mine")
	m := e.monitors[topology]
	if m.User != "watcher" || m.Password != "w" || m.Database != "postgres" || m.ConnectTimeout != 2500*time.Millisecond {
		t.Errorf("user %s, database %s, timeout %s", m.User, m.Database, m.ConnectTimeout)
	}
	want := map[string]string{"application_name": "mine", "datestyle": "ISO", "statement_timeout": "3s"}
	if diff := cmp.Diff(want, m.RuntimeParams); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if e.base.User != "app" || e.base.Password != "secret" || e.base.Database != "orders" {
		t.Errorf("the application's own: %s, %s", e.base.User, e.base.Database)
	}
	for key, want := range map[string]string{
		"host": "cannot be set", "port": "cannot be set", "sslmode": "cannot be set", "target_session_attrs": "cannot be set",
		"connect_timeout": "want a number of seconds",
	} {
		_, err := Driver{}.OpenConnector("postgres://app@" + clusterHost + "/x?topology-monitoring-" + key + "=x")
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), "topology-monitoring-"+key) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestWrapperDialect(t *testing.T) {
	for code, want := range map[string]string{
		"aurora-pg": "aurora-pg", "AURORA_PG": "aurora-pg", "global-aurora-pg": "global-aurora-pg", "rds-pg": "rds-pg", "pg": "pg",
		"rds-multi-az-pg-cluster": "rds-multi-az-pg-cluster", "multi-az-pg": "rds-multi-az-pg-cluster",
	} {
		e := engineFor(t, "postgres://app@"+clusterHost+"/x?wrapper_dialect="+code)
		d, err := e.Detect(t.Context(), nil, core.Endpoint{}) // nothing is asked
		if err != nil || d.Code() != want {
			t.Errorf("%s: %v, %v", code, d, err)
		}
	}
	_, err := Driver{}.OpenConnector("postgres://app@" + clusterHost + "/x?wrapper_dialect=oracle")
	if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), `wrapper_dialect="oracle": want one of`) || !strings.Contains(err.Error(), "aurora-pg") {
		t.Errorf("unknown dialect: %v", err)
	}
}

func TestLinkUnder(t *testing.T) {
	link := &core.Link{}
	if linkUnder(link) != link || linkUnder(tls.Client(link, nil)) != link || linkUnder(tls.Client(tls.Client(link, nil), nil)) != link {
		t.Error("the Link was not found")
	}
	ours, _ := net.Pipe()
	defer ours.Close()
	if linkUnder(ours) != nil || linkUnder(tls.Client(ours, nil)) != nil {
		t.Error("found a Link where there is none")
	}
}
