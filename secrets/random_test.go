package secrets

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRandomRotations rotates at random moments, in the order that Secrets Manager does,
// while logins of random duration come all the time: each of them gets in.
func TestRandomRotations(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { rotateAtRandom(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func rotateAtRandom(t *testing.T, random *rand.Rand) {
	expiration := []time.Duration{0, 10 * time.Second, defaultExpiration}[random.IntN(3)]
	w := newWorld(t, func(o *Options) { o.Expiration = &expiration })
	w.manager.with(func(m *manager) { m.latency = time.Duration(random.IntN(60)) * time.Millisecond })
	over := make(chan struct{})
	var workers sync.WaitGroup
	for n := range 8 {
		own := rand.New(rand.NewPCG(random.Uint64(), uint64(n)))
		workers.Go(func() {
			for {
				select {
				case <-over:
					return
				case <-time.After(time.Duration(own.ExpFloat64() * float64(3*time.Second))):
				}
				if took, err := w.connect(t.Context()); err != nil || took > 5*time.Second {
					t.Errorf("took %s: %v", took, err)
				}
			}
		})
	}
	step := func(seconds float64) { time.Sleep(time.Duration(random.ExpFloat64() * seconds * float64(time.Second))) }
	const rotations = 10
	for n := range rotations {
		time.Sleep(time.Minute) // less, and the cache takes the refusals for a bad sign
		step(30)
		user, password := "app", fmt.Sprintf("password %d", n)
		if random.IntN(3) == 0 {
			user = fmt.Sprintf("app_%d", n)
		}
		version := fmt.Sprintf("version %d", n)
		w.manager.put(stagePending, version, user, password)
		step(1)
		w.database.set(user, password)
		step(2)
		w.manager.finish()
		if random.IntN(2) == 0 {
			w.manager.with(func(m *manager) { delete(m.stages, stagePending) })
		}
	}
	close(over)
	workers.Wait()
	logins, refused := w.database.counts()
	if calls := w.manager.called(stageCurrent) + w.manager.called(stagePending); expiration >= defaultExpiration && calls > 20*rotations {
		t.Errorf("%d calls in %d rotations", calls, rotations)
	}
	t.Logf("expiration %s: %d logins, %d refused; calls %v", expiration, logins, refused, w.manager.calls)
}
