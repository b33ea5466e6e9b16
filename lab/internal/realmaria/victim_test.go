package realmaria

import (
	"testing"

	"github.com/awsdb/awsdb/lab/internal/realserver/servertest"
)

// TestKilledProcessLeavesNoServer kills a process that runs a cluster.
func TestKilledProcessLeavesNoServer(t *testing.T) {
	servertest.TemporaryDirectory(t)
	servertest.KilledProcess(t, 2)
}
