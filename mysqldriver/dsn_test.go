package mysqldriver

import (
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/awsdb/awsdb/core"
)

// owned are the fields that need not be what the driver makes of the same text, with the reason. All others must be equal,
// also unexported ones and those that later versions of the driver add.
var owned = map[string]string{
	"RejectReadOnly": "core does the same, and knows more",
	"Logger":         "the driver's writes every lost connection to standard error",
}

// sameConfig compares all that a configuration says but for what is owned. Functions are equal if their code is.
var sameConfig = cmp.Options{
	cmp.FilterPath(func(p cmp.Path) bool { return owned[p.String()] != "" }, cmp.Ignore()),
	cmp.AllowUnexported(mysql.Config{}),
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreUnexported(tls.Config{}), // caches
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type() != nil && p.Last().Type().Kind() == reflect.Func },
		cmp.Comparer(func(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() })),
	cmp.Comparer(func(a, b *rsa.PublicKey) bool { return a == b || (a != nil && b != nil && a.Equal(b)) }),
	cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
}

// TestSameConfigSeesEveryField: a difference in any field that is not owned is one.
func TestSameConfigSeesEveryField(t *testing.T) {
	base := mysql.NewConfig()
	base.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	other := base.Clone()
	fields := reflect.ValueOf(other).Elem()
	for name := range owned {
		if !fields.FieldByName(name).IsValid() {
			t.Errorf("there is no field %s", name)
		}
	}
	for i := range fields.NumField() {
		name, field := fields.Type().Field(i).Name, fields.Field(i)
		if owned[name] != "" {
			continue
		}
		if !field.CanSet() { // unexported
			field = reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem()
		}
		kept := reflect.New(field.Type()).Elem()
		kept.Set(field)
		if !change(field) {
			t.Errorf("%s: teach this test %v", name, field.Type())
		} else if cmp.Equal(base, other, sameConfig) {
			t.Errorf("%s makes no difference", name)
		}
		field.Set(kept)
	}
	if diff := cmp.Diff(base, other, sameConfig); diff != "" {
		t.Errorf("a configuration differs from itself:\n%s", diff)
	}
}

// change gives a field another value.
func change(field reflect.Value) bool {
	switch v := field.Addr().Interface().(type) {
	case *string:
		*v += "x"
	case *bool:
		*v = !*v
	case *int:
		*v++
	case *time.Duration:
		*v++
	case *map[string]string:
		*v = map[string]string{"a": "b"}
	case *[]string:
		*v = append(*v, "x")
	case **time.Location:
		*v = time.FixedZone("other", 1)
	case **tls.Config:
		*v = &tls.Config{MinVersion: tls.VersionTLS13}
	case **rsa.PublicKey:
		*v = &rsa.PublicKey{N: big.NewInt(3), E: 3}
	default:
		if field.Kind() != reflect.Func {
			return false
		}
		field.Set(reflect.MakeFunc(field.Type(), nil))
	}
	return true
}

// opened is what OpenConnector makes of a DSN: the configuration of its
// connections is the engine's base.
func opened(dsn string) (*engine, core.Settings, error) {
	cfg, err := ParseDSN(dsn)
	if err != nil {
		return nil, core.Settings{}, err
	}
	takeIgnored(cfg.Params)
	settings, problems := core.TakeSettings(cfg.Params)
	tlsProblem := takeTLS(cfg)
	e, err := newEngine(cfg, settings, options{log: slog.New(slog.DiscardHandler)})
	return e, settings, errors.Join(problems, tlsProblem, err)
}

func engineFor(t *testing.T, dsn string) *engine {
	t.Helper()
	e, _, err := opened(dsn)
	if err != nil {
		t.Fatalf("%s: %v", dsn, err)
	}
	return e
}

const ourKeys = "plugins=none&clusterId=main&topology_refresh_ms=1000&topology-monitoring-user=watcher"

// withKeys adds parameters to a DSN or URL.
func withKeys(dsn, keys string) string {
	separator := "?"
	if _, _, isURL := strings.Cut(dsn, "://"); strings.Contains(dsn[strings.LastIndexByte(dsn, '/')+1:], "?") || (isURL && strings.Contains(dsn, "?")) {
		separator = "&"
	}
	return dsn + separator + keys
}

