// Package demand is what tests demand of errors.
package demand

import (
	"errors"
	"testing"
)

// Is demands that err matches all of targets.
func Is(t *testing.T, what string, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("%s: error does not match %q: %v", what, target, err)
		}
	}
}

// IsNot demands that err matches none of targets.
func IsNot(t *testing.T, what string, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if errors.Is(err, target) {
			t.Errorf("%s: error matches %q: %v", what, target, err)
		}
	}
}
