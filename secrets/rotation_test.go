package secrets

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// rotate is the first half of a rotation: there is a pending version, and the database has
// its password already.
func (w *world) rotate(version, password string) {
	w.manager.put(stagePending, version, "app", password)
	w.database.set("app", password)
}

// While the secret is being rotated everybody gets in, with few calls; when that is over
// the current version is used again (B89).
func TestRotation(t *testing.T) {
	for name, expiration := range map[string]time.Duration{"cached": defaultExpiration, "fetched for every login": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *Options) { o.Expiration = &expiration })
				w.manager.with(func(m *manager) { m.latency = 20 * time.Millisecond })
				w.mustConnect(t, time.Second)
				time.Sleep(5 * time.Minute)
				w.database.counts()
				clear(w.manager.calls)

				w.rotate("v2", "second password")
				const dials, seconds = 100, 30
				for range seconds {
					longest, problems := w.crowd(t.Context(), dials)
					if longest > time.Second || len(problems) > 0 {
						t.Errorf("took %s; %d problems: %v", longest, len(problems), errors.Join(problems...))
					}
					time.Sleep(time.Second)
				}
				if _, refused := w.database.counts(); refused > 2*dials {
					t.Errorf("%d logins were refused, want one or two for each of the first %d", refused, dials)
				}
				if n := w.manager.called(stageCurrent) + w.manager.called(stagePending); n > 3*(seconds+2) {
					t.Errorf("Secrets Manager was asked %v", w.manager.calls)
				}

				w.manager.finish()
				w.crowd(t.Context(), dials) // may be the ones to notice
				time.Sleep(2 * time.Second)
				w.database.counts()
				for range 10 {
					if _, problems := w.crowd(t.Context(), dials); len(problems) > 0 {
						t.Errorf("%d problems: %v", len(problems), errors.Join(problems...))
					}
					time.Sleep(10 * time.Second)
				}
				w.expectLogins(t, 10*dials, 0)
				if got := w.plugin.memory.known["eu-west-1"].password; got != "second password" {
					t.Error("the last secret is not the current one")
				}
			})
		})
	}
}

// A handle that wakes up in the middle of a rotation, and one that slept through the next.
func TestRotationAfterSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.rotate("v2", "second password")
		w.mustConnect(t, time.Second)
		w.manager.finish()
		time.Sleep(24 * time.Hour)
		w.rotate("v3", "third password")
		w.manager.finish()
		w.manager.with(func(m *manager) { delete(m.stages, stagePending) })
		w.mustConnect(t, time.Second)
		w.mustConnect(t, 0)
	})
}

// Two users take turns: user and password come from one version.
func TestAlternatingUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.mustConnect(t, 0)
		for _, user := range []string{"app_clone", "app", "app_clone"} {
			time.Sleep(24 * time.Hour)
			w.database.set(user, "password of "+user)
			w.manager.put(stagePending, "new "+user, user, "password of "+user)
			w.mustConnect(t, 0)
			w.manager.finish()
			w.mustConnect(t, 0)
		}
		if _, refused := w.database.counts(); refused != 0 {
			t.Errorf("%d logins were refused: the old user's password is still right", refused)
		}
	})
}

// A policy may allow AWSCURRENT only. The login is repeated with it, until the rotation is
// over.
func TestPendingDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.mustConnect(t, 0)
		w.manager.with(func(m *manager) { m.fails[stagePending] = denied })
		w.rotate("v2", "second password")
		time.AfterFunc(12*time.Second, w.manager.finish)
		longest, problems := w.crowd(t.Context(), 100)
		if longest < 12*time.Second || longest > 25*time.Second || len(problems) > 0 {
			t.Errorf("took %s; %d problems: %v", longest, len(problems), errors.Join(problems...))
		}
		if n := w.manager.called(stageCurrent); n > 30 {
			t.Errorf("Secrets Manager was asked %v", w.manager.calls)
		}
		if logins, _ := w.database.counts(); logins > 100*8 {
			t.Errorf("%d logins", logins)
		}
		if log := w.log.String(); !strings.Contains(log, "does not say whether") || !strings.Contains(log, "AccessDeniedException") {
			t.Errorf("no word of it: %s", w.log)
		}
		w.mustConnect(t, 0)
	})
}

