package pgdriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// started is a cluster for a test.
func started(t *testing.T, o lab.Options) *lab.Cluster {
	t.Helper()
	cluster, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// pooled is a pool without plugins over a cluster. change may be nil.
func pooled(t *testing.T, cluster *lab.Cluster, change func(*pgxpool.Config), params ...string) *Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(cluster.DSN(cluster.Endpoint(), append([]string{"plugins=none", "pool_max_conns=2"}, params...)...))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(cfg)
	}
	p, err := NewPool(t.Context(), cfg, WithDialer(cluster.DialContext), WithResolver(cluster))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// ended is a connection whose TLS session has been ended in order.
type ended struct{ net.Conn }

func (ended) Read([]byte) (int, error) { return 0, io.EOF }

// The end of a TLS session is no failure of the socket. Still the call's caller is told,
// and database/sql over the pool does not repeat the statement.
func TestEndOfTLS(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	for name, call := range map[string]func(p *Pool) error{
		"bare pool": func(p *Pool) error { _, err := p.Pool.Exec(t.Context(), "select 1"); return err },
		"database/sql": func(p *Pool) error {
			db := stdlib.OpenDBFromPool(p.Pool)
			defer db.Close() //nolint:errcheck // it closes nothing of the pool
			_, err := db.ExecContext(t.Context(), "select 1")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := pooled(t, cluster, func(cfg *pgxpool.Config) {
				cfg.AfterConnect = func(_ context.Context, c *pgx.Conn) error {
					s := sessionOf(c)
					s.Conn = ended{s.Conn}
					return nil
				}
			})
			cluster.Writer().ResetStatements()
			err := call(p)
			var lost *core.LostError
			if !errors.As(err, &lost) || errors.Is(err, driver.ErrBadConn) {
				t.Errorf("got %v", err)
			}
			if got := p.Stat().NewConnsCount(); got != 1 {
				t.Errorf("%d connections: the statement was repeated", got)
			}
		})
	}
}
