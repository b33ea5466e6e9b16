package failover

import (
	"errors"
	"testing"
	"time"

	"github.com/awsdb/awsdb/core"
)

func TestParseMode(t *testing.T) {
	for text, want := range map[string]Mode{
		"": ByEndpoint, "strict-writer": StrictWriter, "strict_writer": StrictWriter, "StrictWriter": StrictWriter,
		"STRICT_READER": StrictReader, "reader-or-writer": ReaderOrWriter, "readerOrWriter": ReaderOrWriter,
	} {
		if got, err := parseMode(text); got != want || err != nil {
			t.Errorf("parseMode(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"strict", "writer", "by-endpoint", "as-named"} {
		if _, err := parseMode(text); !errors.Is(err, core.ErrConfig) {
			t.Errorf("parseMode(%q): %v, want ErrConfig", text, err)
		}
	}
}

// The default of each endpoint (B59).
func TestModeOfEndpoint(t *testing.T) {
	const domain = "c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	for host, want := range map[string]Mode{
		"mydb.cluster-" + domain:                   StrictWriter,
		"mydb.cluster-ro-" + domain:                ReaderOrWriter,
		"mydb.global-abc.global.rds.amazonaws.com": StrictWriter,
		"mydb-1." + domain:                         ByEndpoint,
		"mydb.cluster-custom-" + domain:            ByEndpoint,
		"db.example.com":                           ByEndpoint,
		"10.0.0.1":                                 ByEndpoint,
	} {
		if got := ofEndpoint(core.ParseEndpoint(host)); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
}

func TestAcceptsAndWants(t *testing.T) {
	for mode, want := range map[Mode]core.Role{
		StrictWriter: core.RoleWriter, StrictReader: core.RoleReader, ReaderOrWriter: core.RoleUnknown, asNamed: core.RoleUnknown,
	} {
		if mode.wants() != want {
			t.Errorf("%v wants %v", mode, mode.wants())
		}
		for _, role := range []core.Role{core.RoleWriter, core.RoleReader} {
			if got := mode.accepts(role); got != (want == core.RoleUnknown || want == role) {
				t.Errorf("%v accepts %v: %v", mode, role, got)
			}
		}
	}
}

// A call that waits is looked at after half a second, and then ever more rarely.
func TestLookDue(t *testing.T) {
	var looks []time.Duration
	for blocked := time.Duration(0); blocked <= 2*time.Minute; blocked += lookEvery {
		if lookDue(blocked) {
			looks = append(looks, blocked)
		}
	}
	want := []float64{0.5, 1, 2, 4, 8, 16, 32, 62, 92}
	if len(looks) != len(want) {
		t.Fatalf("looks at %v, want %v seconds", looks, want)
	}
	for i := range want {
		if looks[i].Seconds() != want[i] {
			t.Errorf("look %d after %v, want %v s", i, looks[i], want[i])
		}
	}
}
