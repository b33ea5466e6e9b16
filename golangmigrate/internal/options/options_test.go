package options

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

func TestTakeLeavesEverythingElse(t *testing.T) {
	for databaseURL, want := range map[string]string{
		"awspg://u:p%40@host/db":                                "awspg://u:p%40@host/db",
		"awspg://host/db?x-table=a":                             "awspg://host/db",
		"awspg://host/db?sslmode=disable&x-table=a&plugins=a,b": "awspg://host/db?sslmode=disable&plugins=a,b",
		"awsmysql://u:p?x-table=b@tcp(host)/db?x-table=a&c=%2F": "awsmysql://u:p?x-table=b@tcp(host)/db?c=%2F",
		"u:p?@tcp(host)/db?x-table=a":                           "u:p?@tcp(host)/db?", // where the parameters begin can still be seen
	} {
		rest, o := Take(databaseURL, "x-table")
		if err := o.Err(); rest != want || err != nil {
			t.Errorf("%s: %s, %v, want %s", databaseURL, rest, err, want)
		}
		if strings.Contains(databaseURL, "table=a") && o.Text("x-table") != "a" {
			t.Errorf("%s: x-table=%q", databaseURL, o.Text("x-table"))
		}
	}
}

func TestValues(t *testing.T) {
	_, o := Take(`awspg://host/db?x-text=%22a%22.%22b%22&x-on=true&x-off=0&x-wait=1500&x-empty=`,
		"x-text", "x-on", "x-off", "x-wait", "x-empty", "x-absent")
	got := []any{o.Text("x-text"), o.Bool("x-on"), o.Bool("x-off"), o.Bool("x-empty"), o.Milliseconds("x-wait"), o.Int("x-absent")}
	if diff := cmp.Diff([]any{`"a"."b"`, true, false, false, 1500 * time.Millisecond, 0}, got); diff != "" || o.Err() != nil {
		t.Errorf("%v (-want +got):\n%s", o.Err(), diff)
	}
}

func TestMistakes(t *testing.T) {
	for query, want := range map[string]string{
		"x-tabel=a":     "x-tabel is not known: want x-table, x-on, x-wait",
		"x-table=%zz":   `x-table: invalid URL escape "%zz"`,
		"x-on=perhaps":  `x-on="perhaps": want true or false`,
		"x-wait=2s":     `x-wait="2s": want a number`,
		"x-wait=-1":     `x-wait="-1": want a number`,
		"x-on=2&x-wait": `x-on="2": want true or false`,
	} {
		_, o := Take("awspg://u:secret@host/db?"+query, "x-table", "x-on", "x-wait")
		o.Bool("x-on")
		o.Milliseconds("x-wait")
		if err := o.Err(); !errors.Is(err, core.ErrConfig) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
	for _, password := range []string{"?x-secret", "?&x-secret", "?x-a=secret"} {
		if _, o := Take("u:"+password+"@tcp(host)/db", "x-table"); o.Err() == nil || strings.Contains(o.Err().Error(), "secret") {
			t.Errorf("password %s: %v", password, o.Err())
		}
	}
	if _, o := Take("awspg://host/db?x-a=1&x-b=2"); strings.Count(o.Err().Error(), "not known") != 2 {
		t.Errorf("not every mistake is told: %v", o.Err())
	}
}
