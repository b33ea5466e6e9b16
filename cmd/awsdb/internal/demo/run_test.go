package demo

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// quick is DefaultSchedule in a hurry; the ways of failing stay the same.
func quick() Schedule {
	s := DefaultSchedule()
	s.WarmUp = 200 * time.Millisecond
	s.Promote = Range{300 * time.Millisecond, 500 * time.Millisecond}
	s.Switchover = Range{100 * time.Millisecond, 200 * time.Millisecond}
	s.StatusLag = Range{50 * time.Millisecond, 100 * time.Millisecond}
	s.RestartAfter = 300 * time.Millisecond
	s.DNSLag = Range{400 * time.Millisecond, 500 * time.Millisecond}
	s.Settle = 200 * time.Millisecond
	return s
}

func mustRun(ctx context.Context, t *testing.T, o Options) (*Demo, Report) {
	t.Helper()
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	report, err := d.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if t.Failed() || testing.Verbose() {
		for _, e := range report.Events {
			t.Logf("%8.3f  %-8s  %s", time.Duration(e.At).Seconds(), e.Source, e.Text)
		}
	}
	return d, report
}

// each runs a test for every engine.
func each(t *testing.T, test func(t *testing.T, e Engine)) {
	t.Helper()
	for e := range engines {
		t.Run(string(e), func(t *testing.T) { test(t, e) })
	}
}

func TestRun(t *testing.T) { each(t, testRun) }

func testRun(t *testing.T, e Engine) {
	d, report := mustRun(t.Context(), t, Options{Engine: e, Instances: 3, Failovers: len(ways), Seed: 7, Schedule: quick(), Record: true})
	if !report.OK {
		t.Errorf("checks: %+v", report.Checks)
	}
	if report.Counters.Acknowledged == 0 || report.Counters.Reads == 0 {
		t.Errorf("no load: %+v", report.Counters)
	}
	if len(report.Counters.Errors) == 0 {
		t.Error("so many failovers and no call saw an error: nothing was in flight")
	}
	if c := report.Counters; c.Unknown > c.FoundDone+c.RepeatedAfterLook {
		t.Errorf("unknown outcomes do not add up: %+v", report.Counters)
	}
	for n, f := range report.Failovers {
		if f.Way != ways[n] || f.OldWriter == f.NewWriter || f.Number != n+1 {
			t.Errorf("failover %d: %+v", n+1, f)
		}
		if n > 0 && f.OldWriter != report.Failovers[n-1].NewWriter {
			t.Errorf("failover %d begins with %s, the one before ended with %s", n+1, f.OldWriter, report.Failovers[n-1].NewWriter)
		}
		for name, m := range map[string]Millis{"promoted": f.Promoted, "noticed": f.Noticed, "known": f.Known, "first write": f.FirstWrite, "pause": f.Pause} {
			if m == Unknown {
				t.Errorf("failover %d: %s was not measured", n+1, name)
			}
		}
		if f.KnownSinceFault != f.Promoted+f.Known || f.FirstWriteSinceFault != f.Promoted+f.FirstWrite {
			t.Errorf("failover %d: durations do not add up: %+v", n+1, f)
		}
		t.Logf("%+v", f)
	}
	checkRecording(t, report)
	s := d.Snapshot()
	if len(s.Instances) != 3 || s.Writing != 0 || s.Reading != 0 || len(s.WriteRates) == 0 || s.Writer != report.Failovers[len(ways)-1].NewWriter {
		t.Errorf("last snapshot: %+v", s)
	}
	t.Logf("%+v", report.Counters)
}

// checkRecording wants the first failover of a report, and no more.
func checkRecording(t *testing.T, report Report) {
	t.Helper()
	r, f := report.Recording, report.Failovers[0]
	promoted := f.FaultAt + f.Promoted
	if r.From >= f.FaultAt || r.To <= promoted || r.To > report.Failovers[1].FaultAt {
		t.Errorf("it covers %v to %v; faults at %v and %v", r.From, r.To, f.FaultAt, report.Failovers[1].FaultAt)
	}
	states := map[string][]string{}
	for _, track := range r.Instances {
		for _, c := range track.States {
			states[track.ID] = append(states[track.ID], c.To)
		}
		if len(track.Connections) == 0 {
			t.Errorf("%s: no connections were counted", track.ID)
		}
	}
	want := map[string][]string{"mydb-1": {"writer", "crashed", "reader"}, "mydb-2": {"reader"}, "mydb-3": {"reader"}}
	want[f.NewWriter] = append(want[f.NewWriter], "writer")
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
	if r.DNS[0].To != f.OldWriter || r.DNS[len(r.DNS)-1].To != f.NewWriter {
		t.Errorf("DNS: %v", r.DNS)
	}
	if r.Writer[len(r.Writer)-1].To != f.NewWriter {
		t.Errorf("the pool's writer: %v", r.Writer)
	}
	waited := 0
	for n, c := range r.Calls {
		if c.End < c.Begin || c.End > r.To || n > 0 && c.End < r.Calls[n-1].End {
			t.Fatalf("call %d of %d: %v", n, len(r.Calls), c)
		}
		if c.Begin < promoted && c.End > promoted {
			waited++
		}
	}
	if waited == 0 {
		t.Error("no call waited for the promotion")
	}
}

