package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/bench/internal/spread"
)

func TestParse(t *testing.T) {
	raw := `goos: linux
BenchmarkFake/exec/driver=bare-2    1000   700 ns/op   650 cpu-ns/op   48 B/op   2 allocs/op
BenchmarkFake/exec/driver=awsdb-2   1000   760.5 ns/op   660 cpu-ns/op   48 B/op   2 allocs/op
BenchmarkLoopbackPostgreSQL/open-close/driver=awsdb   10   9 ns/op   1 B/op   3 allocs/op
BenchmarkLoopbackPostgreSQL/open-close/driver=bare   10   8 ns/op   0 B/op   1 allocs/op
PASS
`
	got, err := parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	want := []*result{
		{"Fake", "exec", []cost{{700, 650, 48, 2}}, []cost{{760.5, 660, 48, 2}}},
		{"LoopbackPostgreSQL", "open-close", []cost{{8, 0, 0, 1}}, []cost{{9, 0, 1, 3}}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{}, cost{})); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing":  "PASS\n",
		"half":     "BenchmarkFake/exec/driver=bare-2 1000 700 ns/op\n",
		"no value": "BenchmarkFake/exec/driver=bare-2 1000 x ns/op\n",
	} {
		if _, err := parse([]byte(raw)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name, group, operation string
		awsdb                  [3]cost // of three runs; the interval is the whole range
		want                   string
	}{
		{"good", "Fake", "exec", [3]cost{{processor: 1060}, {processor: 1070}, {processor: 1090}}, "holds"},
		{"slow", "Fake", "exec", [3]cost{{processor: 1151}, {processor: 1170}, {processor: 1190}}, missedTarget},
		{"two calls", "Fake", "begin-commit", [3]cost{{processor: 1290}, {processor: 1299}, {processor: 1300}}, "holds"},
		{"two slow calls", "Fake", "begin-commit", [3]cost{{processor: 1301}, {processor: 1310}, {processor: 1320}}, missedTarget},
		{"three calls", "FakeSkipping", "exec-argument", [3]cost{{processor: 1430}, {processor: 1440}, {processor: 1450}}, "holds"},
		{"three slow calls", "FakeSkipping", "exec-argument", [3]cost{{processor: 1451}, {processor: 1460}, {processor: 1470}}, missedTarget},
		{"one of them", "FakeSkipping", "prepared-exec", [3]cost{{processor: 1151}, {processor: 1152}, {processor: 1153}}, missedTarget},
		{"waits", "Fake", "exec", [3]cost{{elapsed: 9000}, {elapsed: 9000}, {elapsed: 9000}}, "holds"},
		{"noisy", "LoopbackPostgreSQL", "exec", [3]cost{{processor: 100}, {processor: 1170}, {processor: 1990}}, "undecided"},
		{"an allocation", "Fake", "exec", [3]cost{{allocations: 1}, {allocations: 1}, {allocations: 1}}, missedTarget},
		{"bytes", "Fake", "exec", [3]cost{{bytes: 8}, {bytes: 8}, {bytes: 8}}, missedTarget},
		{"background work", "Fake", "exec", [3]cost{{bytes: 2}, {bytes: 1}, {bytes: 7}}, "holds"},
		{"open costs allocations", "LoopbackPostgreSQL", "open-close", [3]cost{{elapsed: 1090, allocations: 9}, {elapsed: 1099, allocations: 9}, {elapsed: 1100, allocations: 9}}, "holds"},
		{"open is slow", "LoopbackPostgreSQL", "open-close", [3]cost{{elapsed: 1101}, {elapsed: 1120}, {elapsed: 1130}}, missedTarget},
		{"nothing to open", "Fake", "open-close", [3]cost{{elapsed: 9000}, {elapsed: 9000}, {elapsed: 9000}}, "none"},
	} {
		bare := cost{elapsed: 1000, processor: 1000}
		r := result{test.group, test.operation, []cost{bare, bare, bare}, test.awsdb[:]}
		if got := r.judge(); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestMore(t *testing.T) {
	var r result
	for n := range 3 {
		r.bare = append(r.bare, cost{elapsed: 1000 * float64(n)})
		r.awsdb = append(r.awsdb, cost{elapsed: 1001 * float64(n)})
	}
	if got, want := r.more(elapsed), (spread.Spread{Low: 0, Median: 1, High: 2}); got != want {
		t.Errorf("difference %v, want %v", got, want)
	}
}

func TestPrintTableCountsMisses(t *testing.T) {
	slow := &result{"Fake", "exec", []cost{{700, 600, 0, 0}}, []cost{{900, 800, 0, 0}}}
	var b strings.Builder
	if missed := printTable(&b, []*result{slow}); missed != 1 || !strings.Contains(b.String(), "| Fake exec | 700 | +200 (+200 to +200) | 600 | +200 (+200 to +200) | +0 | +0 | MISSED |") {
		t.Errorf("%d missed:\n%s", missed, b.String())
	}
}
