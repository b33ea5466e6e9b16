package frontend

import "testing"

// Each runs a test for each front end.
func Each(t *testing.T, test func(t *testing.T, f Frontend)) {
	t.Helper()
	for _, f := range All() {
		t.Run(f.Name(), func(t *testing.T) { test(t, f) })
	}
}
