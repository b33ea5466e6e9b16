package demo

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/lab"
)

// with is f after n deliveries were seen.
func with(n int, f findings) findings {
	f.deliveries = n
	return f
}

func row(id string) []any { return []any{id, id + "/1", int64(1)} }

const insert, look = "insert …", "select …"

func sent(attempt string) lab.Statement {
	return lab.Statement{SQL: insert, Args: []any{"id", attempt, int64(1)}}
}

const deliveredOnce = "no statement was delivered twice"

func TestVerify(t *testing.T) {
	tests := []struct {
		name     string
		book     ledger
		rows     [][]any
		received []lab.Statement
		want     findings
		failed   []string // checks
	}{
		{"nothing", ledger{}, nil, nil, findings{}, nil},
		{
			"good", ledger{done: []string{"a", "b"}, unfinished: []string{"c", "d"}},
			[][]any{row("a"), row("b"), row("c")},
			[]lab.Statement{sent("a/1"), sent("a/2"), sent("b/1"), sent("c/1"), {SQL: look, Args: []any{"a"}}, {SQL: look, Args: []any{"a"}}},
			with(4, findings{}), nil,
		},
		{"no record of a delivery", ledger{done: []string{"a"}}, [][]any{row("a")}, nil, findings{}, []string{deliveredOnce}},
		{"lost", ledger{done: []string{"a", "b"}}, [][]any{row("a")}, []lab.Statement{sent("a/1"), sent("b/1")}, with(2, findings{lost: []string{"b"}}), []string{"no acknowledged write is lost"}},
		{"doubled", ledger{done: []string{"a"}}, [][]any{row("a"), row("a"), row("a")}, []lab.Statement{sent("a/1")}, with(1, findings{doubled: []string{"a"}}), []string{"no write is stored twice"}},
		{"an unfinished one doubled", ledger{unfinished: []string{"a"}}, [][]any{row("a"), row("a")}, nil, findings{doubled: []string{"a"}}, []string{"no write is stored twice"}},
		{
			"delivered twice, to any hosts", ledger{done: []string{"a"}}, [][]any{row("a")},
			[]lab.Statement{sent("a/1"), sent("b/1"), sent("a/1")},
			with(3, findings{redelivered: []string{"a/1"}}), []string{deliveredOnce},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := verify(test.book, test.rows, test.received, insert)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(findings{})); diff != "" {
				t.Error(diff)
			}
			var failed []string
			for _, c := range got.checks(test.book) {
				if !c.OK {
					failed = append(failed, c.Name)
				}
			}
			if diff := cmp.Diff(test.failed, failed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckFollowed(t *testing.T) {
	followed := Failover{Known: 1, FirstWrite: 1}
	tests := []struct {
		name        string
		failovers   []Failover
		interrupted bool
		want        bool
	}{
		{"all", []Failover{followed, followed}, false, true},
		{"one not known", []Failover{followed, {Known: Unknown, FirstWrite: 1}}, false, false},
		{"one without a write", []Failover{{Known: 1, FirstWrite: Unknown}, followed}, false, false},
		{"the last cut short", []Failover{followed, {Known: Unknown, FirstWrite: Unknown}}, true, true},
		{"the last two not followed", []Failover{{Known: Unknown}, {Known: Unknown}}, true, false},
	}
	for _, test := range tests {
		if got := checkFollowed(test.failovers, test.interrupted); got.OK != test.want {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

// The same seed makes the same plan; what one way does with its random numbers
// does not change the others.
func TestPlan(t *testing.T) {
	o := Options{Instances: 3, Failovers: 7, Seed: 42, Schedule: DefaultSchedule()}
	first, again := plan(o), plan(o)
	if diff := cmp.Diff(first, again, cmp.AllowUnexported(step{})); diff != "" {
		t.Error(diff)
	}
	o.Seed++
	if cmp.Equal(first, plan(o), cmp.AllowUnexported(step{})) {
		t.Error("another seed makes the same plan")
	}
	for n, s := range first {
		within := o.Schedule.Promote
		if s.way == Switchover {
			within = o.Schedule.Switchover
		}
		if s.way != ways[n%len(ways)] || s.promote < within.From || s.promote > within.To {
			t.Errorf("step %d: %+v", n, s)
		}
	}
	o.Failovers = 3
	if diff := cmp.Diff(plan(o), func() []step { o.Failovers = 7; return plan(o)[:3] }(), cmp.AllowUnexported(step{})); diff != "" {
		t.Error("a longer plan begins differently:", diff)
	}
}
