package pgdriver

import (
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
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

// ourKeys are added to a DSN in the forms that users write.
const (
	ourURLKeys     = "plugins=none&clusterId=main&topology_refresh_ms=1000&topology-monitoring-user=watcher"
	ourKeywordKeys = " plugins=none clusterId='main' topology_refresh_ms=1000 topology-monitoring-user=watcher"
)

// B105, B106: with our keys taken out, what is left is what the bare driver
// makes of the same text.
func TestDSNIsParsedAsByPgx(t *testing.T) {
	files := writeFiles(t)
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
		"postgres://app:s@a.example:1,[::1]:2/x?target_session_attrs=prefer-standby&sslmode=allow",
		"postgres:///?service=shop&servicefile=" + url.QueryEscape(files.service),
		"postgres://other@/other?service=shop&servicefile=" + url.QueryEscape(files.service),
		"postgres://app@db.example/orders?passfile=" + url.QueryEscape(files.pass),
		"postgres://app@db.example/orders?sslmode=verify-ca&sslrootcert=" + url.QueryEscape(files.authority) + "&sslcert=" + url.QueryEscape(files.cert) + "&sslkey=" + url.QueryEscape(files.key),
	}
	keywords := []string{
		"host=db.example user=app password=secret dbname=orders",
		`host=db.example port=6432 user=app password='two words' dbname='o\'rders' sslmode=disable`,
		`host=db.example user=app password='it\'s \\ #@:/?%' dbname=x`,
		"host=a.example,b.example port=1,2 user=app dbname=x sslmode=prefer",
		"host=2001:db8::1 user=app dbname=x",
		"host=/var/run/postgresql user=app dbname=x",
		"host = db.example user = üser dbname=dätä search_path='a, b' statement_timeout=5s work_mem=64MB",
		"service=shop servicefile='" + files.service + "' user='an other'",
		"host=db.example user=app dbname=orders passfile='" + files.pass + "'",
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
		if !strings.HasPrefix(strings.ToLower(ours), pythonScheme) { // pgxpool's parser does not know the Python wrapper's scheme
			checkPool(t, bare, ours, false)
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
		"postgresql+psycopg://app:" + secret + "@db.example/x",
		"postgresql+psycopg://app:" + secret + "@db.example/x?sslmode=require",
		"jdbc:postgresql://db.example/x?password=" + secret,
		"host=db.example user=app password=" + secret + " port=x",
		"host=db.example user=app password='" + secret + " x' sslmode=perhaps",
		"host=db.example user=app password = " + secret + " sslmode=perhaps", // pgx's own masks miss these
		"host=db.example user=app PASSWORD=" + secret + " sslmode=perhaps",
		`host=db.example user=app password=a\ ` + secret + " sslmode=perhaps",
		"host=db.example user=app password=two " + secret + " sslmode=disable", // nor the cause
		"host=db.example user=app password= 'it''" + secret + "' sslmode=disable",
		"host=db.example user=app PassWord = two " + secret + "\tsslmode=disable",
		`host=db.example user=app password=two ` + secret + `\s sslmode=disable`, // which the cause writes as it would be in Go
		`host=db.example user=app password=two ` + secret + `"s sslmode=disable`,
		"host=db.example user=app password=two " + secret + "\xe4 sslmode=disable",
		"host=db.example user=" + strings.Repeat("Ⱥ", 40) + " password=two " + secret + " sslmode=disable", // longer in lower case
		"postgres://app:a/b@" + secret + "#@db.example/x",
		"postgres://app:a@" + secret + "@db.example:port/x",
		"mysql://app:a@" + secret + "@db.example/x",
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
		var mistake *pgconn.ParseConfigError
		if errors.As(err, &mistake) && strings.Contains(mistake.ConnString, secret) {
			t.Errorf("the password is in the error about %s", mistake.ConnString)
		}
	}
}

// pgx reads such a URL as a keyword string, and refuses it only if there is no "=" in it.
func TestForeignScheme(t *testing.T) {
	for dsn, foreign := range map[string]bool{
		"mysql://app@db.example/x":                      true,
		"postgresql+psycopg://app@db.example/x":         true,
		"postgresql+psycopg://app@db.example/x?sslmode": true,
		"jdbc:postgresql://db.example/x?sslmode=off":    true,
		"postgres://app@db.example:port/x":              false,
		"host=db.example sslmode=off user=a://b":        false,
		"db.example":                                    false,
	} {
		if _, err := (Driver{}).OpenConnector(dsn); !errors.Is(err, core.ErrConfig) || errors.Is(err, errForeignURL) != foreign {
			t.Errorf("%s: %v", dsn, err)
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

// FuzzDSNIsParsedAsByPgx puts URLs together of parts, with and without a key of ours.
func FuzzDSNIsParsedAsByPgx(f *testing.F) {
	f.Add("app", "secret", "db.example", "orders", "search_path", "public")
	f.Add("a@b", "p:/?#[]@% ", "2001:db8::1", "ü/€", "my.setting", "' \\ =")
	f.Add("", "", "a,b,c", "", "options", "-c geqo=off")
	f.Add("a b", "%2F%", "a.example:1,[::1]:2", "d b", "target_session_attrs", "standby")
	f.Add("app", "s", "db.example", "x", "sslmode", "verify-full")
	f.Add("", "", "", "", "service", "shop")
	f.Fuzz(func(t *testing.T, user, password, host, database, key, value string) {
		left := map[string]string{key: value}
		if _, err := core.TakeSettings(left); err != nil || len(left) == 0 {
			t.Skip("the key is ours")
		}
		u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: host, Path: "/" + database}
		if strings.Contains(host, ":") && !strings.ContainsAny(host, ",[") {
			u.Host = "[" + host + "]"
		}
		u.RawQuery = url.Values{key: {value}}.Encode()
		bare := u.String()
		u.RawQuery = url.Values{key: {value}, "clusterId": {"main"}}.Encode()
		sameAsPgx(t, bare, u.String())
	})
}

// FuzzDSN takes any text.
func FuzzDSN(f *testing.F) {
	f.Add("postgres://app:secret@db.example:5432/orders?search_path=a,b&plugins=none")
	f.Add("postgresql+aws_wrapper_psycopg://a%40b:p%3A%2F%3F%23@[2001:db8::1]:5433/%C3%BC?wrapper_plugins=none")
	f.Add("postgres://app@a:1,b:2,[::1]:3/x?target_session_attrs=read-write&failover_mode=strict-writer")
	f.Add("host='a b' user=ü password='it\\'s @:/?#%' dbname=x cluster_id='main' connect_timeout=3")
	f.Add("host=/tmp user=app plugins=none default_query_exec_mode=exec statement_cache_capacity=3 pool_max_conns=3")
	f.Add("service=shop servicefile='/nonexistent' sslmode=verify-ca sslrootcert=/nonexistent")
	f.Fuzz(func(t *testing.T, dsn string) {
		bare := dsn
		if len(dsn) > len(pythonScheme) && strings.EqualFold(dsn[:len(pythonScheme)], pythonScheme) {
			bare = "postgres://" + dsn[len(pythonScheme):]
		}
		sameAsPgx(t, bare, dsn)
	})
}

// sameAsPgx compares what pgx makes of a connection string with what we make of it, or of the same with keys of ours.
func sameAsPgx(t *testing.T, bare, ours string) {
	t.Helper()
	if strings.Contains(bare, "/dev") || strings.Contains(bare, "/proc") {
		t.Skip("may name a file that has no end")
	}
	want, wantErr := pgx.ParseConfig(bare)
	mistaken := false
	if wantErr == nil {
		given := len(want.RuntimeParams)
		_, err := core.TakeSettings(want.RuntimeParams)
		_, _, noHost := core.SplitHostPort(address(want))
		// A key of ours may have another mistake, which is found later.
		mistaken = errors.Join(err, noHost) != nil || len(want.RuntimeParams) < given || foreignURL(want.RuntimeParams)
	}
	got, _, err := parseAll(ours)
	switch {
	case err != nil && !errors.Is(err, core.ErrConfig):
		t.Errorf("not ErrConfig: %v", err)
	case (err != nil) != (wantErr != nil) && !mistaken:
		t.Errorf("pgx says %v, we say %v", wantErr, err)
	case err != nil || wantErr != nil:
	default:
		if diff := cmp.Diff(want, got, sameConfig); diff != "" {
			t.Errorf("(-pgx +ours):\n%s", diff)
		}
		if !strings.HasPrefix(strings.ToLower(ours), pythonScheme) {
			checkPool(t, bare, ours, mistaken)
		}
	}
}

// checkPool is the same for a pool: what its connections are used by, and what opens them. mistaken tells that it may be refused.
func checkPool(t *testing.T, bare, ours string, mistaken bool) {
	t.Helper()
	want, err := pgxpool.ParseConfig(bare)
	if err != nil {
		return // a mistake in pool_…
	}
	got, err := pgxpool.ParseConfig(ours)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.TakeSettings(want.ConnConfig.RuntimeParams); err != nil {
		t.Fatal(err)
	}
	login := loginConfig(got.ConnConfig)
	if _, err := core.TakeSettings(login.RuntimeParams); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.ConnConfig, login, ownedByLogin.same()); diff != "" {
		t.Errorf("%s: a pool's login (-pgx +ours):\n%s", ours, diff)
	}
	k, err := ConfigurePool(got)
	if err != nil {
		if !mistaken || !errors.Is(err, core.ErrConfig) {
			t.Errorf("%s: %v", ours, err)
		}
		return
	}
	if diff := cmp.Diff(want, got, ownedByPool.same()); diff != "" {
		t.Errorf("%s: a pool (-pgx +ours):\n%s", ours, diff)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
}

// files are what connection strings of the tests name.
type files struct{ service, pass, authority, cert, key string }

func writeFiles(t *testing.T) files {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	server.Close()
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	write := func(name, text string) string {
		name = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return files{
		service: write("service.conf", "[shop]\nhost=a.example,b.example\nport=6432\nuser=app\npassword=from the file\ndbname=orders\nsslmode=disable\n"),
		pass:    write("pgpass", "db.example:5432:orders:app:from the file\n"), authority: write("ca.pem", certificate),
		cert: write("client.pem", certificate), key: write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))),
	}
}

// parseAll is what OpenConnector does with a connection string.
func parseAll(dsn string) (*pgx.ConnConfig, core.Settings, error) {
	cfg, err := ParseDSN(dsn)
	if err != nil {
		return nil, core.Settings{}, err
	}
	settings, problems := core.TakeSettings(cfg.RuntimeParams)
	e, err := newEngine(cfg, settings, options{})
	if err := errors.Join(problems, err); err != nil {
		return nil, core.Settings{}, err
	}
	return e.base, settings, nil
}
