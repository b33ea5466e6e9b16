package mysqldriver

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

// Arguments of MySQL Connector/Python in a URL, and what go-sql-driver's DSN says
// for them.
func TestPythonArguments(t *testing.T) {
	tests := []struct{ arguments, native string }{
		{"connection_timeout=10", "?timeout=10s"},
		{"connect_timeout=2.5", "?timeout=2.5s"},
		{"read_timeout=30&write_timeout=0", "?readTimeout=30s"},
		{"allow_local_infile=True", "?allowAllFiles=true"},
		{"allow_local_infile=0", ""},
		{"time_zone=Europe/Berlin", "?time_zone=%27Europe%2FBerlin%27"},
		{"time_zone=%2B01:00", "?time_zone=%27%2B01:00%27"},
		{"time_zone=%27UTC%27", "?time_zone=%27UTC%27"},
		{"time_zone=@@global.time_zone", "?time_zone=@@global.time_zone"},
		{"time_zone=Default", "?time_zone=Default"},
		{"sql_mode=ANSI,TRADITIONAL", "?sql_mode=%27ANSI,TRADITIONAL%27"},
		{"sql_mode=", "?sql_mode=%27%27"},
		{"sql_mode=CONCAT(@@sql_mode,',ANSI')", "?sql_mode=CONCAT(@@sql_mode,%27,ANSI%27)"},
		{"autocommit=True&charset=utf8mb4&collation=utf8mb4_bin", "?autocommit=True&charset=utf8mb4&collation=utf8mb4_bin"},
		{"parseTime=true&timeout=3s", "?parseTime=true&timeout=3s"},
	}
	for key := range pythonOnly {
		tests = append(tests, struct{ arguments, native string }{key + "=True", ""})
	}
	for _, test := range tests {
		want, err := mysql.ParseDSN("app:secret@tcp(db.example)/x" + test.native)
		if err != nil {
			t.Fatal(err)
		}
		for _, scheme := range []string{urlScheme, pythonScheme} {
			dsn := scheme + "app:secret@db.example/x?" + test.arguments
			want.TLSConfig = ""
			if scheme == pythonScheme {
				want.TLSConfig = "preferred"
			}
			e, _, err := opened(dsn)
			if err != nil {
				t.Errorf("%s: %v", dsn, err)
			} else if diff := cmp.Diff(want, e.base, sameConfig); diff != "" {
				t.Errorf("%s (-driver +ours):\n%s", dsn, diff)
			}
		}
	}
}

// Arguments that say where to connect and as whom must not become SET statements:
// SET password changes the password.
func TestPythonCredentials(t *testing.T) {
	want, err := mysql.ParseDSN("app:s/&=@tcp(db.example)/orders")
	if err != nil {
		t.Fatal(err)
	}
	for _, arguments := range []string{"user=app&password=s/%26%3D&database=orders", "username=app&passwd=s%2F%26%3D&db=orders"} {
		e, _, err := opened(urlScheme + "db.example?" + arguments)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, e.base, sameConfig); diff != "" {
			t.Errorf("%s (-driver +ours):\n%s", arguments, diff)
		}
	}
}

func TestPythonArgumentErrors(t *testing.T) {
	for argument, want := range map[string]string{
		"connection_timeout=soon":      "want a number of seconds",
		"connect_timeout=-1":           "want a number of seconds",
		"read_timeout=NaN":             "want a number of seconds",
		"write_timeout=1e99":           "want a number of seconds",
		"allow_local_infile=perhaps":   "want true or false",
		"time_zone=it's":               "want a value without quotes",
		`sql_mode=a\`:                  "want a value without quotes",
		"sql_mode='":                   "want a value without quotes",
		"host=other":                   "write it before the database: mysql://user:password@host:3306/database",
		"port=1":                       "write it before the database",
		"init_command=SET x=1":         "use mysqldriver.WithOnConnect",
		"tls_versions=TLSv1.3":         "use mysqldriver.NewConnector with Config.TLS",
		"tls_ciphersuites=x":           "Config.TLS",
		"ssl_cipher=x":                 "Config.TLS",
		"allow_local_infile_in_path=x": "mysql.RegisterLocalFile",
		"failover=x":                   "name one endpoint of the cluster",
	} {
		key, _, _ := strings.Cut(argument, "=")
		_, err := Driver{}.OpenConnector(pythonScheme + "app:secret@db.example/x?" + argument)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), key+"=") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", argument, err)
		}
	}
	// Several mistakes are reported together.
	_, err := Driver{}.OpenConnector(pythonScheme + "app@db.example/x?host=a&connect_timeout=b")
	if err == nil || !strings.Contains(err.Error(), "host=") || !strings.Contains(err.Error(), "connect_timeout=") {
		t.Errorf("two mistakes: %v", err)
	}
}

// What means nothing in Go is mentioned once, for who looks for it.
func TestPythonArgumentsAreLogged(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg, err := ParseDSN(pythonScheme + "app@db.example/x?use_pure=True&pool_size=5&connect_timeout=3")
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewConnector(cfg, WithLogger(log))
	if err != nil {
		t.Fatal(err)
	}
	_ = k.(*core.Connector).Close() // never fails
	if got := text.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, "pool_size use_pure") {
		t.Errorf("logged %q", got)
	}
}

// In a plain DSN nothing is translated: there the keys are system variables.
func TestPlainDSNIsNotTranslated(t *testing.T) {
	for _, key := range slices.Sorted(maps.Keys(pythonKeys)) {
		if key == "failover" {
			continue // core takes it for a parameter of the plugin
		}
		e, _, err := opened("app@tcp(db.example)/x?" + key + "=1")
		if err != nil {
			t.Errorf("%s: %v", key, err)
		} else if e.base.Params[key] != "1" {
			t.Errorf("%s was taken: %v", key, e.base.Params)
		}
	}
}
