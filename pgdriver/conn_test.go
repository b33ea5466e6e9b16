package pgdriver

import (
	"database/sql/driver"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// A pool gets back what pgx would take back, without the ping that pgx sends first:
// for it, a connection that has never been reset has been idle for long.
func TestResetSession(t *testing.T) {
	cluster, err := lab.Start(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := parsed(t, cluster.DSN(cluster.Endpoint())+"&plugins=none")
	k := connector(t, cfg, WithDialer(cluster.DialContext), WithResolver(cluster))
	tests := map[string]struct {
		before func(c *pgx.Conn) error
		want   error
	}{
		"idle":                  {func(*pgx.Conn) error { return nil }, nil},
		"a transaction is open": {func(c *pgx.Conn) error { _, err := c.Exec(t.Context(), "begin"); return err }, driver.ErrBadConn},
		"closed by its user":    {func(c *pgx.Conn) error { return c.Close(t.Context()) }, driver.ErrBadConn},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			opened, err := k.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close() //nolint:errcheck // one is closed already
			c := core.FromRaw(opened)
			if err := test.before(c.Native.(*conn).Conn()); err != nil {
				t.Fatal(err)
			}
			written := c.Link().Written()
			if err := c.Native.ResetSession(t.Context()); err != test.want { //nolint:errorlint // database/sql compares so
				t.Errorf("ResetSession: %v, want %v", err, test.want)
			}
			if got := c.Link().Written() - written; got != 0 {
				t.Errorf("%d bytes were sent", got)
			}
		})
	}
}
