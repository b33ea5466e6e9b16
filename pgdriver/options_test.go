package pgdriver

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
)

func parsed(t *testing.T, dsn string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func connector(t *testing.T, cfg *pgx.ConnConfig, opts ...Option) *core.Connector {
	t.Helper()
	k, err := NewConnector(cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.(io.Closer).Close() }) // never fails
	return k.(*core.Connector)
}

func TestSameConfigSeesDifferences(t *testing.T) {
	const dsn = "postgres://app:s@db.example/x"
	for _, other := range []string{"?sslmode=disable", "?sslmode=verify-full", "?search_path=a", "?connect_timeout=1", "y", "?target_session_attrs=read-write", "?host=other"} {
		if cmp.Equal(parsed(t, dsn), parsed(t, dsn+other), sameConfig) {
			t.Errorf("%s makes no difference", other)
		}
	}
}

func TestNewConnectorCopiesItsConfiguration(t *testing.T) {
	cfg := parsed(t, "postgres://app@db.example/x?search_path=a&cluster_id=one")
	k := connector(t, cfg, WithParams(map[string]string{"cluster_id": "two", "plugins": "none"}))
	if got := cfg.RuntimeParams; got["cluster_id"] != "one" || got["search_path"] != "a" || len(got) != 2 {
		t.Errorf("the caller's configuration is now %v", got)
	}
	if got := k.Settings().String("cluster_id"); got != "two" {
		t.Errorf("cluster_id is %q: options override the configuration", got)
	}
	if k.Host() != (core.Host{Addr: "db.example:5432"}) || k.Driver() != (Driver{}) || k.Log() == nil {
		t.Errorf("host %v, driver %T", k.Host(), k.Driver())
	}
}

func TestNewConnectorErrors(t *testing.T) {
	if _, err := NewConnector(nil); !errors.Is(err, core.ErrConfig) {
		t.Errorf("without configuration: %v", err)
	}
	_, err := NewConnector(parsed(t, "postgres://app@db.example/x?topology_refresh_ms=x"), WithParams(map[string]string{"tcp_keepalive": "x"}))
	if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), "topology_refresh_ms") || !strings.Contains(err.Error(), "tcp_keepalive") {
		t.Errorf("two mistakes: %v", err)
	}
}

// The options' dialer and resolver are used, and their errors reach the caller.
func TestDialerAndResolver(t *testing.T) {
	var mu sync.Mutex
	var looked, dialled []string
	cause := errors.New("no network in this test")
	r := resolver(func(host string) []string {
		mu.Lock()
		defer mu.Unlock()
		looked = append(looked, host)
		return []string{"192.0.2.7"}
	})
	dial := func(_ context.Context, _, addr string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		dialled = append(dialled, addr)
		return nil, cause
	}
	k := connector(t, parsed(t, "postgres://app@db.example:6000/x?sslmode=disable"), WithPlugins(), WithResolver(r), WithDialer(dial))
	_, err := k.Connect(t.Context())
	if !errors.Is(err, cause) || !errors.Is(err, core.ErrConnect) {
		t.Errorf("Connect: %v", err)
	}
	if diff := cmp.Diff([]string{"db.example"}, looked); diff != "" {
		t.Errorf("looked up (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"192.0.2.7:6000"}, dialled); diff != "" {
		t.Errorf("dialled (-want +got):\n%s", diff)
	}
}

type resolver func(host string) []string

func (r resolver) LookupHost(_ context.Context, host string) ([]string, error) { return r(host), nil }

// B71: a DSN with a Unix socket must lead to that socket.
func TestUnixSocket(t *testing.T) {
	for _, dsn := range []string{"host=/var/run/postgresql user=app dbname=x", "postgres:///x?host=/tmp&port=6000"} {
		k, err := Driver{}.OpenConnector(dsn)
		if err != nil {
			t.Fatal(err)
		}
		e := engineFor(t, dsn)
		got := e.forTarget(core.Target{Host: k.(*core.Connector).Host()})
		if got.Host != e.base.Host || got.Port != e.base.Port {
			t.Errorf("%s: leads to %q port %d, want %q port %d", dsn, got.Host, got.Port, e.base.Host, e.base.Port)
		}
		_ = k.(io.Closer).Close()
	}
}

// A plugin may know that credentials can come from the application itself.
func TestLoginTellsOfAHook(t *testing.T) {
	for _, hooked := range []bool{false, true} {
		cfg, err := pgxpool.ParseConfig("postgres://app@db.example/app")
		if err != nil {
			t.Fatal(err)
		}
		if hooked {
			cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return nil }
		}
		k, err := ConfigurePool(cfg, WithPlugins())
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Settings().Login().Hook; got != hooked {
			t.Errorf("BeforeConnect %t: Hook is %t", hooked, got)
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
}
