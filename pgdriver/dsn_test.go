package pgdriver

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/core"
)

func TestMain(m *testing.M) {
	for _, name := range os.Environ() { // pgx reads PGHOST and its like
		if name, _, _ = strings.Cut(name, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name) // a name from the environment can be unset
		}
	}
	goleak.VerifyTestMain(m)
}

// sameConfig compares all that a configuration says. Functions are compared by
// being there or not.
var sameConfig = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreUnexported(pgx.ConnConfig{}),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type() != nil && p.Last().Type().Kind() == reflect.Func },
		cmp.Comparer(func(a, b any) bool { return reflect.ValueOf(a).IsNil() == reflect.ValueOf(b).IsNil() })),
	cmp.Comparer(func(a, b *tls.Config) bool {
		if a == nil || b == nil {
			return a == b
		}
		return a.ServerName == b.ServerName && a.InsecureSkipVerify == b.InsecureSkipVerify && a.RootCAs.Equal(b.RootCAs) &&
			len(a.Certificates) == len(b.Certificates) && (a.VerifyPeerCertificate == nil) == (b.VerifyPeerCertificate == nil) && cmp.Equal(a.NextProtos, b.NextProtos)
	}),
	cmpopts.IgnoreUnexported(pgx.ConnConfig{}.Config),
}

// ourKeys are added to a DSN in the forms that users write.
const (
	ourURLKeys     = "plugins=none&clusterId=main&topology_refresh_ms=1000&topology-monitoring-user=watcher"
	ourKeywordKeys = " plugins=none clusterId='main' topology_refresh_ms=1000 topology-monitoring-user=watcher"
)

// B105, B106: with our keys taken out, what is left is what the bare driver
// makes of the same text.
func TestDSNIsParsedAsByPgx(t *testing.T) {
	urls := []string{
		"postgres://app:secret@db.example:6432/orders",
		"postgresql://app@db.example/orders?sslmode=disable",
		"postgres://a%40b:p%3A%2F%3F%23%5B%5D%40%25%20w@db.example/o%20r%2Fders",
		"postgres://%C3%BCser:%E2%82%AC%20pass@db.example/d%C3%A4ta",
		"postgres://app:s@[2001:db8::1]:5433/x",
		"postgres://app:s@[::1]/x?sslmode=require",
		"postgres://app:s@a.example:1,b.example:2,c.example:3/x?target_session_attrs=read-write",
		"postgres://app:s@a.example,[2001:db8::2]:99/x",
		"postgres:///x?host=/var/run/postgresql&user=app",
		"postgres://app@/x?host=/tmp",
		"postgres://app:s@db.example/x?search_path=a,b&statement_timeout=5s&my.setting=1&options=-c%20geqo%3Doff",
		"postgres://app:s@db.example/x?connect_timeout=7&application_name=my%20app&default_query_exec_mode=exec&statement_cache_capacity=3",
		"postgres://app:s@db.example/x?sslmode=verify-full&channel_binding=disable",
		"postgres://app:s@db.example/x?tcp_keepalives_idle=3&TimeZone=Europe%2FBerlin",
	}
	keywords := []string{
		"host=db.example user=app password=secret dbname=orders",
		`host=db.example port=6432 user=app password='two words' dbname='o\'rders' sslmode=disable`,
		`host=db.example user=app password='it\'s \\ #@:/?%' dbname=x`,
		"host=a.example,b.example port=1,2 user=app dbname=x sslmode=prefer",
		"host=2001:db8::1 user=app dbname=x",
		"host=/var/run/postgresql user=app dbname=x",
		"host = db.example user = üser dbname=dätä search_path='a, b' statement_timeout=5s work_mem=64MB",
	}
	check := func(t *testing.T, bare, ours string) {
		t.Helper()
		want, err := pgx.ParseConfig(bare)
		if err != nil {
			t.Fatal(err)
		}
		got, settings, err := parseAll(ours)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameConfig); diff != "" {
			t.Errorf("%s (-pgx +ours):\n%s", ours, diff)
		}
		if bare == ours {
			return
		}
		if settings.String("plugins") != "none" || settings.String("cluster_id") != "main" || settings.Duration("topology_refresh_ms").Seconds() != 1 ||
			settings.Prefixed("topology-monitoring-")["user"] != "watcher" {
			t.Errorf("%s: our keys were not all taken", ours)
		}
	}
	for _, dsn := range urls {
		separator := "?"
		if strings.Contains(dsn, "?") {
			separator = "&"
		}
		check(t, dsn, dsn)
		check(t, dsn, dsn+separator+ourURLKeys)
		_, rest, _ := strings.Cut(dsn, "://")
		check(t, dsn, "postgresql+aws_wrapper_psycopg://"+rest+separator+ourURLKeys)
		check(t, dsn, "PostgreSQL+AWS_wrapper_psycopg://"+rest+separator+ourURLKeys)
	}
	for _, dsn := range keywords {
		check(t, dsn, dsn)
		check(t, dsn, dsn+ourKeywordKeys)
		check(t, dsn, ourKeywordKeys[1:]+" "+dsn)
	}
}