// Secrets Manager is out of order when it is needed most.
func TestOutageInRotation(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"before it is over": func(w *world) { w.rotate("v2", "second password") },
		"after it is over":  func(w *world) { w.rotate("v2", "second password"); w.manager.finish() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.mustConnect(t, 0)
				change(w)
				w.manager.with(func(m *manager) { m.fails[stageCurrent], m.fails[stagePending] = unavailable, unavailable })
				time.AfterFunc(8*time.Second, func() { w.manager.with(func(m *manager) { clear(m.fails) }) })
				longest, problems := w.crowd(t.Context(), 20)
				if longest < 8*time.Second || longest > 28*time.Second || len(problems) > 0 {
					t.Errorf("took %s; %d problems: %v", longest, len(problems), errors.Join(problems...))
				}
			})
		})
	}
}

// An outage that begins when the pending version was seen does no harm for a while.
func TestPendingSurvivesOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.mustConnect(t, 0)
		w.rotate("v2", "second password")
		w.mustConnect(t, time.Second)
		w.manager.with(func(m *manager) { m.fails[stageCurrent], m.fails[stagePending] = unavailable, unavailable })
		for range 20 {
			w.mustConnect(t, 0)
			time.Sleep(time.Second)
		}
	})
}

// The retry ends: with its time, with the caller's, and at once when it is turned off.
func TestRetryEnds(t *testing.T) {
	for name, test := range map[string]struct {
		timeout        *time.Duration
		deadline       time.Duration
		least, longest time.Duration
		mostLogins     int
	}{
		"default":  {nil, 0, 20 * time.Second, 30 * time.Second, 15},
		"short":    {pointer(5 * time.Second), 0, 2 * time.Second, 5 * time.Second, 9},
		"deadline": {nil, 4 * time.Second, time.Second, 4 * time.Second, 9},
		"tiny":     {pointer(time.Millisecond), 0, 0, time.Second, 2},
		"off":      {pointer(time.Duration(0)), 0, 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *Options) { o.RetryTimeout = test.timeout })
				w.manager.put(stagePending, "v2", "app", "second password")
				w.database.set("app", "third password") // neither
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.deadline > 0 {
					ctx, cancel = context.WithTimeout(ctx, test.deadline)
					defer cancel()
				}
				took, err := w.connect(ctx)
				if !errors.Is(err, errRefused) || took < test.least || took > test.longest {
					t.Errorf("took %s, want %s to %s: %v", took, test.least, test.longest, err)
				}
				if logins, _ := w.database.counts(); logins > test.mostLogins || (test.mostLogins > 2 && logins < 4) {
					t.Errorf("%d logins, want at most %d", logins, test.mostLogins)
				}
				w.expectNoSecret(t, err)
			})
		})
	}
}

// Where the retry is turned off a cached secret is still fetched anew once, and an error of
// that is told.
func TestRetryOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.RetryTimeout = pointer(time.Duration(0)) })
		w.mustConnect(t, 0)
		w.rotate("v2", "second password")
		if took, err := w.connect(t.Context()); took > 100*time.Millisecond || !errors.Is(err, errRefused) {
			t.Errorf("took %s: %v", took, err)
		}
		w.expectCalls(t, map[string]int{stageCurrent: 2})
		w.manager.finish()
		w.mustConnect(t, time.Second)
		w.database.set("app", "third password")
		w.manager.with(func(m *manager) { m.fails[stageCurrent] = denied })
		_, err := w.connect(t.Context())
		if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), "AccessDeniedException") {
			t.Errorf("error is %v", err)
		}
		w.expectNoSecret(t, err)
	})
}

// Whoever cancels does not wait.
func TestCancelInRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.manager.put(stagePending, "v2", "app", "second password")
		w.database.set("app", "third password")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1200*time.Millisecond, cancel)
		if took, err := w.connect(ctx); took != 1200*time.Millisecond || err == nil {
			t.Errorf("took %s: %v", took, err)
		}
	})
}

// A pending version that is left behind, or that is the current one, is no rotation.
func TestNoRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.manager.put(stagePending, "v1", "app", "first password")
		w.database.set("app", "second password")
		if took, err := w.connect(t.Context()); took != 0 || !errors.Is(err, errRefused) {
			t.Errorf("took %s: %v", took, err)
		}
		w.expectLogins(t, 1, 1)
	})
}
