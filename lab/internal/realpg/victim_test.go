package realpg

import (
	"path/filepath"
	"testing"

	"github.com/awsdb/awsdb/lab/internal/realserver/servertest"
)

// TestKilledProcessLeavesNoServer kills a process that runs a cluster.
func TestKilledProcessLeavesNoServer(t *testing.T) {
	temporary := servertest.TemporaryDirectory(t)
	servertest.KilledProcess(t, 2)
	lost, err := filepath.Glob(filepath.Join(temporary, "*", "*", "postmaster.pid"))
	if err != nil || len(lost) != 2 {
		t.Errorf("data directories %v, error %v", lost, err)
	}
	for _, path := range lost {
		releaseSharedMemory(filepath.Dir(path))
	}
}