// A verdict that cannot fail is worth nothing: the data are spoiled on purpose.
func TestSpoiledData(t *testing.T) { each(t, testSpoiledData) }

func testSpoiledData(t *testing.T, e Engine) {
	tests := []struct {
		name   string
		spoil  string
		args   []any
		failed []string
	}{
		{"lost", `delete from payments where id = 'w1-000001'`, nil, []string{"no acknowledged write is lost"}},
		{
			"stored twice", `insert into payments (id, attempt, amount) values ('w1-000001', 'w1-000001/9', 9)`, nil,
			[]string{"no write is stored twice"},
		},
		{
			"delivered twice", engines[e].insertPayment, []any{"w1-000001", "w1-000001/1", 1},
			[]string{"no write is stored twice", deliveredOnce},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := Options{Engine: e, Instances: 2, Failovers: 1, Seed: 1, Schedule: quick()}
			o.beforeCheck = func(d *Demo) error {
				_, err := d.db.ExecContext(t.Context(), test.spoil, test.args...)
				return err
			}
			_, report := mustRun(t.Context(), t, o)
			var failed []string
			for _, c := range report.Checks {
				if !c.OK {
					failed = append(failed, c.Name)
				}
			}
			if diff := cmp.Diff(test.failed, failed); diff != "" || report.OK {
				t.Error("verdict", report.OK, diff)
			}
		})
	}
}

func TestLeftOpen(t *testing.T) { each(t, testLeftOpen) }

func testLeftOpen(t *testing.T, e Engine) {
	held := make(chan error, 1)
	o := Options{Engine: e, Instances: 2, Failovers: 1, Seed: 1, Schedule: quick()}
	o.beforeCheck = func(d *Demo) error {
		conn, err := d.db.Conn(t.Context()) // never returned
		if err == nil {
			t.Cleanup(func() { held <- conn.Close() })
		}
		return err
	}
	_, report := mustRun(t.Context(), t, o)
	if last := report.Checks[len(report.Checks)-1]; report.OK || last.OK {
		t.Errorf("a connection was left open: %+v", last)
	}
}

// Stopping early ends in order, whatever is going on.
func TestInterrupt(t *testing.T) { each(t, testInterrupt) }

func testInterrupt(t *testing.T, e Engine) {
	for _, moment := range []string{"begin to use", "crashes", "is promoted", "is back", "vanishes"} {
		t.Run(moment, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			d, err := New(Options{Engine: e, Instances: 3, Failovers: 50, Seed: 2, Schedule: quick()})
			if err != nil {
				t.Fatal(err)
			}
			var stopper sync.WaitGroup
			stopper.Go(func() {
				defer cancel()
				for !happened(d, moment) && sleep(t.Context(), time.Millisecond) {
				}
			})
			report, err := d.Run(ctx)
			stopper.Wait()
			if err != nil {
				t.Fatal(err)
			}
			if !report.OK || !report.Interrupted || len(report.Failovers) > 2 {
				t.Errorf("ok %t, interrupted %t, %d failovers: %+v", report.OK, report.Interrupted, len(report.Failovers), report.Checks)
			}
		})
	}
}

func happened(d *Demo, what string) bool {
	return slices.ContainsFunc(d.Events(0), func(e Event) bool { return strings.Contains(e.Text, what) })
}

func TestInterruptBeforeTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, report := mustRun(ctx, t, Options{Instances: 3, Failovers: 1, Schedule: quick()})
	if !report.OK || !report.Interrupted || len(report.Failovers) > 0 || report.Counters.Acknowledged > 0 {
		t.Errorf("report %+v", report)
	}
}

func TestSnapshotBeforeRun(t *testing.T) {
	d, err := New(Options{Instances: 3, Failovers: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := d.Snapshot()
	if s.Elapsed != 0 || s.Planned < 20*time.Second || s.Planned > 45*time.Second || len(s.Instances) != 0 {
		t.Errorf("snapshot %+v", s)
	}
	if d.options.Seed == 0 {
		t.Error("no seed was chosen")
	}
}

func TestMillis(t *testing.T) {
	got, err := json.Marshal([]Millis{Unknown, Millis(1234567 * time.Nanosecond), Millis(2 * time.Second)})
	if want := `[null,1.235,2000]`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		options Options
		want    []string // substrings of the error
	}{
		{Options{Instances: 2, Failovers: 1}, nil},
		{Options{Instances: 15, Failovers: 50}, nil},
		{Options{Instances: 1, Failovers: 1}, []string{"1 instances: write 2 to 15"}},
		{Options{Instances: 16, Failovers: 51}, []string{"16 instances", "51 failovers: write 1 to 50"}},
		{Options{Instances: 3, Failovers: -1}, []string{"-1 failovers"}},
		{Options{Engine: "mssql", Instances: 3, Failovers: 0}, []string{`engine "mssql": write postgresql or mysql`, "0 failovers"}},
	}
	for _, test := range tests {
		_, err := New(test.options)
		if (err == nil) != (test.want == nil) {
			t.Errorf("%+v: %v", test.options, err)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%+v: %v lacks %q", test.options, err, part)
			}
		}
	}
}
