package token

import "testing"

func TestNumberEnd(t *testing.T) {
	for source, want := range map[string]string{
		"12":     "12",
		"12 3":   "12",
		"1.5x":   "1.5",
		".5.5":   ".5",
		"1.":     "1.",
		"1e5":    "1e5",
		"1E+5-2": "1E+5",
		"1.5e-7": "1.5e-7",
		"1e":     "1",
		"1e+":    "1",
		"1else":  "1",
		"1+2":    "1",
	} {
		if got := source[:NumberEnd(source, 0)]; got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
	if got := NumberEnd("a = 1.5;", 4); got != 7 {
		t.Errorf("ends at %d, want 7", got)
	}
}
