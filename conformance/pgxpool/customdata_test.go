package pgxpool

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/lab"
)

// What hooks of pgconn leave in CustomData is there on the connection that is handed out.
func TestCustomData(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		cfg := config(t, c, c.Endpoint())
		cfg.ConnConfig.ValidateConnect = func(_ context.Context, pg *pgconn.PgConn) error { pg.CustomData()["validate"] = 1; return nil }
		cfg.ConnConfig.AfterConnect = func(_ context.Context, pg *pgconn.PgConn) error { pg.CustomData()["after"] = 2; return nil }
		p := build(t, c, cfg)
		conn := p.hold(t, 1)[0]
		defer conn.Release()
		if diff := cmp.Diff(map[string]any{"validate": 1, "after": 2}, conn.Conn().PgConn().CustomData()); diff != "" {
			t.Error(diff)
		}
	})
}
