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
		switch r.rng.IntN(15) {
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
		case 8, 9:
			r.hushReader(ctx)
		case 10:
			r.hushWriter(ctx)
		case 11:
			r.hushSeveral(ctx)
		case 12, 13:
			r.blink(ctx)
		case 14:
			r.slowDown(ctx)
		}
	}
}

func (r *run) rest(ctx context.Context, least, most time.Duration) {
	timer := time.NewTimer(r.between(least, most))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (r *run) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.rng.Int64N(max(1, int64(most-least))))
}

func (r *run) promoteOptions() lab.PromoteOptions {
	return lab.PromoteOptions{
		DNSLag:       time.Duration(r.rng.IntN(30)) * time.Second,
		StatusLag:    time.Duration(r.rng.IntN(4)) * time.Duration(r.rng.IntN(1000)) * time.Millisecond,
		DropSessions: r.rng.IntN(2) == 0,
	}
}

func (r *run) promote(id string) {
	r.truth.moment(id)
	r.truth.moment(r.cluster.Writer().ID())
	if err := r.cluster.Promote(id, r.promoteOptions()); err != nil {
		r.problem("%v", err)
	}
	r.truth.crown(id)
}

// loseWriter takes the writer away in one of the ways a host can go, promotes
// another (or the same) one later, and lets the old one come back, or not.
func (r *run) loseWriter(ctx context.Context) {
	old := r.cluster.Writer()
	ways := []struct {
		name string
		do   func()
	}{
		{"crash", func() { r.crash(old) }},
		{"shut down", func() { r.shutdown(old) }},
		{"freeze", func() { r.freeze(old) }},
		{"vanish with requests", func() { r.vanish(old, lab.LosingRequests) }},
		{"vanish with answers", func() { r.vanish(old, lab.LosingAnswers) }},
		{"refuse and reset", func() { r.refuse(old); r.reset(old) }},
		{"hang after some bytes", func() { r.hangAfter(old, r.rng.IntN(2000)) }},
	}
	way := ways[r.rng.IntN(len(ways))]
	r.note("FAULT %s: %s", old.ID(), way.name)
	way.do()
	r.rest(ctx, 10*time.Millisecond, 15*time.Second)
	next := r.other(old)
	r.note("PROMOTE %s", next)
	r.promote(next)
	if next == old.ID() {
		r.restart(old)
		return
	}
	r.rest(ctx, 10*time.Millisecond, 20*time.Second)
	switch r.rng.IntN(3) {
	case 0:
		r.note("HEAL %s", old.ID())
		r.mend(old)
	default:
		r.note("RESTART %s", old.ID())
		r.restart(old)
	}
	if r.rng.IntN(2) == 0 {
		r.restart(old) // otherwise a process that was dead stays dead
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
			r.restart(i)
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
		r.restart(old)
	}
}

func (r *run) loseReader(ctx context.Context) {
	i := r.anyReader()
	if i == nil {
		return
	}
	r.note("FAULT reader %s", i.ID())
	[]func(){
		func() { r.crash(i) }, func() { r.freeze(i) }, func() { r.vanish(i, lab.LosingRequests) }, func() { r.refuse(i) },
	}[r.rng.IntN(4)]()
	r.rest(ctx, 10*time.Millisecond, 10*time.Second)
	r.restart(i)
}

func (r *run) anyReader() *lab.Instance {
	readers := r.cluster.Readers()
	if len(readers) == 0 {
		return nil
	}
	return readers[r.rng.IntN(len(readers))]
}

func (r *run) anyHost() *lab.Instance {
	all := r.cluster.Instances()
	return all[r.rng.IntN(len(all))]
}

// glitch is trouble that is no failover.
func (r *run) glitch(ctx context.Context) {
	i := r.cluster.Writer()
	switch r.rng.IntN(4) {
	case 0:
		r.note("GLITCH resets on %s", i.ID())
		r.reset(i)
	case 1:
		r.note("GLITCH slow %s", i.ID())
		r.slow(i, time.Duration(1+r.rng.IntN(800))*time.Millisecond)
		r.rest(ctx, time.Second, 8*time.Second)
		r.slow(i, 0)
	case 2:
		r.note("GLITCH %s gone for a moment", i.ID())
		r.vanish(i, lab.LosingRequests)
		r.rest(ctx, 10*time.Millisecond, 3*time.Second)
		r.mend(i)
	case 3:
		n := 1 + r.rng.IntN(5)
		fates := []lab.Fate{lab.CutBefore(), lab.CutAfter(), lab.CutAfterRows(3), lab.HangBefore(), lab.HangAfter()}
		choice := r.rng.IntN(len(fates))
		fate := fates[choice]
		r.note("GLITCH cut every %d statements on %s", n, i.ID())
		r.hook(i, func(s lab.Statement) lab.Fate {
			if s.Conn%uint64(n) == 0 {
				return fate
			}
			return lab.Run()
		}, choice >= 3)
		r.rest(ctx, 100*time.Millisecond, 4*time.Second)
		r.unhook(i)
	}
}

