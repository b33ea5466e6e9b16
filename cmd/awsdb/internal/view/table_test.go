package view

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

func ms(n float64) demo.Millis { return demo.Millis(n * float64(time.Millisecond)) }

func sample() demo.Report {
	return demo.Report{
		OK: false, Engine: demo.PostgreSQL, Seed: 5, Instances: 3, Endpoint: "mydb.cluster-x", Duration: ms(28400),
		Failovers: []demo.Failover{
			{
				Number: 1, Way: demo.Crash, OldWriter: "mydb-1", NewWriter: "mydb-3", FaultAt: ms(2052),
				Promoted: ms(2860), Noticed: ms(0.62), Known: ms(70.4), FirstWrite: ms(95), Pause: ms(2970),
				KnownSinceFault: ms(2930.4), FirstWriteSinceFault: ms(2955),
			},
			{
				Number: 2, Way: demo.BlackHole, OldWriter: "mydb-3", NewWriter: "mydb-2", FaultAt: ms(11000),
				Promoted: ms(13410), Noticed: ms(1280), Known: demo.Unknown, FirstWrite: demo.Unknown, Pause: demo.Unknown,
				KnownSinceFault: demo.Unknown, FirstWriteSinceFault: demo.Unknown,
			},
		},
		Counters: demo.Counters{Acknowledged: 8346, RepeatedSafely: 1, Unknown: 10, FoundDone: 9, RepeatedAfterLook: 1, Reads: 4541, Errors: map[string]int64{"ErrFailoverSuccess": 15}},
		Checks:   []demo.Check{{Name: "no acknowledged write is lost", OK: true, Detail: "8355 writes looked for"}, {Name: "every failover was followed", Detail: "1 of 2"}},
		Events:   []demo.Event{{At: ms(1.5), Source: demo.FromCluster, Text: "a → b & <c>"}},
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	if err := Table(sample(), &out); err != nil {
		t.Fatal(err)
	}
	want := `
Failover                          1 crash  2 black hole
Old writer                        mydb-1   mydb-3
New writer                        mydb-3   mydb-2
Fault until promotion             2.86 s   13.4 s
Fault until noticed               0.6 ms   1.28 s
Fault until new writer known      2.93 s   -
Fault until first write           2.96 s   -
Promotion until new writer known  70 ms    -
Promotion until first write       95 ms    -
Pause between writes              2.97 s   -
` + legend + `
Writes   8346 acknowledged
         1 repeated because they certainly had no effect
         10 of unknown outcome; a look into the table: 9 done, 1 repeated
Reads    4541
Errors   ErrFailoverSuccess 15

ok       no acknowledged write is lost (8355 writes looked for)
FAILED   every failover was followed (1 of 2)

0 acknowledged writes lost, 0 writes stored twice, 0 statements delivered twice
FAILED in 28.4 s; repeat with --instances 3 --failovers 2 --seed 5
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// Fifty failovers of instances with long names still fit an ordinary terminal.
func TestTableWidth(t *testing.T) {
	r := sample()
	for n := range 50 {
		f := r.Failovers[n%2]
		f.Number, f.OldWriter, f.NewWriter = n+3, "mydb-14", "mydb-15"
		r.Failovers = append(r.Failovers, f)
	}
	r.Interrupted, r.Counters.Unfinished = true, 8
	var out strings.Builder
	if err := Table(r, &out); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if width := ansi.StringWidth(strings.TrimRight(line, "\n")); width > 80 {
			t.Errorf("%d columns: %s", width, line)
		}
	}
	for _, part := range []string{"52 black hole", "Stopped early", "8 in hand"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is missing", part)
		}
	}
}

func TestSpan(t *testing.T) {
	for m, want := range map[demo.Millis]string{
		demo.Unknown: "-", 0: "0.0 ms", ms(0.04): "0.0 ms", ms(9.96): "10.0 ms", ms(10): "10 ms",
		ms(999.4): "999 ms", ms(1000): "1.00 s", ms(9994): "9.99 s", ms(31400): "31.4 s",
	} {
		if got := span(m); got != want {
			t.Errorf("%v: %s, want %s", time.Duration(m), got, want)
		}
	}
}

// The shape is what other programs read: a change here is one for them, too.
func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := JSON(sample(), &out); err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	decoder := json.NewDecoder(&out)
	if err := decoder.Decode(&document); err != nil || decoder.More() {
		t.Fatalf("not one document: %v", err)
	}
	if diff := cmp.Diff([]string{
		"acknowledged_writes_lost", "checks", "counters", "duration_ms", "endpoint", "engine", "events", "failovers", "instances",
		"interrupted", "ok", "seed", "statements_delivered_twice", "writes_stored_twice",
	}, keys(document)); diff != "" {
		t.Error(diff)
	}
	second := document["failovers"].([]any)[1].(map[string]any)
	want := map[string]any{
		"number": 2.0, "way": "black hole", "old_writer": "mydb-3", "new_writer": "mydb-2", "fault_at_ms": 11000.0,
		"fault_to_promotion_ms": 13410.0, "fault_to_noticed_ms": 1280.0, "promotion_to_known_ms": nil, "fault_to_known_ms": nil,
		"promotion_to_first_write_ms": nil, "fault_to_first_write_ms": nil, "write_pause_ms": nil,
	}
	if diff := cmp.Diff(want, second); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"at_ms": 1.5, "source": "cluster", "text": "a → b & <c>"}, document["events"].([]any)[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"acknowledged", "errors", "reads", "repeated_safely", "unfinished", "unknown_found_done", "unknown_outcome", "unknown_repeated",
	}, keys(document["counters"].(map[string]any))); diff != "" {
		t.Error(diff)
	}
}

func keys(m map[string]any) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}
