package scenarios

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/lab"
)

// B32: a caller gives up. That is his own affair, on a host that is dead as well: nothing
// is asked, nobody is declared dead.
func TestB32_CancellationAsksNobody(t *testing.T) {
	for _, dead := range []bool{false, true} {
		t.Run(fmt.Sprintf("dead=%t", dead), func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p, w := monitored(t, c, c.Endpoint(), byDefault.params(monitorAlone)...)
				p.fill(t, 30)
				if dead {
					c.Writer().Vanish(lab.LosingRequests)
				}
				for n := range 20 {
					ctx, cancel := context.WithCancel(t.Context())
					call := async(func() error { return p.sleep(ctx, time.Hour) })
					time.Sleep(time.Duration(n) * byDefault.Time / 20)
					cancel()
					demand.Is(t, "the call", (<-call).err, context.Canceled)
				}
				time.Sleep(time.Minute)
				if n := w.probers(); n != 0 || p.count("host does not answer") > 0 {
					t.Errorf("%d connections of the host monitor", n)
				}
				p.nobodyDown(t)
			})
		})
	}
}

// B33: callers with deadlines shorter than the detection time, on a host that is dead:
// each gets his own error on time, and the host is asked from the first deadline on,
// though no call ever waits for long.
func TestB33_DeadlinesOnADeadHost(t *testing.T) {
	for _, d := range []detection{byDefault, quick} {
		for _, l := range mutes {
			t.Run(fmt.Sprintf("%v/%s", d, l.name), func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p := open(t, c, c.Endpoint(), d.params(monitorAlone)...)
					p.fill(t, 5)
					const limit = 400 * time.Millisecond
					down := p.downs()
					l.do(c.Writer())
					first := time.Now().Add(limit)
					for len(down) == 0 {
						ctx, cancel := context.WithTimeout(t.Context(), limit)
						began := time.Now()
						err := p.sleep(ctx, time.Hour)
						took := time.Since(began)
						cancel()
						if len(down) > 0 && took < limit {
							cut(t, "the last call", err, "mydb-1")
						} else if demand.Is(t, "a call", err, context.DeadlineExceeded); took != limit {
							t.Errorf("a call took %v", took)
						}
						if time.Since(first) > time.Hour {
							t.Fatal("the host is still not noticed")
						}
					}
					exactly(t, "noticing it", (<-down).Sub(first), d.patience())
				})
			})
		}
	}
}

// B33: one deadline is enough.
func TestB33_OneDeadline(t *testing.T) {
	for _, op := range []string{"exec", "commit", "rows"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c, quick.params(monitorAlone)...)
				down := p.downs()
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				passes, _ := ctx.Deadline()
				lose := c.Writer().Freeze
				var err error
				switch op {
				case "exec":
					lose()
					err = p.insert(ctx)
				case "commit":
					tx, beginErr := p.BeginTx(ctx, nil)
					if beginErr != nil {
						t.Fatal(beginErr)
					}
					lose()
					err = tx.Commit()
				case "rows":
					c.Writer().HangAfter(2000)
					rows, queryErr := p.QueryContext(ctx, c.sql.Series(10_000))
					if queryErr != nil {
						t.Fatal(queryErr)
					}
					time.AfterFunc(100*time.Millisecond, lose)
					for rows.Next() {
					}
					err = errors.Join(rows.Err(), rows.Close())
				}
				demand.Is(t, op, err, context.DeadlineExceeded)
				if late := time.Since(passes); late != 0 {
					t.Errorf("%s ended %v after its deadline", op, late)
				}
				select {
				case at := <-down:
					exactly(t, "noticing it", at.Sub(passes), quick.patience())
				case <-time.After(time.Minute):
					t.Error("nobody has looked")
				}
			})
		})
	}
}

// B33: callers who have no patience with a slow host do it no harm: it is asked at most
// once per interval, however many deadlines pass, and goes on.
func TestB33_DeadlinesOnASlowHost(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p, w := monitored(t, c, c.Endpoint(), quick.params(monitorAlone)...)
		p.lands(t, "mydb-1")
		began := time.Now()
		for _, errs := range together(4, func(int) error {
			for range 100 {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				err := p.sleep(ctx, time.Minute)
				cancel()
				if !errors.Is(err, context.DeadlineExceeded) {
					return err
				}
			}
			return nil
		}) {
			if errs != nil {
				t.Error(errs)
			}
		}
		p.nobodyDown(t)
		asked := w.questions(began)
		if n, most := len(asked), int(time.Since(began)/quick.Interval)+10; n > most {
			t.Errorf("%d requests of the host monitor in %v, want at most %d", n, time.Since(began), most)
		}
		if n := w.probers(); n != 1 {
			t.Errorf("%d connections of the host monitor", n)
		}
		p.lands(t, "mydb-1")
	})
}
