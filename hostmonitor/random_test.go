package hostmonitor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/core"
)

// Whatever befalls one server: connections to the other are never cut, all is well when
// the faults are over, and nothing hangs or is left.
func TestRandomFaults(t *testing.T) {
	for seed := range uint64(8) {
		for _, ids := range [][2]string{{"db-1", "db-2"}, {"", ""}} {
			t.Run(fmt.Sprintf("seed %d %s", seed, ids[0]), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { randomFaults(t, rand.New(rand.NewPCG(seed, 1)), ids) })
			})
		}
	}
}

func randomFaults(t *testing.T, random *rand.Rand, ids [2]string) {
	f := one(ids[0])
	f.serve(there, ids[1])
	f.with(here, func(s *fakeServer) { s.busy = 0 })
	f.with(there, func(s *fakeServer) { s.busy = 0 })
	shared := map[string]string{"cluster_id": t.Name()}
	patient := quick
	patient.Interval, patient.Count, patient.DisposalTime = 4*time.Second, 2, 20*time.Second
	handles := []*core.Connector{f.handle(t, shared, mustNew(t, quick)), f.handle(t, shared, mustNew(t, patient))}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var workers sync.WaitGroup
	for n := range 8 {
		seed := random.Uint64()
		workers.Go(func() {
			work(ctx, t, handles[n%2], rand.New(rand.NewPCG(seed, 2)))
		})
	}
	for range 60 {
		time.Sleep(upTo(random, 10*time.Second))
		switch random.IntN(6) {
		case 0:
			f.with(here, vanish)
		case 1:
			f.with(here, func(s *fakeServer) { s.refuse = true })
		case 2:
			f.loseConnections(here)
		case 3:
			f.with(here, func(s *fakeServer) { s.latency = upTo(random, 2*time.Second) })
		case 4:
			f.lead(dsnAddr, []string{here, there}[random.IntN(2)])
		default:
			f.with(here, func(s *fakeServer) { s.vanish, s.refuse, s.latency = false, false, 0 })
		}
	}
	f.with(here, func(s *fakeServer) { s.vanish, s.refuse, s.latency = false, false, 0 })
	time.Sleep(5 * time.Minute)
	stop()
	workers.Wait()
	for _, host := range []string{ids[0], ids[1], dsnAddr} {
		if err := handles[0].Cluster().Down(host); err != nil {
			t.Errorf("%q is still down: %v", host, err)
		}
	}
	for _, k := range handles {
		open(t, k)
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
}

// work queries the database as applications do: with a deadline, now and then without.
func work(ctx context.Context, t *testing.T, k *core.Connector, random *rand.Rand) {
	for ctx.Err() == nil {
		c, err := k.Open(ctx)
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		_, addr := c.Link().Place()
		for range random.IntN(20) {
			call, cancel := context.WithTimeout(ctx, []time.Duration{time.Second, time.Minute, time.Hour}[random.IntN(3)])
			_, err = c.QueryContext(call, "one", nil)
			cancel()
			if err != nil {
				break
			}
			time.Sleep(upTo(random, 5*time.Second))
		}
		if lost := c.Link().Lost(); lost != nil && addr == there {
			t.Errorf("a connection to the server that was well all the time: %v", lost)
		}
		_ = c.Close() // whatever its state
	}
}

func upTo(random *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(d)))
}
