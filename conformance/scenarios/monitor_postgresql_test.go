package scenarios

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// onPGX runs f with pgx's own connection under a pinned one.
func onPGX(conn *sql.Conn, f func(native *pgx.Conn) error) error {
	return conn.Raw(func(driverConn any) error {
		native, ok := frontend.PGX(driverConn)
		if !ok {
			return errors.New("no pgx connection")
		}
		return f(native)
	})
}

// What is done on pgx's own connection, past database/sql.
var nativeUses = map[string]func(c *cluster, w *wire, native *pgx.Conn, lose func()) error{
	"query": func(_ *cluster, _ *wire, native *pgx.Conn, lose func()) error {
		lose()
		return native.QueryRow(context.Background(), "select 1").Scan(new(int))
	},
	"listen": func(_ *cluster, _ *wire, native *pgx.Conn, lose func()) error {
		if _, err := native.Exec(context.Background(), "listen news"); err != nil {
			return err
		}
		lose()
		_, err := native.WaitForNotification(context.Background())
		return err
	},
	"copy from": func(_ *cluster, w *wire, native *pgx.Conn, lose func()) error {
		lose()
		w.fill(10_000)
		_, err := native.PgConn().CopyFrom(context.Background(), strings.NewReader(strings.Repeat("1\n", 100_000)), "copy t from stdin")
		return err
	},
	"copy from, in the middle": func(_ *cluster, w *wire, native *pgx.Conn, lose func()) error {
		source := &numbers{left: 100_000, half: func() { lose(); w.fill(0) }}
		_, err := native.PgConn().CopyFrom(context.Background(), source, "copy t from stdin")
		return err
	},
	"copy to": func(c *cluster, _ *wire, native *pgx.Conn, lose func()) error {
		if _, err := native.Exec(context.Background(), "insert into t (id) select i from generate_series(1, 10000) as g(i)"); err != nil {
			return err
		}
		c.Writer().HangAfter(5000)
		lose()
		_, err := native.PgConn().CopyTo(context.Background(), io.Discard, "copy t to stdout")
		return err
	},
	"batch": func(_ *cluster, _ *wire, native *pgx.Conn, lose func()) error {
		batch := &pgx.Batch{}
		batch.Queue("select 1")
		batch.Queue("insert into t (id) values (1)")
		lose()
		return native.SendBatch(context.Background(), batch).Close()
	},
}

// B77, B102: what a native connection does is watched like any other call, COPY in both
// directions and listening included, and what it is told says why it ended.
func TestB77_B102_NativeConnections(t *testing.T) {
	for name, use := range nativeUses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onPostgreSQL(t, func(t *testing.T, c *cluster) {
				p, w := monitored(t, c, c.Endpoint(), quick.params(monitorAlone)...)
				mustExec(t, p, "create table t (id bigint)")
				conn := p.hold(t, 1)[0]
				var began time.Time
				err := onPGX(conn, func(native *pgx.Conn) error {
					return use(c, w, native, func() {
						began = time.Now()
						time.AfterFunc(time.Second, c.Writer().Freeze)
						if name == "listen" {
							return
						}
						c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
							if s.User == "app" && !strings.HasPrefix(s.SQL, "copy t to") {
								return lab.HangBefore()
							}
							return lab.Run()
						})
					})
				})
				took := time.Since(began)
				if took < quick.bound()-1 || took > quick.bound()+roundTrip+tolerance {
					t.Errorf("it took %v, want %v", took, quick.bound())
				}
				var lost *core.LostError
				if !errors.As(err, &lost) || !lost.Aborted || lost.Host != "mydb-1" {
					t.Errorf("the error does not say who gave up the host: %v", err)
				}
				_ = conn.Close()
			})
		})
	}
}

// A connection that was taken away from pgx is still watched, and cut.
func TestB77_HijackedConnection(t *testing.T) {
	onPostgreSQL(t, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint(), quick.params(monitorAlone)...)
		conn := p.hold(t, 1)[0]
		err := onPGX(conn, func(native *pgx.Conn) error {
			hijacked, err := native.PgConn().Hijack()
			if err != nil {
				return err
			}
			defer hijacked.Conn.Close() //nolint:errcheck // it is cut
			c.Writer().Vanish(lab.LosingRequests)
			began := time.Now()
			_, err = hijacked.Conn.Read(make([]byte, 1))
			exactly(t, "the read", time.Since(began), quick.bound())
			return err
		})
		var lost *core.LostError
		if !errors.As(err, &lost) || !lost.Aborted || lost.Host != "mydb-1" {
			t.Errorf("the error does not say who gave up the host: %v", err)
		}
		_ = conn.Close()
	})
}

// B46: a listener that hears nothing for a day is left alone, and still hears what
// comes then.
func TestB46_B102_QuietListener(t *testing.T) {
	onPostgreSQL(t, func(t *testing.T, c *cluster) {
		d := detection{30 * time.Second, time.Minute, 3}
		p, w := monitored(t, c, c.Endpoint(), d.params(monitorAlone)...)
		conn, other := p.hold(t, 1)[0], p.hold(t, 1)[0]
		heard := async(func() error {
			return onPGX(conn, func(native *pgx.Conn) error {
				if _, err := native.Exec(context.Background(), "listen news"); err != nil {
					return err
				}
				_, err := native.WaitForNotification(context.Background())
				return err
			})
		})
		time.Sleep(24 * time.Hour)
		if _, err := other.ExecContext(t.Context(), "notify news"); err != nil {
			t.Error(err)
		}
		if e := <-heard; e.err != nil {
			t.Errorf("the listener was ended: %v", e.err)
		}
		p.nobodyDown(t)
		if n := w.probers(); n != 1 {
			t.Errorf("%d connections of the host monitor", n)
		}
		_, _ = conn.Close(), other.Close()
	})
}

// A connection that was given up is not followed by pgx's cancel request: that would
// dial the dead host, and keep a place in the pool meanwhile.
func TestB75_NoCancelRequestAfterTheAbort(t *testing.T) {
	for _, l := range mutes {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			onPostgreSQL(t, func(t *testing.T, c *cluster) {
				p, w := monitored(t, c, c.Endpoint(), quick.params(monitorAlone)...)
				p.SetMaxOpenConns(5)
				p.fill(t, 5)
				before := w.others()
				l.do(c.Writer())
				dialled := c.Writer().Dials()
				for n, err := range together(5, func(n int) error {
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel() // right after the abort
					if n%2 == 0 {
						return p.sleep(ctx, time.Hour)
					}
					rows, err := p.QueryContext(ctx, c.sql.Sleep(time.Hour))
					if err != nil {
						return err
					}
					rows.Next()
					return errors.Join(rows.Err(), rows.Close())
				}) {
					if err == nil {
						t.Errorf("call %d succeeded", n)
					}
				}
				time.Sleep(roundTrip)
				if n := w.others() - before; n != 0 {
					t.Errorf("%d connections to the dead host", n)
				}
				if n := c.Writer().Dials() - dialled; n > 2 {
					t.Errorf("%d dials of the dead host, want the host monitor's", n)
				}
			})
		})
	}
}
