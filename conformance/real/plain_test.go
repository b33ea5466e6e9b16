package real

import (
	"context"
	"database/sql"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// records keeps what is logged at level Info and above.
type records struct {
	mu   sync.Mutex
	list []slog.Record
}

func (r *records) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (r *records) WithAttrs([]slog.Attr) slog.Handler               { return r }
func (r *records) WithGroup(string) slog.Handler                    { return r }
func (r *records) Handle(_ context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, record)
	return nil
}

// counts is how much was logged, and how much of it as a warning or worse.
func (r *records) counts() (all, warnings int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.list {
		if record.Level >= slog.LevelWarn {
			warnings++
		}
	}
	return len(r.list), warnings
}

// wantPlain demands that a pool works like one of the bare driver, and goes on doing so after its connections are cut.
func wantPlain(t *testing.T, cluster *cluster, db *frontend.Handle, dialect lab.Flavor) {
	t.Helper()
	mustExec(t, db.DB, "drop table if exists plain")
	mustExec(t, db.DB, "create table plain (id int)")
	for n := range 3 {
		err := core.RunTx(t.Context(), db.DB, nil, func(tx *sql.Tx) error {
			_, err := tx.Exec(cluster.sql.Bind("insert into plain values (?)"), n)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, want := db.Cluster().Dialect().Code(), cluster.front.Dialect(dialect); got != want {
		t.Errorf("dialect %s, want %s", got, want)
	}
	cluster.Writer().ResetConnections()
	if n := scalar[int](t, db.DB, "select count(*) from plain"); n != 3 {
		t.Errorf("%d rows", n)
	}
	err := bounded(patience, func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, cluster.sql.EndSession)
		return err
	})
	if err == nil {
		t.Error("a terminated session reports no error")
	}
	mustExec(t, db.DB, "insert into plain values (4)")
}

// TestCommunityServer covers B71: a server that is no cluster's is served as by the bare driver, by whatever name.
func TestCommunityServer(t *testing.T) { frontend.Each(t, communityServer) }

func communityServer(t *testing.T, f frontend.Frontend) {
	flavor := f.Flavors().RealCommunity
	c := start(t, f, lab.Options{Flavor: flavor, Instances: 1})
	t.Run("by its name", func(t *testing.T) {
		var log records
		db := openWith(t, c, frontend.Options{DSN: c.DSN(c.Endpoint()), Logger: slog.New(&log)})
		wantPlain(t, c, db, flavor)
		if all, warnings := log.counts(); warnings > 0 || all > 5 {
			t.Errorf("%d log records, %d warnings: %v", all, warnings, log.list)
		}
	})
	t.Run("by its address", func(t *testing.T) {
		host, port, err := core.SplitHostPort(c.Writer().ListenAddr())
		if err != nil {
			t.Fatal(err)
		}
		login := frontend.Login{User: "app", Password: "secret", Host: host, Port: port, Database: "app"}
		db := openWith(t, c, frontend.Options{DSN: f.DSN(login, f.Params().NoTLS), Dial: new(net.Dialer).DialContext, Resolver: net.DefaultResolver})
		wantPlain(t, c, db, flavor)
	})
}
