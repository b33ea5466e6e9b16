package simulation

import (
	"context"
	"fmt"
	"time"

	"github.com/awsdb/awsdb/lab"
)

// suffer makes things go wrong until ctx ends.
func (r *run) suffer(ctx context.Context) {
	for ctx.Err() == nil {
		r.rest(ctx, 200*time.Millisecond, 12*time.Second)
		if ctx.Err() != nil {
			return
		}
		r.mu.Lock()
		r.result.Faults++
		r.mu.Unlock()
		switch r.rng.IntN(8) {
		case 0, 1, 2:
			r.loseWriter(ctx)
		case 3:
			r.switchover(ctx)
		case 4:
			r.loseReader(ctx)
		case 5:
			r.glitch(ctx)
		case 6:
			r.confuseDNS(ctx)
		case 7:
			r.changeSize()
		}
	}
}

func (r *run) rest(ctx context.Context, least, most time.Duration) {
	timer := time.NewTimer(least + time.Duration(r.rng.Int64N(int64(most-least))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (r *run) promoteOptions() lab.PromoteOptions {
	return lab.PromoteOptions{
		DNSLag:       time.Duration(r.rng.IntN(30)) * time.Second,
		StatusLag:    time.Duration(r.rng.IntN(4)) * time.Duration(r.rng.IntN(1000)) * time.Millisecond,
		DropSessions: r.rng.IntN(2) == 0,
	}
}

func (r *run) promote(id string) {
	if err := r.cluster.Promote(id, r.promoteOptions()); err != nil {
		r.problem("%v", err)
	}
}

// loseWriter takes the writer away in one of the ways a host can go, promotes
// another (or the same) one later, and lets the old one come back, or not.
func (r *run) loseWriter(ctx context.Context) {
	old := r.cluster.Writer()
	ways := []struct {
		name string
		do   func()
	}{
		{"crash", old.Crash},
		{"shut down", old.Shutdown},
		{"freeze", old.Freeze},
		{"vanish with requests", func() { old.Vanish(lab.LosingRequests) }},
		{"vanish with answers", func() { old.Vanish(lab.LosingAnswers) }},
		{"refuse and reset", func() { old.Refuse(); old.ResetConnections() }},
		{"hang after some bytes", func() { old.HangAfter(r.rng.IntN(2000)) }},
	}
	way := ways[r.rng.IntN(len(ways))]
	r.note("FAULT %s: %s", old.ID(), way.name)
	way.do()
	r.rest(ctx, 10*time.Millisecond, 15*time.Second)
	next := r.other(old)
	r.note("PROMOTE %s", next)
	r.promote(next)
	if next == old.ID() {
		old.Restart()
		return
	}
	r.rest(ctx, 10*time.Millisecond, 20*time.Second)
	switch r.rng.IntN(3) {
	case 0:
		r.note("HEAL %s", old.ID())
		old.Heal()
	default:
		r.note("RESTART %s", old.ID())
		old.Restart()
	}
	if r.rng.IntN(2) == 0 {
		old.Restart() // otherwise a process that was dead stays dead
	}
}

// other is a healthy-looking instance that is not the given one, if there is one.
func (r *run) other(than *lab.Instance) string {
	all := r.cluster.Instances()
	if len(all) == 1 || r.rng.IntN(8) == 0 {
		return than.ID()
	}
	for {
		i := all[r.rng.IntN(len(all))]
		if i.ID() != than.ID() {
			i.Restart()
			return i.ID()
		}
	}
}

func (r *run) switchover(ctx context.Context) {
	old := r.cluster.Writer()
	next := r.other(old)
	r.note("SWITCHOVER %s to %s", old.ID(), next)
	r.promote(next)
	if r.rng.IntN(2) == 0 {
		r.rest(ctx, time.Millisecond, time.Second)
		old.Restart()
	}
}

func (r *run) loseReader(ctx context.Context) {
	readers := r.cluster.Readers()
	if len(readers) == 0 {
		return
	}
	i := readers[r.rng.IntN(len(readers))]
	r.note("FAULT reader %s", i.ID())
	[]func(){i.Crash, i.Freeze, func() { i.Vanish(lab.LosingRequests) }, i.Refuse}[r.rng.IntN(4)]()
	r.rest(ctx, 10*time.Millisecond, 10*time.Second)
	i.Restart()
}

// glitch is trouble that is no failover.
func (r *run) glitch(ctx context.Context) {
	i := r.cluster.Writer()
	switch r.rng.IntN(4) {
	case 0:
		r.note("GLITCH resets on %s", i.ID())
		i.ResetConnections()
	case 1:
		r.note("GLITCH slow %s", i.ID())
		i.Slow(time.Duration(1+r.rng.IntN(800)) * time.Millisecond)
		r.rest(ctx, time.Second, 8*time.Second)
		i.Slow(0)
	case 2:
		r.note("GLITCH %s gone for a moment", i.ID())
		i.Vanish(lab.LosingRequests)
		r.rest(ctx, 10*time.Millisecond, 3*time.Second)
		i.Heal()
	case 3:
		n := 1 + r.rng.IntN(5)
		r.note("GLITCH cut every %d statements on %s", n, i.ID())
		fates := []lab.Fate{lab.CutBefore(), lab.CutAfter(), lab.CutAfterRows(3), lab.HangBefore(), lab.HangAfter()}
		fate := fates[r.rng.IntN(len(fates))]
		i.OnStatement(func(s lab.Statement) lab.Fate {
			if s.Conn%uint64(n) == 0 {
				return fate
			}
			return lab.Run()
		})
		r.rest(ctx, 100*time.Millisecond, 4*time.Second)
		i.OnStatement(nil)
	}
}

func (r *run) confuseDNS(ctx context.Context) {
	all := r.cluster.Instances()
	if r.rng.IntN(3) == 0 {
		r.note("DNS fails")
		r.cluster.FailDNS(true)
		r.rest(ctx, 100*time.Millisecond, 10*time.Second)
		r.cluster.FailDNS(false)
		return
	}
	r.note("DNS flaps")
	r.cluster.FlapDNS(r.cluster.Endpoint(), time.Second, 20*time.Second, all[0].ID(), all[len(all)-1].ID())
}

func (r *run) changeSize() {
	readers := r.cluster.Readers()
	if len(readers) > 1 && r.rng.IntN(2) == 0 {
		i := readers[r.rng.IntN(len(readers))]
		r.note("REMOVE %s", i.ID())
		r.cluster.RemoveInstance(i.ID())
		r.removed = append(r.removed, i)
		return
	}
	r.added++
	id := fmt.Sprintf("added-%d", r.added)
	r.note("ADD %s", id)
	if _, err := r.cluster.AddReader(id); err != nil {
		r.problem("add reader: %v", err)
	}
}
