package demo

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"    // the plugin that follows the cluster
	_ "github.com/awsdb/awsdb/hostmonitor" // the plugin that notices dead hosts
	"github.com/awsdb/awsdb/lab"
)

// Demo is one run. Snapshot and Events may be called at any time.
type Demo struct {
	options Options
	engine  engine
	plan    []step
	journal journal
	tally   tally
	rates   rates
	record  *recorder // nil unless asked for

	mu        sync.Mutex // guards the rest; all nil before Run has made them
	cluster   *lab.Cluster
	connector *core.Connector
	db        *sql.DB
}

// New prepares a run. The error names every mistake in the options.
func New(o Options) (*Demo, error) {
	o.Engine = cmp.Or(o.Engine, PostgreSQL)
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Schedule == (Schedule{}) {
		o.Schedule = DefaultSchedule()
	}
	for o.Seed == 0 {
		o.Seed = rand.Uint64N(1_000_000) // short, so that it can be typed
	}
	d := &Demo{options: o, engine: engines[o.Engine], plan: plan(o)}
	if o.Record {
		d.record = &recorder{journal: &d.journal}
	}
	return d, nil
}

// Run does everything and returns when all is closed again. When ctx ends early
// the report covers what was done until then. An error means that the
// demonstration could not be made; what it found is in the report.
func (d *Demo) Run(ctx context.Context) (Report, error) {
	d.journal.start()
	d.journal.enter("starting")
	if err := d.open(); err != nil {
		return Report{}, err
	}
	defer d.cluster.Close()
	defer d.db.Close() // for the early returns; finish closes it and looks at the error
	var book ledger
	switch err := d.prepare(ctx); {
	case err == nil:
		book = d.play(ctx)
	case ctx.Err() == nil:
		return Report{}, fmt.Errorf("prepare the tables: %w", err)
	}
	if d.options.beforeCheck != nil {
		if err := d.options.beforeCheck(d); err != nil {
			return Report{}, err
		}
	}
	return d.finish(book, ctx.Err() != nil)
}

// open starts the cluster and makes a pool for it.
func (d *Demo) open() error {
	cluster, err := lab.Start(lab.Options{
		Flavor: d.engine.flavor, Instances: d.options.Instances, Latency: d.options.Schedule.Latency,
	})
	if err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	connector, err := d.engine.connector(cluster, slog.New(poolLog{&d.journal}))
	if err != nil {
		cluster.Close()
		return fmt.Errorf("make the connector: %w", err)
	}
	db := sql.OpenDB(connector)
	size := d.options.Schedule.Writers + d.options.Schedule.Readers
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)

	d.mu.Lock()
	defer d.mu.Unlock()
	d.cluster, d.db, d.connector = cluster, db, connector.(*core.Connector)
	return nil
}

