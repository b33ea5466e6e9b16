package core

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Params of the shapes that plugins declare; the names are real ones.
var (
	timeoutParam = Param{
		Name: "failover_timeout_sec", Aliases: []Alias{{Name: "failover_timeout_ms", Unit: time.Millisecond}, {Name: "failover_timeout"}},
		Kind: Duration, Unit: time.Second, Default: "300",
	}
	modeParam = Param{Name: "failover_mode", Kind: Enum, Values: []string{"strict-writer", "strict-reader", "reader-or-writer"}}
)

func TestParamValues(t *testing.T) {
	text := Param{Name: "p"}
	truth := Param{Name: "p", Kind: Bool}
	count := Param{Name: "p", Kind: Int, Min: 1}
	seconds := Param{Name: "p", Kind: Duration, Unit: time.Second}
	millis := Param{Name: "p", Kind: Duration, Unit: time.Millisecond, Min: 100}
	tests := []struct {
		param Param
		value string
		want  any    // nil: an error
		error string // what it must contain
	}{
		{text, "a, b", "a, b", ""},
		{text, "  spaced\t", "spaced", ""},
		{text, "", "", ""},
		{truth, "true", true, ""}, {truth, "TRUE", true, ""}, {truth, "1", true, ""}, {truth, "on", true, ""}, {truth, "Yes", true, ""}, {truth, " t ", true, ""},
		{truth, "false", false, ""}, {truth, "0", false, ""}, {truth, "OFF", false, ""}, {truth, "no", false, ""}, {truth, "f", false, ""},
		{truth, "", nil, `p="": want true or false`}, {truth, "2", nil, "want true or false"}, {truth, "yess", nil, "want true or false"},
		{count, "1", int64(1), ""}, {count, " 42 ", int64(42), ""}, {count, "+7", int64(7), ""},
		{count, "0", nil, `p="0": want a whole number of at least 1`}, {count, "-3", nil, "at least 1"},
		{count, "1.5", nil, "whole number"}, {count, "", nil, "whole number"}, {count, "9223372036854775808", nil, "whole number"}, {count, "0x10", nil, "whole number"},
		{seconds, "30", 30 * time.Second, ""}, {seconds, "0", time.Duration(0), ""}, {seconds, "1.5", 1500 * time.Millisecond, ""},
		{seconds, "30s", 30 * time.Second, ""}, {seconds, "500ms", 500 * time.Millisecond, ""}, {seconds, "1h30m", 90 * time.Minute, ""}, {seconds, "1e3", 1000 * time.Second, ""},
		{seconds, "-1", nil, "want a number in seconds or a duration such as 30s or 500ms, at least 0s"},
		{seconds, "-1s", nil, "at least 0s"}, {seconds, "", nil, "number in seconds"}, {seconds, "30 s", nil, "number in seconds"}, {seconds, "soon", nil, "number in seconds"},
		{seconds, "31536001", nil, "number in seconds"}, {seconds, "1e300", nil, "number in seconds"}, {seconds, "Inf", nil, "number in seconds"}, {seconds, "-Inf", nil, "number in seconds"},
		{millis, "30000", 30 * time.Second, ""}, {millis, "100", 100 * time.Millisecond, ""}, {millis, "0.2s", 200 * time.Millisecond, ""},
		{millis, "99", nil, `p="99": want a number in milliseconds or a duration such as 30s or 500ms, at least 100ms`}, {millis, "99ms", nil, "at least 100ms"},
		{modeParam, "strict-writer", "strict-writer", ""}, {modeParam, "STRICT_WRITER", "strict-writer", ""}, {modeParam, "strictReader", "strict-reader", ""},
		{modeParam, " reader_or_writer ", "reader-or-writer", ""}, {modeParam, "readerorwriter", "reader-or-writer", ""},
		{modeParam, "", nil, "want one of strict-writer, strict-reader, reader-or-writer"}, {modeParam, "writer", nil, "want one of"},
	}
	for _, test := range tests {
		name := test.param.Kind.String() + " " + test.value
		got, err := test.param.parse("p", test.value, test.param.Unit)
		if test.want == nil {
			if err == nil || !strings.Contains(err.Error(), test.error) {
				t.Errorf("%s: value %v, error %v, want an error with %q", name, got, err, test.error)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The spellings and units of all AWS wrappers mean the same (design.md, Rooms).
func TestParamSpellingsAndUnits(t *testing.T) {
	info := named("failover", StageFailover)
	info.Params = []Param{timeoutParam, modeParam}
	r := registryOf(info)
	tests := map[string]map[string]string{
		"python":         {"failover_timeout_sec": "30"},
		"python, Go":     {"failover_timeout_sec": "30s"},
		"python, ms":     {"failover_timeout_sec": "30000ms"},
		"go and jdbc":    {"failoverTimeoutMs": "30000"},
		"go with a unit": {"failoverTimeoutMs": "30s"},
		"kebab":          {"failover-timeout-ms": "30000"},
		"upper":          {"FAILOVER_TIMEOUT_SEC": "30"},
		"no unit":        {"failover_timeout": "30"},
		"camel, no unit": {"failoverTimeout": "0.5m"},
		"camel seconds":  {"failoverTimeoutSec": "30"},
		"squeezed":       {"failovertimeoutsec": " 30 "},
	}
	for name, keys := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := r.take(keys)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Duration("failover_timeout_sec"); got != 30*time.Second {
				t.Errorf("failover_timeout_sec is %s, want 30s", got)
			}
			if !s.Given("failover_timeout_sec") || len(keys) != 0 {
				t.Errorf("given %t, keys left %v", s.Given("failover_timeout_sec"), keys)
			}
		})
	}
}

func TestSettingsWithoutValues(t *testing.T) {
	var s Settings
	if s.Given("plugins") || s.String("plugins") != "" || s.Bool("x") || s.Int("x") != 0 || s.Duration("x") != 0 || s.Prefixed(topologyPrefix) != nil {
		t.Error("the zero Settings are not empty")
	}
}

func TestKindString(t *testing.T) {
	want := map[Kind]string{String: "string", Bool: "bool", Int: "int", Duration: "duration", Enum: "enum"}
	for kind, name := range want {
		if kind.String() != name {
			t.Errorf("Kind(%d) is %q, want %q", kind, kind, name)
		}
	}
}
