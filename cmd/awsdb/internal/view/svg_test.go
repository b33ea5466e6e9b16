package view

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

var update = flag.Bool("update", false, "rewrite the pictures in testdata")

func at(ms int) demo.Millis { return demo.Millis(time.Duration(ms) * time.Millisecond) }

// recorded is a run of which all is known: twelve goroutines call, and wait from the fault at
// 2 s to the promotion at 4.5 s.
func recorded() demo.Report {
	r := &demo.Recording{
		From: 0, To: at(9000),
		Instances: []demo.Track{
			{
				ID:          "mydb-1",
				States:      []demo.Change{{At: 0, To: "writer"}, {At: at(2000), To: "crashed"}, {At: at(7000), To: "reader"}},
				Connections: []demo.Count{{At: 0, N: 13}, {At: at(2000), N: 0}},
			},
			{
				ID:          "mydb-2",
				States:      []demo.Change{{At: 0, To: "reader"}, {At: at(4500), To: "writer"}},
				Connections: []demo.Count{{At: 0, N: 0}, {At: at(2005), N: 1}, {At: at(4515), N: 9}, {At: at(4520), N: 13}},
			},
			{ID: "mydb-3", States: []demo.Change{{At: 0, To: "reader"}}, Connections: []demo.Count{{At: 0, N: 0}}},
		},
		DNS:    []demo.Change{{At: 0, To: "mydb-1"}, {At: at(8100), To: "mydb-2"}},
		Writer: []demo.Change{{At: 0, To: "mydb-1"}, {At: at(2000), To: ""}, {At: at(4510), To: "mydb-2"}},
	}
	for ms := 0; ms < 2000; ms += 2 {
		r.Calls = append(r.Calls, demo.Call{Begin: at(ms), End: at(ms + 3)})
	}
	for range 5 {
		r.Calls = append(r.Calls, demo.Call{Begin: at(1999), End: at(4511), Failed: true})
	}
	for n := range 7 {
		r.Calls = append(r.Calls, demo.Call{Begin: at(2004), End: at(4520 + n)})
	}
	for ms := 4530; ms < 8990; ms += 2 {
		r.Calls = append(r.Calls, demo.Call{Begin: at(ms), End: at(ms + 3)})
	}
	return demo.Report{
		OK: true, Engine: demo.PostgreSQL, Seed: 7, Instances: 3, Recording: r,
		Failovers: []demo.Failover{{
			Number: 1, Way: demo.Crash, OldWriter: "mydb-1", NewWriter: "mydb-2",
			FaultAt: at(2000), Promoted: at(2500), Known: at(10), FirstWrite: at(20),
		}},
	}
}

func TestSVG(t *testing.T) {
	const golden = "testdata/failover.svg"
	var b strings.Builder
	if err := SVG(recorded(), &b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("look at the picture, and run go test -update:\n%s", diff)
	}
}

// The pictures of other runs have no golden copy, but they are pictures.
func TestSVGOfAnyRun(t *testing.T) {
	tests := map[string]func(r *demo.Report){
		"as it is":             func(*demo.Report) {},
		"names that need care": func(r *demo.Report) { r.Failovers[0].OldWriter = `<a href="x">&` },
		"slow":                 func(r *demo.Report) { r.Failovers[0].Known, r.Failovers[0].FirstWrite = at(1500), at(2900) },
		"no call": func(r *demo.Report) {
			r.Engine, r.Recording.Calls, r.Failovers[0].Way = demo.MySQL, nil, demo.Switchover
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			r := recorded()
			change(&r)
			var b strings.Builder
			if err := SVG(r, &b); err != nil {
				t.Fatal(err)
			}
			if b.Len() > 30_000 {
				t.Errorf("%d bytes, want 30,000 at most", b.Len())
			}
			wellFormed(t, b.String())
		})
	}
}

// TestPictureOfDocs looks at the one that the README shows: it was made by a run, so that nothing
// but its form can be checked.
func TestPictureOfDocs(t *testing.T) {
	picture, err := os.ReadFile("../../../../docs/failover.svg")
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, string(picture))
}

// wellFormed wants a document of svg without scripts and links, with a style that the
// program still writes.
func wellFormed(t *testing.T, picture string) {
	t.Helper()
	if !strings.Contains(picture, "<style>"+style+"</style>") {
		t.Error("the style is not the program's: make the picture anew")
	}
	elements := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(picture))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
	for _, name := range []string{"svg", "title", "desc", "style", "rect", "path", "text"} {
		if elements[name] == 0 {
			t.Errorf("there is no %s", name)
		}
		delete(elements, name)
	}
	if len(elements) > 0 {
		t.Errorf("elements that a picture does not need: %v", elements)
	}
}

// A run that was stopped after the first write has no picture of what comes later.
func TestSVGOfAStoppedRun(t *testing.T) {
	for name, test := range map[string]struct {
		stop  func(r *demo.Recording)
		words []string // of a run that went on
	}{
		"before the old writer is back": {
			func(r *demo.Recording) { r.Instances[0].States = r.Instances[0].States[:2] }, []string{">mydb-1 is back<"},
		},
		"before DNS follows": {
			func(r *demo.Recording) { r.DNS = r.DNS[:1] }, []string{">DNS follows<", "DNS leads there only after"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := recorded()
			for _, stopped := range []bool{false, true} {
				if stopped {
					test.stop(r.Recording)
				}
				var b strings.Builder
				if err := SVG(r, &b); err != nil {
					t.Fatal(err)
				}
				wellFormed(t, b.String())
				for _, words := range test.words {
					if strings.Contains(b.String(), words) == stopped {
						t.Errorf("stopped %v: says %q %v", stopped, words, stopped)
					}
				}
			}
		})
	}
}

func TestSVGWithoutFailover(t *testing.T) {
	tests := map[string]func(r *demo.Report){
		"not recorded":  func(r *demo.Report) { r.Recording = nil },
		"stopped early": func(r *demo.Report) { r.Failovers = nil },
		"no write":      func(r *demo.Report) { r.Failovers[0].FirstWrite = demo.Unknown },
		"not promoted":  func(r *demo.Report) { r.Failovers[0].Promoted, r.Failovers[0].Known = demo.Unknown, demo.Unknown },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			r := recorded()
			change(&r)
			var b strings.Builder
			if err := SVG(r, &b); err == nil || b.Len() > 0 {
				t.Errorf("%v, %d bytes", err, b.Len())
			}
		})
	}
}