func (r *run) confuseDNS(ctx context.Context) {
	all := r.cluster.Instances()
	if r.rng.IntN(3) == 0 {
		r.note("DNS fails")
		began := time.Now()
		r.cluster.FailDNS(true)
		r.rest(ctx, 100*time.Millisecond, 10*time.Second)
		r.cluster.FailDNS(false)
		r.truth.namesFailed(began)
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
		r.truth.note(i.ID(), func(a *ailments) { *a = ailments{gone: true} })
		r.mu.Lock()
		r.removed = append(r.removed, i)
		r.mu.Unlock()
		r.cluster.RemoveInstance(i.ID())
		return
	}
	r.added++
	id := fmt.Sprintf("added-%d", r.added)
	r.note("ADD %s", id)
	r.truth.join(id)
	if _, err := r.cluster.AddReader(id); err != nil {
		r.problem("add reader: %v", err)
	}
}

// hush makes a host fall silent in one of the ways that the network does not tell.
func (r *run) hush(i *lab.Instance) {
	ways := []struct {
		name string
		do   func()
	}{
		{"freezes", func() { r.freeze(i) }},
		{"vanishes with requests", func() { r.vanish(i, lab.LosingRequests) }},
		{"vanishes with answers", func() { r.vanish(i, lab.LosingAnswers) }},
		{"hangs", func() { r.hangAfter(i, r.rng.IntN(mumble)) }},
		{"hangs and refuses", func() { r.hangAfter(i, 0); r.refuse(i) }},
	}
	way := ways[r.rng.IntN(len(ways))]
	r.note("HUSH %s: it %s", i.ID(), way.name)
	way.do()
}

// unhush lets a silent host come back as it was, or anew.
func (r *run) unhush(i *lab.Instance) {
	if r.rng.IntN(2) == 0 {
		r.note("HEAL %s", i.ID())
		r.mend(i)
		return
	}
	r.note("RESTART %s", i.ID())
	r.restart(i)
}

// hushReader silences a reader, at times for good.
func (r *run) hushReader(ctx context.Context) {
	i := r.anyReader()
	if i == nil {
		return
	}
	r.hush(i)
	if r.rng.IntN(4) == 0 {
		return
	}
	r.rest(ctx, 10*time.Millisecond, 20*time.Second)
	r.unhush(i)
}

// hushWriter silences the writer, and nobody takes its place; at times it never
// comes back.
func (r *run) hushWriter(ctx context.Context) {
	i := r.cluster.Writer()
	r.hush(i)
	if r.rng.IntN(6) == 0 {
		r.rest(ctx, time.Hour, 2*time.Hour)
		return
	}
	r.rest(ctx, 10*time.Millisecond, 20*time.Second)
	r.unhush(i)
}

// hushSeveral silences several hosts, and promotes one of the others if there is one.
func (r *run) hushSeveral(ctx context.Context) {
	all := r.cluster.Instances()
	r.rng.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
	victims := all[:min(len(all), 2+r.rng.IntN(2))]
	for _, i := range victims {
		r.hush(i)
		r.rest(ctx, 0, 300*time.Millisecond)
	}
	r.rest(ctx, 10*time.Millisecond, 15*time.Second)
	if spared := all[len(victims):]; len(spared) > 0 && r.rng.IntN(2) == 0 {
		r.note("PROMOTE %s", spared[0].ID())
		r.promote(spared[0].ID())
		r.rest(ctx, 10*time.Millisecond, 15*time.Second)
	}
	for _, i := range victims {
		r.unhush(i)
		r.rest(ctx, 0, time.Second)
	}
}

// blink silences a host several times, never for so long that it may be taken for
// dead, and with time to answer in between.
func (r *run) blink(ctx context.Context) {
	i := r.cluster.Writer()
	if r.rng.IntN(3) == 0 {
		i = r.anyHost()
	}
	for range 2 + r.rng.IntN(5) {
		r.hush(i)
		r.rest(ctx, time.Millisecond, max(2*time.Millisecond, r.blip))
		r.note("HEAL %s", i.ID())
		r.mend(i)
		r.rest(ctx, 3*r.longest, 4*r.longest)
	}
}

// slowDown makes a host answer late, but within the host monitor's interval, or later
// than that.
func (r *run) slowDown(ctx context.Context) {
	i := r.anyHost()
	d := r.between(r.shortest/20, r.shortest)
	if r.rng.IntN(3) == 0 {
		d = r.between(r.shortest, 4*r.shortest)
	}
	r.note("SLOW %s by %s", i.ID(), d)
	r.slow(i, d)
	r.rest(ctx, time.Second, 12*time.Second)
	r.slow(i, 0)
}