// B105, B106: with our keys taken out, what is left is what the bare driver makes of
// the same text, or of the DSN that says the same as a URL.
func TestDSNIsParsedAsByTheDriver(t *testing.T) {
	mysql.RegisterServerPubKey("key-of-this-test", &rsa.PublicKey{N: big.NewInt(3233), E: 17})
	defer mysql.DeregisterServerPubKey("key-of-this-test")
	if err := mysql.RegisterTLSConfig("tls/of this test", &tls.Config{ServerName: "certificate.example"}); err != nil {
		t.Fatal(err)
	}
	defer mysql.DeregisterTLSConfig("tls/of this test")
	tests := []struct{ native, url string }{ // url without its scheme
		{"app:secret@tcp(db.example:6033)/orders", "app:secret@db.example:6033/orders"},
		{"app:secret@tcp(db.example)/orders", "app:secret@db.example/orders"},
		{"app@tcp(db.example)/", "app@db.example"},
		{"app@tcp(db.example)/", "app@db.example/"},
		{"app@tcp(db.example)/?parseTime=true", "app@db.example?parseTime=true"},
		{"tcp(db.example)/x", "db.example/x"},
		{"app:s@tcp/x", "app:s@/x"},
		{"app:s@/x", "app:s@/x"},
		{"/", "/"},
		{"", ""},
		{"a:b@c:/?#%+ '\"&=)(@tcp(db.example)/x", "a:b%40c%3A%2F%3F%23%25%2B%20%27%22%26%3D%29%28@db.example/x"},
		{"ü@x:€ pass/wört@tcp(db.example)/d%C3%A4ta", "%C3%BC%40x:%E2%82%AC%20pass%2Fw%C3%B6rt@db.example/d%C3%A4ta"},
		{"app:a%2Fb+c@tcp(db.example)/x", "app:a%252Fb+c@db.example/x"},
		{"app:s@tcp(db.example)/a%2Fb%3Fc%20d%25", "app:s@db.example/a%2Fb%3Fc%20d%25"},
		{"app:s@tcp([2001:db8::1]:6033)/x", "app:s@[2001:db8::1]:6033/x"},
		{"app:s@tcp(2001:db8::1)/x", "app:s@[2001:db8::1]/x"},
		{"app:s@tcp([fe80::1%eth0]:6033)/x", "app:s@[fe80::1%25eth0]:6033/x"},
		{"app:s@unix(/var/run/my sql.sock)/x", "app:s@/x?unix_socket=/var/run/my+sql.sock"},
		{"app:s@unix(/var/run/mysql.sock)/", "app:s@localhost?unix_socket=%2Fvar%2Frun%2Fmysql.sock"},
		{"app:s@/x?loc=Europe%2FBerlin&parseTime=true&timeTruncate=1ms", "app:s@/x?loc=Europe/Berlin&parseTime=true&timeTruncate=1ms"},
		{"app:s@/x?charset=utf8mb4,utf8&collation=utf8mb4_bin", "app:s@/x?charset=utf8mb4%2Cutf8&collation=utf8mb4_bin"},
		{"app:s@/x?time_zone=%27Europe%2FBerlin%27&sql_mode=%22ANSI%22", "app:s@/x?time_zone='Europe/Berlin'&sql_mode=%22ANSI%22"},
		{"app:s@/x?time_zone=%27%2B01%3A00%27&sql_mode=CONCAT(@@sql_mode,%27%2CANSI%27)", "app:s@/x?time_zone=%27%2B01:00%27&sql_mode=CONCAT(@@sql_mode,%27,ANSI%27)"},
		{"app:s@/x?timeout=3s&readTimeout=4s&writeTimeout=1m30s", "app:s@/x?timeout=3s&readTimeout=4s&writeTimeout=1m30s"},
		{"app:s@/x?interpolateParams=true&multiStatements=1&clientFoundRows=TRUE&columnsWithAlias=true&compress=true",
			"app:s@/x?interpolateParams=true&multiStatements=1&clientFoundRows=TRUE&columnsWithAlias=true&compress=true"},
		{"app:s@/x?maxAllowedPacket=0&checkConnLiveness=false&rejectReadOnly=true&allowAllFiles=true",
			"app:s@/x?maxAllowedPacket=0&checkConnLiveness=false&rejectReadOnly=true&allowAllFiles=true"},
		{"app:s@/x?allowNativePasswords=false&allowOldPasswords=true&allowCleartextPasswords=true&allowFallbackToPlaintext=true",
			"app:s@/x?allowNativePasswords=false&allowOldPasswords=true&allowCleartextPasswords=true&allowFallbackToPlaintext=true"},
		{"app:s@/x?serverPubKey=key-of-this-test&connectionAttributes=program_name%3Ashop%2Ca%3Ab", "app:s@/x?serverPubKey=key-of-this-test&connectionAttributes=program_name:shop,a:b"},
		{"app:s@tcp(db.example)/x?tls=true", "app:s@db.example/x?tls=true"},
		{"app:s@tcp(db.example)/x?tls=skip-verify", "app:s@db.example/x?tls=skip-verify"},
		{"app:s@tcp(db.example)/x?tls=preferred", "app:s@db.example/x?tls=preferred"},
		{"app:s@tcp(db.example)/x?tls=false", "app:s@db.example/x?tls=false"},
		{"app:s@tcp(db.example)/x?tls=tls%2Fof+this%20test", "app:s@db.example/x?tls=tls/of+this%20test"},
		{"app:s@/x?autocommit=1&tx_isolation=%27READ-COMMITTED%27&novalue&=&a=b=c", "app:s@/x?autocommit=1&tx_isolation='READ-COMMITTED'&novalue&=&a=b=c"},
	}
	check := func(t *testing.T, native, ours string, python bool) {
		t.Helper()
		want, err := mysql.ParseDSN(native)
		if err != nil {
			t.Fatalf("%s: %v", native, err)
		}
		if python && want.TLSConfig == "" {
			want.TLSConfig = "preferred" // as MySQL Connector/Python does
		}
		e, settings, err := opened(ours)
		if err != nil {
			t.Errorf("%s: %v", ours, err)
			return
		}
		if diff := cmp.Diff(want, e.base, sameConfig); diff != "" {
			t.Errorf("%s (-driver +ours):\n%s", ours, diff)
		}
		if e.base.RejectReadOnly {
			t.Errorf("%s: the driver would hide what it meets", ours)
		}
		if !strings.HasSuffix(ours, ourKeys) {
			return
		}
		if settings.String("plugins") != "none" || settings.String("cluster_id") != "main" || settings.Duration("topology_refresh_ms") != time.Second ||
			settings.Prefixed("topology-monitoring-")["user"] != "watcher" {
			t.Errorf("%s: our keys were not all taken", ours)
		}
	}
	for _, test := range tests {
		check(t, test.native, test.native, false)
		if test.native != "" {
			check(t, test.native, withKeys(test.native, ourKeys), false)
		}
		for scheme, python := range map[string]bool{
			"mysql://": false, "MySQL://": false, "mysql+aws_wrapper_mysqlconnector://": true, "MYSQL+AWS_wrapper_MySQLconnector://": true,
		} {
			check(t, test.native, scheme+test.url, python)
			check(t, test.native, withKeys(scheme+test.url, ourKeys), python)
		}
	}
}