func (d *Demo) prepare(ctx context.Context) error {
	d.journal.log(FromCluster, fmt.Sprintf("%d %s instances are up, %s is the writer", d.options.Instances, d.engine.name, d.cluster.Writer().ID()))
	for _, statement := range []string{createPayments, createAccounts} {
		if _, err := d.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	for id := range accounts {
		if _, err := d.db.ExecContext(ctx, d.engine.insertAccount, id+1, fmt.Sprintf("owner %d", id+1)); err != nil {
			return err
		}
	}
	return nil
}

// play runs the load and the faults, and awaits both.
func (d *Demo) play(ctx context.Context) ledger {
	background, cancel := context.WithCancel(ctx)
	defer cancel()
	var observers sync.WaitGroup
	observers.Go(func() { d.watchTopology(background) })
	observers.Go(func() { d.rates.sample(background, &d.tally) })
	if d.record != nil {
		observers.Go(func() { d.record.watch(background, d.Snapshot) })
	}

	load := &workload{
		db: d.db, statements: d.engine.statements, schedule: d.options.Schedule, journal: &d.journal, tally: &d.tally, recorder: d.record,
	}
	load.start(ctx)
	d.journal.log(FromDemo, fmt.Sprintf("%d writers and %d readers begin to use one *sql.DB", d.options.Schedule.Writers, d.options.Schedule.Readers))
	d.journal.enter("warming up")
	sleep(ctx, d.options.Schedule.WarmUp)
	for n, s := range d.plan {
		if ctx.Err() != nil {
			break
		}
		d.journal.enter(fmt.Sprintf("failover %d of %d: %s", n+1, len(d.plan), s.way))
		d.failover(ctx, s)
		d.record.stop() // the recording is of the first
	}
	d.record.stop()
	d.journal.enter("checking")
	book := load.end()
	cancel()
	observers.Wait()
	d.mend()
	return book
}

// mend restarts what a run that was stopped early left broken: a host in a black
// hole would never see that its connections end.
func (d *Demo) mend() {
	_, faults, _ := d.journal.troubles()
	for id := range faults {
		d.cluster.Instance(id).Restart()
		d.journal.recovered(id)
	}
}

// followGrace is how long a failover may take beyond its plan before the demo
// goes on without it.
const followGrace = 30 * time.Second

// failover takes the writer away, promotes another, and lets DNS and the old
// writer follow. It returns early when ctx ends.
func (d *Demo) failover(ctx context.Context, s step) {
	old, readers := d.cluster.Writer(), d.cluster.Readers()
	successor := readers[s.successor%len(readers)]
	d.journal.fault(s, old.ID(), successor.ID())
	s.strike(old)
	if !sleep(ctx, s.promote) {
		return
	}
	d.journal.promoted()
	if err := d.cluster.Promote(successor.ID(), lab.PromoteOptions{DNSLag: s.dnsLag, StatusLag: s.statusLag, DropSessions: true}); err != nil {
		d.journal.log(FromCluster, err.Error())
	}
	promoted := time.Now()
	if !sleep(ctx, d.options.Schedule.RestartAfter) {
		return
	}
	old.Restart()
	d.journal.recovered(old.ID())
	if !sleep(ctx, time.Until(promoted.Add(s.dnsLag))) {
		return
	}
	d.journal.log(FromCluster, fmt.Sprintf("DNS has caught up and leads to %s", successor.ID()))
	sleep(ctx, d.options.Schedule.Settle)
	for late := time.Now(); !d.journal.followed() && time.Since(late) < followGrace; {
		if !sleep(ctx, d.options.Schedule.Pause.To) {
			return
		}
	}
}

// watchTopology notes when the pool learns who the writer is.
func (d *Demo) watchTopology(ctx context.Context) {
	for {
		t := d.connector.Cluster().Topology()
		if w, ok := t.Writer(); ok && t.Verified {
			d.journal.known(w.ID)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.Changed():
		}
	}
}

// finish closes the pool, checks what it left, and makes the report.
func (d *Demo) finish(book ledger, interrupted bool) (Report, error) {
	if err := d.db.Close(); err != nil {
		return Report{}, fmt.Errorf("close the pool: %w", err)
	}
	closed := checkClosed(d.cluster)
	var received []lab.Statement
	for _, i := range d.cluster.Instances() {
		received = append(received, i.Statements()...)
	}
	found := verify(book, d.cluster.Rows("payments"), received, d.engine.insertPayment)
	d.journal.log(FromDemo, "the pool is closed, the data are checked")
	failovers, events := d.journal.results()
	r := Report{
		OK: true, Interrupted: interrupted, Engine: d.options.Engine, Seed: d.options.Seed, Instances: d.options.Instances,
		Endpoint: d.cluster.Endpoint(), Duration: Millis(d.journal.elapsed()),
		Failovers: failovers, Counters: d.tally.counters(), Events: events,
		Lost: len(found.lost), Doubled: len(found.doubled), Redelivered: len(found.redelivered),
		Checks:    append(found.checks(book), checkFollowed(failovers, interrupted), closed),
		Recording: d.record.result(),
	}
	for _, c := range r.Checks {
		r.OK = r.OK && c.OK
	}
	return r, nil
}

// sleep waits; false when ctx ended before that.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