// B94: errors about a DSN name the problem, not the password.
func TestDSNErrors(t *testing.T) {
	const secret = "s3cr3thunter"
	dsns := []string{
		"postgres://app:" + secret + "@db.example:port/x",
		"postgres://app:" + secret + "@db.example:5432/x?sslmode=perhaps",
		"postgres://app:" + secret + "@db.example:5432/x?connect_timeout=soon",
		"postgres://app:" + secret + "@db.example:99999/x",
		"postgres://app:" + secret + "@db.example/x?plugins=none&wrapperPlugins=none",
		"postgres://app:" + secret + "@db.example/x?pluginz=none",
		"postgresql+aws_wrapper_psycopg://app:" + secret + "@db.example:port/x",
		"host=db.example user=app password=" + secret + " port=x",
		"host=db.example user=app password='" + secret + " x' sslmode=perhaps",
		"postgres://app:" + secret + "@db.example/x?topology-monitoring-password=" + secret + "&topology_refresh_ms=x",
		"postgres://app:" + secret + "@db.example/x?topology-monitoring-password=" + secret + "&topology-monitoring-host=x",
		"postgres://app:" + secret + "@db.example/x?wrapper_dialect=oracle",
	}
	for _, dsn := range dsns {
		k, err := Driver{}.OpenConnector(dsn)
		if k != nil || !errors.Is(err, core.ErrConfig) {
			t.Errorf("%s: %v, %v", dsn, k, err)
			continue
		}
		for _, verb := range []string{"%v", "%+v", "%s", "%q"} {
			if text := fmt.Sprintf(verb, err); strings.Contains(text, secret) {
				t.Errorf("the password is in %s", text)
			}
		}
	}
}

func TestDriverIsRegistered(t *testing.T) {
	db, err := sql.Open("awspg", "postgres://app@127.0.0.1:1/x?plugins=none&sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := db.Driver().(Driver); !ok {
		t.Errorf("driver is %T", db.Driver())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.PingContext(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ping: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func FuzzDSNIsParsedAsByPgx(f *testing.F) {
	f.Add("app", "secret", "db.example", "orders", "search_path", "public")
	f.Add("a@b", "p:/?#[]@% ", "2001:db8::1", "ü/€", "my.setting", "' \\ =")
	f.Add("", "", "a,b,c", "", "options", "-c geqo=off")
	f.Fuzz(func(t *testing.T, user, password, host, database, key, value string) {
		if strings.Contains(host, "/") || strings.HasPrefix(key, "ssl") || key == "service" || key == "servicefile" || key == "passfile" || key == "host" {
			t.Skip("names a file of the machine")
		}
		if settings, err := core.TakeSettings(map[string]string{key: value}); err != nil || settings.Given("plugins") || len(settings.Prefixed("topology-monitoring-")) > 0 {
			t.Skip("the key is ours")
		}
		u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: host, Path: "/" + database}
		if strings.Contains(host, ":") {
			u.Host = "[" + host + "]"
		}
		query := url.Values{}
		if key != "" {
			query.Set(key, value)
		}
		left := map[string]string{key: value}
		if _, err := core.TakeSettings(left); err != nil || len(left) == 0 {
			t.Skip("the key is ours")
		}
		u.RawQuery = query.Encode()
		want, wantErr := pgx.ParseConfig(u.String())
		query.Set("clusterId", "main")
		u.RawQuery = query.Encode()
		got, settings, err := parseAll(u.String())
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("pgx says %v, we say %v", wantErr, err)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got, sameConfig); diff != "" {
			t.Errorf("(-pgx +ours):\n%s", diff)
		}
		if settings.String("cluster_id") != "main" {
			t.Errorf("cluster_id is %q", settings.String("cluster_id"))
		}
	})
}

// parseAll is what OpenConnector does with a connection string.
func parseAll(dsn string) (*pgx.ConnConfig, core.Settings, error) {
	cfg, err := ParseDSN(dsn)
	if err != nil {
		return nil, core.Settings{}, err
	}
	settings, err := core.TakeSettings(cfg.RuntimeParams)
	return cfg, settings, err
}