// Where the driver's parser leaves an address that cannot be dialled, ours is mended.
func TestAddress(t *testing.T) {
	for dsn, want := range map[string]string{
		"app@tcp([::1])/x":                     "[::1]:3306",
		"app@tcp([2001:db8::1])/x":             "[2001:db8::1]:3306",
		"app@tcp4(db.example)/x":               "db.example:3306",
		"app@tcp6(2001:db8::1)/x":              "[2001:db8::1]:3306",
		"app@unix/x":                           "/tmp/mysql.sock",
		"app@unix(/tmp/a:b)/x":                 "/tmp/a:b",
		"mysql://app@:6033/x":                  ":6033",
		"mysql://app@[::1]/x":                  "[::1]:3306",
		"mysql://app@/x?unix_socket=@abstract": "@abstract",
	} {
		k, err := Driver{}.OpenConnector(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if got := k.(*core.Connector).Host().Addr; got != want {
			t.Errorf("%s leads to %s, want %s", dsn, got, want)
		}
		if err := k.(*core.Connector).Close(); err != nil {
			t.Error(err)
		}
	}
}

// B94: errors about a DSN name the problem and the remedy, not the password.
func TestDSNErrors(t *testing.T) {
	const form = "write user:password@tcp(host:3306)/database?key=value"
	const urlForm = "write mysql://user:password@host:3306/database?key=value"
	tests := []struct{ dsn, want string }{
		// SECRET is the password, and so is every part of it.
		{"app:SECRET@db.example/x", form},
		{"app:SECRET@db.example:3306/x", form},
		{"app:SECRET@tcp(db.example:3306)", form},
		{"app:SECRET@tcp(db.example:3306", form},
		{"app:SECRET@tcp(db.example:3306/x", form},
		{"app:SECRET@tcp(db.example:3306/x?strict=true", form},
		{"app:SECRET@tcp(db.example)/x?ssl_ca=/etc/ca.pem", "with every / in a value as %2F"},
		{"app:SECRET(db.example:3306)/x", "the network is neither tcp nor unix: write user:password@tcp(host:3306)/database"},
		{"app:SECRET/x", form},
		{"app:hunter/SECRET@tcp(db.example)", form},
		{"app:hunter/%zzSECRET@tcp(db.example)", form},
		{"app:hunter/?tls=SECRET@tcp(db.example)", form},
		{"app:hunter/?parseTime=SECRET@tcp(db.example)", form},
		{"app:SECRET@mynet(db.example)/x", "RegisterDialContext"},
		{"app:SECRET@hunter(db.example)/x", "the network is neither tcp nor unix"},
		{"app:SECRET@tcp(db.example:port)/x", `address "db.example:port" has an invalid port`},
		{"app:SECRET@tcp(db.example:99999)/x", "invalid port"},
		{"app:SECRET@tcp(db.example)/%zz", "write %25 for a percent sign"},
		{"app:SECRET@tcp(db.example)/x?parseTime=maybe", "parameter parseTime: invalid bool value: maybe"},
		{"app:SECRET@tcp(db.example)/x?timeout=1s&readTimeout=soon", "parameter readTimeout: "},
		{"app:SECRET@tcp(db.example)/x?loc=Atlantis", "parameter loc: unknown time zone Atlantis"},
		{"app:SECRET@tcp(db.example)/x?tls=nonesuch", "parameter tls: "},
		{"app:SECRET@tcp(db.example)/x?interpolateParams=true&collation=gbk_chinese_ci", "unsafe collations"},
		{"app:SECRET@tcp(db.example)/x?topology-monitoring-password=%SECRET", "parameter topology-monitoring-password: invalid percent-encoding: write %25"},
		{"app:SECRET@tcp(db.example)/x?topology-monitoring-password=SECRET&topology_refresh_ms=x", `topology_refresh_ms="x": want`},
		{"app:SECRET@tcp(db.example)/x?topology-monitoring-password=SECRET&topology-monitoring-host=x", "topology-monitoring-host cannot be set"},
		{"app:SECRET@tcp(db.example)/x?topology-monitoring-password=SECRET&topology-monitoring-connect_timeout=x", "want a number of seconds"},
		{"app:SECRET@tcp(db.example)/x?plugins=none&wrapperPlugins=none", "the same parameter: keep one"},
		{"app:SECRET@tcp(db.example)/x?pluginz=none", "did you mean plugins?"},
		{"app:SECRET@tcp(db.example)/x?wrapper_dialect=oracle", `wrapper_dialect="oracle": want one of global-aurora-mysql, aurora-mysql,`},
		{"mysql://app:SECRET@db.example:port/x", urlForm},
		{"mysql://app:SECRET%zz@db.example/x", urlForm},
		{"mysql://app:hunter/SECRET@db.example/x", urlForm},
		{"mysql://app:12/SECRET@db.example/x", urlForm},
		{"mysql://app:12?SECRET@db.example/x", urlForm},
		{"mysql://app:12#SECRET@db.example/x", urlForm},
		{"mysql://app:SECRET @db.example/x y?a= ", ""},
		{"mysql://app:SECRET@db.example/x?parseTime=maybe", "parameter parseTime: invalid bool value: maybe"},
		{"mysql://app@db.example/x?password=SECRET&port=1", `port="1": not supported: write it before the database`},
		{"mysql+aws_wrapper_mysqlconnector://app:SECRET@db.example:port/x", urlForm},
		{"mysql+aws_wrapper_mysqlconnector://app:SECRET@db.example/x?connection_timeout=soon", `connection_timeout="soon": want a number of seconds`},
		{"mysql+mysqlconnector://app:SECRET@db.example/x", form},
		{"jdbc:mysql://app:SECRET@db.example/x", form},
	}
	const secret = "s3cr3tpw"
	for _, test := range tests {
		k, err := Driver{}.OpenConnector(strings.ReplaceAll(test.dsn, "SECRET", secret))
		if test.want == "" && err == nil {
			_ = k.(*core.Connector).Close() // never fails
			continue
		}
		if k != nil || !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v", test.dsn, k, err)
			continue
		}
		for ; err != nil; err = errors.Unwrap(err) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
				text := fmt.Sprintf(verb, err)
				for i := range len(secret) - 2 {
					if part := secret[i : i+3]; strings.Contains(text, part) {
						t.Errorf("%s: %q of the password is in %s", test.dsn, part, text)
						break
					}
				}
				if strings.Contains(text, "hunter") {
					t.Errorf("%s: the password is in %s", test.dsn, text)
				}
			}
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Driver{}.OpenConnector("app@mynet(db.example:x)/x?topology_refresh_ms=x&wrapper_dialect=oracle&ssl_ca=%2Fnonexistent&topology-monitoring-host=h&plugins=nonesuch")
	for _, want := range []string{"topology_refresh_ms", "oracle", "network", "/nonexistent", "topology-monitoring-host", "invalid port", "nonesuch"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in: %v", want, err)
		}
	}
}

