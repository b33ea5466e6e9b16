package credentials

import (
	"testing"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/hostmonitor"
)

// linked are the plugins that run by default, outermost first, for one handle.
func linked(t *testing.T) []core.Plugin {
	t.Helper()
	monitor, err := hostmonitor.New(hostmonitor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	follow, err := failover.New(failover.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return []core.Plugin{monitor, follow}
}
