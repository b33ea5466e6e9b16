package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCopyFollowsThroughFailovers(t *testing.T) {
	for name, fault := range map[string]func(*lab.Instance){
		"the writer crashes":          (*lab.Instance).Crash,
		"the writer becomes a reader": func(*lab.Instance) {},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster.Start(t)
			pool := cluster.Pool(t, c, cluster.Config(t, c))
			ctx, stop := context.WithCancel(cluster.Context(t))
			var all sync.WaitGroup
			defer all.Wait()
			defer stop()
			if _, err := pool.Exec(ctx, schema); err != nil {
				t.Fatal(err)
			}
			w := &watcher{pool: pool, check: 50 * time.Millisecond, log: slog.New(slog.DiscardHandler)}
			all.Go(func() { w.run(ctx) })
			want := map[string]bool{}
			change := func(name string, enabled bool) {
				t.Helper()
				if err := set(ctx, pool, name, enabled); err != nil {
					t.Fatal(err)
				}
				want[name] = enabled
			}
			same := func() bool { return cmp.Equal(want, w.copied()) }

			change("before", true)
			cluster.Await(t, "the first copy", same)
			for i := range 3 { // by notification: the table is read once
				change(fmt.Sprint("announced ", i), i%2 == 0)
				cluster.Await(t, "a change before the failover", same)
			}
			if got := w.reads(); got != 1 {
				t.Errorf("the table was read %d times before the failover, want 1", got)
			}

			fault(c.Writer())
			if err := c.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
				t.Fatal(err)
			}
			change("before", false)
			change("while nobody listens", true)
			cluster.Await(t, "the changes of the failover", same)
			reads := w.reads()
			for i := range 3 {
				change(fmt.Sprint("announced ", i), i%2 != 0)
				cluster.Await(t, "a change after the failover", same)
			}
			if got := w.reads(); got != reads {
				t.Errorf("the table was read %d times while all was well, want 0", got-reads)
			}
		})
	}
}