// FuzzDSN compares with the driver's own parser, and looks for panics that are not
// its own.
func FuzzDSN(f *testing.F) {
	f.Add("app:secret@tcp(db.example:3306)/orders?parseTime=true")
	f.Add("a:b@c:/?#%+ @unix(/tmp/x.sock)/d%20b?time_zone=%27UTC%27&charset=a,b")
	f.Add("mysql://app:p%40ss@[::1]:6033/x?time_zone=UTC&ssl_disabled=true&use_pure=true")
	f.Add("mysql+aws_wrapper_mysqlconnector://app@db.example/x?connection_timeout=1.5")
	f.Add("/?strict")
	f.Add("tcp([::1])/?tls=preferred")
	f.Fuzz(func(t *testing.T, dsn string) {
		if strings.Contains(dsn, "ssl_") {
			t.Skip("names a file of the machine")
		}
		want, panicked, wantErr := parseNative(dsn)
		defer func() {
			if p := recover(); p != nil && !panicked && p != strictPanic {
				panic(p)
			}
		}()
		e, _, err := opened(dsn)
		if err != nil {
			if !errors.Is(err, core.ErrConfig) {
				t.Errorf("not ErrConfig: %v", err)
			}
			return
		}
		_, isURL := cutScheme(dsn, urlScheme)
		_, isPython := cutScheme(dsn, pythonScheme)
		if isURL || isPython {
			return // no DSN of the driver's
		}
		if wantErr != nil {
			t.Fatalf("the driver says: %v", wantErr)
		}
		want.Net, want.Addr = address(want)
		if _, err := core.TakeSettings(want.Params); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, e.base, sameConfig); diff != "" {
			t.Errorf("(-driver +ours):\n%s", diff)
		}
	})
}

