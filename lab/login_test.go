package lab_test

import (
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/lab"
)

func TestRefusedLogin(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		var users []string
		cluster.Writer().OnLogin(func(user string) error {
			users = append(users, user)
			return &lab.LoginError{Code: e.tooMany, Message: "too many connections"}
		})
		wantCode(t, login(t, cluster, cluster.Endpoint())(t.Context()), e.tooMany)
		wantEqual(t, "asked about", users, []string{"app"})
		wantEqual(t, "logins counted", cluster.Writer().Logins(), 0)
		cluster.Writer().OnLogin(nil)
		connect(t, cluster, cluster.Endpoint())
	})
}

func TestPasswords(t *testing.T) {
	verify := func(user, password string) bool { return user == "app" && password == "secret" }
	for name, tc := range map[string]struct {
		options lab.Options
		params  []string
	}{
		"SCRAM":                         {options: lab.Options{}},
		"PostgreSQL, cleartext":         {options: lab.Options{Auth: lab.Cleartext}},
		"PostgreSQL, verified":          {options: lab.Options{Auth: lab.Cleartext, VerifyPassword: verify}},
		"PostgreSQL, trust":             {options: lab.Options{Auth: lab.Trust}},
		"caching_sha2, RSA":             {options: lab.Options{Flavor: lab.AuroraMySQL}},
		"caching_sha2, TLS":             {options: lab.Options{Flavor: lab.AuroraMySQL, TLS: lab.TLSRequired}},
		"caching_sha2, RSA despite TLS": {options: lab.Options{Flavor: lab.AuroraMySQL, TLS: lab.TLSOptional}, params: []string{"tls=false"}},
		"native":                        {options: lab.Options{Flavor: lab.AuroraMySQL, Auth: lab.NativePassword}},
		"native, TLS":                   {options: lab.Options{Flavor: lab.MariaDB, Auth: lab.NativePassword, TLS: lab.TLSRequired}},
		"MySQL, cleartext": {
			options: lab.Options{Flavor: lab.AuroraMySQL, Auth: lab.Cleartext, TLS: lab.TLSOptional},
			params:  []string{"allowCleartextPasswords=true"},
		},
		"MySQL, verified": {
			options: lab.Options{Flavor: lab.AuroraMySQL, Auth: lab.Cleartext, TLS: lab.TLSRequired, VerifyPassword: verify},
			params:  []string{"allowCleartextPasswords=true"},
		},
		"MySQL, trust": {options: lab.Options{Flavor: lab.AuroraMySQL, Auth: lab.Trust}},
	} {
		t.Run(name, func(t *testing.T) {
			eachNetwork(t, tc.options, func(t *testing.T, cluster *lab.Cluster) {
				exec(t, connect(t, cluster, cluster.Endpoint(), tc.params...), "select 1")
				connect(t, cluster, cluster.Endpoint(), tc.params...) // the fast path of caching_sha2_password
				dsn := strings.Replace(cluster.DSN(cluster.Endpoint(), tc.params...), ":secret@", ":wrong@", 1)
				conn, err := openDSN(t, cluster, cluster.Endpoint(), dsn).Conn(t.Context())
				if tc.options.Auth == lab.Trust {
					wantError(t, err, nil)
					conn.Close()
					return
				}
				want := "28P01"
				if tc.options.Flavor != lab.AuroraPG {
					want = "1045"
				}
				wantCode(t, err, want)
				wantEqual(t, "logins", cluster.Writer().Logins(), 2)
			})
		})
	}
}

// TestCleartextNeedsTLS: go-sql-driver refuses to send its password, and the server to ask for it.
func TestCleartextNeedsTLS(t *testing.T) {
	bubble(t, lab.Options{Flavor: lab.AuroraMySQL, Auth: lab.Cleartext, TLS: lab.TLSOptional}, func(t *testing.T, cluster *lab.Cluster) {
		err := login(t, cluster, cluster.Endpoint(), "allowCleartextPasswords=true", "tls=false")(t.Context())
		wantCode(t, err, "3159")
		wantEqual(t, "logins", cluster.Writer().Logins(), 0)
	})
}

// TestFastPath: how often a login goes back and forth tells how the password was checked.
func TestFastPath(t *testing.T) {
	const latency = 5 * time.Millisecond
	for name, tc := range map[string]struct {
		tls   lab.TLSMode
		extra time.Duration // that a full authentication takes
	}{
		"RSA": {lab.TLSOff, 4 * latency}, // the key is asked for, and the password
		"TLS": {lab.TLSRequired, 2 * latency},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lab.Options{Flavor: lab.AuroraMySQL, Latency: latency, TLS: tc.tls}, func(t *testing.T, cluster *lab.Cluster) {
				took := func() time.Duration {
					begin := time.Now()
					connect(t, cluster, cluster.Writer().Host())
					return time.Since(begin).Round(time.Millisecond)
				}
				full, fast := took(), took()
				wantEqual(t, "a full authentication's extra time", full-fast, tc.extra)
				wantEqual(t, "the third time", took(), fast)
				cluster.Writer().Restart()
				wantEqual(t, "in a new process", took(), full)
			})
		})
	}
}

func TestTLS(t *testing.T) {
	everywhere(t, lab.Options{TLS: lab.TLSRequired}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		for _, host := range []string{cluster.Endpoint(), cluster.ReaderEndpoint(), cluster.Writer().Host()} {
			exec(t, connect(t, cluster, host), "select 1")
		}
		cluster.Alias("db.example.com", cluster.Endpoint())
		var mismatch x509.HostnameError
		if err := login(t, cluster, "db.example.com")(t.Context()); !errors.As(err, &mismatch) {
			t.Errorf("a name that is not in the certificate: %v", err)
		}
		wantCode(t, login(t, cluster, cluster.Endpoint(), e.withoutTLS)(t.Context()), e.insecure)
		file := cluster.CAFile()
		pem, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fromFile := x509.NewCertPool()
		if !fromFile.AppendCertsFromPEM(pem) || !fromFile.Equal(cluster.RootCAs()) {
			t.Error("CAFile and RootCAs differ")
		}
		cluster.Close()
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", file, err)
		}
	})
}

func TestOptionalTLS(t *testing.T) {
	inBubbles(t, lab.Options{TLS: lab.TLSOptional}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		connect(t, cluster, cluster.Endpoint())
		connect(t, cluster, cluster.Endpoint(), e.withoutTLS)
	})
	inBubbles(t, lab.Options{}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		if cluster.RootCAs() != nil || cluster.CAFile() != "" {
			t.Error("an authority without TLS")
		}
	})
}
