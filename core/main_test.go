package core

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain also proves B26 for this package: whatever importing it starts would
// still be running at the end.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