// FuzzURL puts URLs together of parts, which have to come out as they were.
func FuzzURL(f *testing.F) {
	f.Add("app", "secret", "db.example:3306", "orders", "max_execution_time", "5")
	f.Add("a@b c", "p:/?#[]@% +&=", "[2001:db8::1]:6033", "ü/€?x", "sql_mode", "'ANSI,TRADITIONAL'")
	f.Add("", "", "", "", "", "")
	f.Add("ü", "(tcp)/", "db.example", "a%2Fb", "init", "a/b?c=d%")
	f.Fuzz(func(t *testing.T, user, password, host, database, key, value string) {
		native := mysql.NewConfig()
		native.DBName, native.Net, native.Addr = database, "tcp", host
		if key != "" {
			native.Params = map[string]string{key: value}
		}
		want, err := mysql.ParseDSN(native.FormatDSN())
		if err != nil || host == "" || url.QueryEscape(key) != key || // neither the driver nor we unescape keys
			want.Addr != host && want.Addr != host+":"+defaultPort || want.DBName != database || want.Params[key] != value {
			t.Skip("not to be had from the driver itself")
		}
		query := url.Values{"plugins": {"none"}}
		if left := map[string]string{key: value}; key != "" {
			if _, err := core.TakeSettings(left); err != nil || len(left) == 0 || pythonKeys[key] != nil || pythonOnly[key] || strings.HasPrefix(key, "ssl_") {
				t.Skip("the key is ours")
			}
			query.Set(key, value)
		}
		u := url.URL{Scheme: "mysql", User: url.UserPassword(user, password), Host: host, Path: "/" + database, RawQuery: query.Encode()}
		if back, err := url.Parse(u.String()); err != nil || back.Host != host || back.Path != u.Path {
			t.Skip("not to be written as a URL")
		}
		want.User, want.Passwd = user, password
		want.Net, want.Addr = address(want)
		e, _, err := opened(u.String())
		if err != nil {
			if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), "port") {
				t.Errorf("%s: %v", u.String(), err)
			}
			return
		}
		if diff := cmp.Diff(want, e.base, sameConfig); diff != "" {
			t.Errorf("%s (-driver +ours):\n%s", u.String(), diff)
		}
	})
}

const strictPanic = "strict mode has been removed. See https://github.com/go-sql-driver/mysql/wiki/strict-mode"

func parseNative(dsn string) (cfg *mysql.Config, panicked bool, err error) {
	defer func() { panicked = recover() != nil }()
	cfg, err = mysql.ParseDSN(dsn)
	return cfg, false, err
}
