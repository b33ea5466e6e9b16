package upstream

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ran makes results of lines such as "pass TestX/y".
func ran(lines ...string) results {
	made := make(results)
	for _, line := range lines {
		action, name, _ := strings.Cut(line, " ")
		made[name] = result{outcome: outcomes[action]} // missing, if there is no such action
	}
	return made
}

// lists is what a comparison came to.
type lists struct {
	Passed, Skipped, FailedBoth, Explained, Worse, Repeated, Stale []string
}

func (c *comparison) lists() lists {
	return lists{c.passed, c.skipped, c.failedBoth, c.explained, c.worse, c.repeated, c.stale}
}

func TestCompare(t *testing.T) {
	tests := []struct {
		name       string
		bare, ours results
		explained  []string
		want       lists
	}{
		{
			name: "every outcome",
			bare: ran("pass A", "fail B", "skip C", "pass D", "pass E", "skip F", "fail G", "fail H"),
			ours: ran("pass A", "fail B", "skip C", "fail D", "skip E", "fail F", "pass G", "skip H"),
			want: lists{Passed: []string{"A", "G"}, FailedBoth: []string{"B"}, Skipped: []string{"C", "H"}, Worse: []string{"D", "E", "F"}},
		},
		{
			name: "only the deepest that is worse is told",
			bare: ran("pass A", "pass A/x", "pass A/x/1", "pass A/y"),
			ours: ran("fail A", "fail A/x", "fail A/x/1", "pass A/y"),
			want: lists{Passed: []string{"A/y"}, Worse: []string{"A/x/1"}},
		},
		{
			name: "a test that fails after its subtests",
			bare: ran("pass A", "pass A/x"),
			ours: ran("fail A", "pass A/x"),
			want: lists{Passed: []string{"A/x"}, Worse: []string{"A"}},
		},
		{
			name: "a panic keeps others from running",
			bare: ran("pass A", "pass B", "pass C", "pass C/x"),
			ours: ran("run A", "pass B"),
			want: lists{Passed: []string{"B"}, Worse: []string{"A", "C/x"}},
		},
		{
			name:      "explanations",
			bare:      ran("pass A", "pass A/x", "pass A/y", "pass AB", "pass D", "fail E"),
			ours:      ran("fail A", "fail A/x", "pass A/y", "fail AB", "pass D", "fail E"),
			explained: []string{"A", "D", "E", "Gone"},
			want: lists{
				Passed: []string{"A/y", "D"}, Explained: []string{"A/x"}, Worse: []string{"AB"}, FailedBoth: []string{"E"},
				Stale: []string{"D", "Gone"},
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reasons := make(map[string]string)
			for _, name := range test.explained {
				reasons[name] = "a reason"
			}
			c := compare(test.bare, test.ours, reasons)
			if diff := cmp.Diff(test.want, c.lists()); diff != "" {
				t.Errorf("lists (-want +got):\n%s", diff)
			}
			if failed := len(test.want.Worse) > 0; failed != (c.err() != nil) {
				t.Errorf("error is %v", c.err())
			}
		})
	}
}

func TestImprove(t *testing.T) {
	c := compare(ran("pass A", "pass A/x", "pass A/y", "pass B"), ran("fail A", "fail A/x", "fail B"), nil)
	if diff := cmp.Diff([]string{"A", "B"}, topLevel(c.worse)); diff != "" {
		t.Errorf("to run again (-want +got):\n%s", diff)
	}
	c.improve(ran("pass A", "pass A/x", "pass A/y", "fail B"))
	want := lists{Passed: []string{"A/x", "A/y"}, Worse: []string{"B"}, Repeated: []string{"A/x", "A/y"}}
	if diff := cmp.Diff(want, c.lists()); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
}

func TestParse(t *testing.T) {
	found, other, err := parse(strings.NewReader(`{"Action":"start","Package":"p"}
{"Action":"run","Test":"A"}
{"Action":"output","Test":"A","Output":"one\n"}
{"Action":"output","Test":"A","Output":"two\n"}
{"Action":"fail","Test":"A"}
{"Action":"run","Test":"B"}
{"Action":"output","Output":"panic\n"}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := results{"A": {failed, "one\ntwo\n"}, "B": {missing, ""}}
	if diff := cmp.Diff(want, found, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if other != "panic\n" {
		t.Errorf("output of no test is %q", other)
	}
	if _, _, err := parse(strings.NewReader("go: no such tool\n")); err == nil || !strings.Contains(err.Error(), "no such tool") {
		t.Errorf("error is %v, want one with what was printed", err)
	}
}
