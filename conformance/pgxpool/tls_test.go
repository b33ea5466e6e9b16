package pgxpool

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab"
)

// B103: the name that is verified is that of the instance which is dialled.
func TestB103_VerifiedName(t *testing.T) {
	for name, test := range map[string]struct {
		sslmode string
		astray  bool // what is dialled is another instance than was meant
		change  func(*pgx.ConnConfig)
		refused bool
	}{
		"right host":                      {sslmode: "verify-full"},
		"wrong host":                      {sslmode: "verify-full", astray: true, refused: true},
		"wrong host, name not verified":   {sslmode: "verify-ca", astray: true},
		"name of the application's own":   {sslmode: "verify-full", change: serverName("mydb-2.c9xyz0abcdef.us-east-1.rds.amazonaws.com"), refused: true},
		"no authority of the application": {sslmode: "verify-full", change: func(c *pgx.ConnConfig) { c.TLSConfig = &tls.Config{ServerName: c.Host, RootCAs: x509.NewCertPool()} }, refused: true}, //nolint:gosec // a test
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{TLS: lab.TLSRequired}, func(t *testing.T, c *lab.Cluster) {
				// Own connections have the same dialer: the topology is known beforehand.
				first := open(t, c, c.Endpoint(), "cluster_id=tls")
				lands(t, first, "mydb-1")
				cfg := config(t, c, c.Endpoint(), "cluster_id=tls", "sslmode="+test.sslmode, "failover_timeout_sec=10")
				if test.change != nil {
					cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error { test.change(c); return nil }
				}
				if test.astray {
					cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
						if addr == c.Instance("mydb-1").IP()+":5432" {
							addr = c.Instance("mydb-2").IP() + ":5432"
						}
						return c.DialContext(ctx, network, addr)
					}
				}
				p := build(t, c, cfg)
				conn, err := p.Acquire(t.Context())
				if err == nil {
					defer conn.Release()
				}
				var wrongName x509.HostnameError
				var wrongAuthority x509.UnknownAuthorityError
				tampered := errors.As(err, &wrongName) || errors.As(err, &wrongAuthority)
				if tampered != test.refused {
					t.Errorf("refused: %v, want %v: %v", tampered, test.refused, err)
				}
				if !test.refused && !test.astray {
					lands(t, conn, "mydb-1")
				}
			})
		})
	}
}

func serverName(name string) func(*pgx.ConnConfig) {
	return func(c *pgx.ConnConfig) {
		c.TLSConfig = c.TLSConfig.Clone()
		c.TLSConfig.ServerName = name
	}
}

// The cluster is reached by whatever name the application has for it.
func TestAddressesOfAPool(t *testing.T) {
	for name, host := range map[string]func(c *lab.Cluster) (string, []string){
		"endpoint": func(c *lab.Cluster) (string, []string) { return c.Endpoint(), nil },
		"instance": func(c *lab.Cluster) (string, []string) {
			return c.Instance("mydb-1").Host(), []string{"failover_mode=strict-writer"}
		},
		"address": func(c *lab.Cluster) (string, []string) {
			return c.Instance("mydb-1").IP(), []string{"failover_mode=strict-writer", "cluster_instance_host_pattern=" + c.InstancePattern()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				host, params := host(c)
				p := open(t, c, host, params...)
				lands(t, p, "mydb-1")
				crash(t, c, "mydb-2")
				lands(t, p, "mydb-2")
				conn := p.hold(t, 1)[0]
				defer conn.Release()
				if got, want := conn.Conn().Config().Host, c.Instance("mydb-2").Host(); got != want {
					t.Errorf("the connection says that it is to %s, want %s", got, want)
				}
			})
		})
	}
}
