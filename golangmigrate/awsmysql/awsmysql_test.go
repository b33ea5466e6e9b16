package awsmysql

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/golangmigrate/internal/options"
)

func TestSchemes(t *testing.T) {
	for _, scheme := range []string{"awsmysql", "mysql+aws_wrapper_mysqlconnector"} {
		if !slices.Contains(database.List(), scheme) {
			t.Errorf("%s is not registered", scheme)
		}
		if _, err := database.Open(scheme + "://host/db?x-unknown=1"); !errors.Is(err, core.ErrConfig) {
			t.Errorf("%s is not ours: %v", scheme, err)
		}
	}
}

// TestSpellings: one database, as golang-migrate, URLs and go-sql-driver write it.
func TestSpellings(t *testing.T) {
	type place struct{ User, Password, Net, Addr, Database, Param string }
	at := func(net, addr string) place { return place{"u@x", "p@:/? +", net, addr, "db", "60"} }
	for databaseURL, want := range map[string]place{
		"awsmysql://u%40x:p%40%3A%2F%3F%20%2B@tcp(host:3307)/db?failover_timeout_sec=60": at("tcp", "host:3307"),
		"mysql://u%40x:p%40%3A%2F%3F+%2B@tcp(host:3307)/db?failover_timeout_sec=60":      at("tcp", "host:3307"),
		"awsmysql://u%40x:p%40%3A%2F%3F%20%2B@host:3307/db?failover_timeout_sec=60":      at("tcp", "host:3307"),
		"awsmysql://u%40x:p%40%3A%2F%3F%20%2B@unix(/run/s)/db?failover_timeout_sec=60":   at("unix", "/run/s"),
		"u@x:p@:/? +@tcp(host:3307)/db?failover_timeout_sec=60":                          at("tcp", "host:3307"),
		"mysql+aws_wrapper_mysqlconnector://u%40x:p%40%3A%2F%3F%20%2B@host:3307/db?" +
			"failover_timeout_sec=60": at("tcp", "host:3307"),
	} {
		cfg, err := parse(databaseURL)
		if err != nil {
			t.Errorf("%s: %v", databaseURL, err)
			continue
		}
		got := place{cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName, cfg.Params["failover_timeout_sec"]}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", databaseURL, diff)
		}
	}
}

func TestTLS(t *testing.T) {
	const ours = "ssl_ca=%2Fca.pem&ssl_cert=%2Fc.pem&ssl_key=%2Fk.pem&ssl_verify_cert=false"
	for query, want := range map[string]string{
		"":                          "",
		"?parseTime=true":           "?parseTime=true",
		"?tls=mine":                 "?tls=mine",
		"?x-tls-ca=/ca.pem":         "?ssl_ca=%2Fca.pem",
		"?tls=mine&x-tls-ca=ca.pem": "?ssl_ca=ca.pem",
		"?tls=true&x-tls-ca=ca.pem": "?ssl_ca=ca.pem&tls=true",
		"?a=b&tls=mine&x-tls-ca=%2Fca.pem&x-tls-cert=/c.pem&x-tls-key=/k.pem&x-tls-insecure-skip-verify=true": "?" + ours + "&a=b",
	} {
		rest, o := options.Take("awsmysql://u:p@host/db"+query, known...)
		if got := translateTLS(rest, o); got != "awsmysql://u:p@host/db"+want || o.Err() != nil {
			t.Errorf("%s: %s, %v, want %s", query, got, o.Err(), want)
		}
	}
}

// TestTLSAndAnyPassword: what a password holds is no parameter.
func TestTLSAndAnyPassword(t *testing.T) {
	rest, o := options.Take("u:p?w@tcp(host)/db?x-tls-ca=ca.pem", known...)
	cfg, err := parse(translateTLS(rest, o))
	if err != nil || o.Err() != nil {
		t.Fatal(err, o.Err())
	}
	if got := []string{cfg.Passwd, cfg.Params["ssl_ca"]}; !slices.Equal(got, []string{"p?w", "ca.pem"}) {
		t.Errorf("password and ssl_ca are %q", got)
	}
}

func TestMistakes(t *testing.T) {
	for databaseURL, want := range map[string]string{
		"awsmysql://u:secret@tcp(host)/db?x-multi-statement=true":    "x-multi-statement is not known",
		"awsmysql://u:secret@tcp(host)/db?x-no-lock=perhaps":         "want true or false",
		"awsmysql://u:secret@tcp(host)/db?x-statement-timeout=1s":    "want a number",
		"awsmysql://u:secret%zz@tcp(host)/db":                        "write %25 for a percent sign",
		"awsmysql://u:secret%zz@host/db":                             "not a URL",
		"awsmysql://u:secret@unix(@socket)/db":                       "cannot be read", // go-sql-driver ends the password at the last @
		"postgres://u:secret@host/db":                                "cannot be read",
		"awsmysql://u:secret@tcp(host)/db?failover_timeout_sec=a":    "failover_timeout_sec",
		"awsmysql://u:secret@tcp(host)/db?x-tls-ca=/nowhere/ca.pem":  "ssl_ca",
		"awsmysql://u:secret@host/db?tls=skip-verify&x-tls-ca=a.pem": "contradict",
	} {
		d, err := Open(databaseURL)
		if d != nil || !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s", databaseURL, err, want)
		}
	}
}

// TestNothingIsLeft: goleak looks at what a database that cannot be reached has left.
func TestNothingIsLeft(t *testing.T) {
	for _, databaseURL := range []string{"awsmysql://u:secret@tcp(127.0.0.1:1)/db?timeout=5s", "u:secret@tcp(127.0.0.1:1)/db?timeout=5s"} {
		d, err := Open(databaseURL)
		if d != nil || !errors.Is(err, core.ErrConnect) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", databaseURL, err)
		}
	}
}
