package hostmonitor_test

import (
	"fmt"
	"time"

	"github.com/awsdb/awsdb/hostmonitor"
)

// A host that stays silent for a second and a half is down, as soon as a call has waited
// for one second before. The plugin is for WithPlugins of the driver modules.
func ExampleNew() {
	monitor, err := hostmonitor.New(hostmonitor.Options{
		DetectionTime: time.Second,
		Interval:      500 * time.Millisecond,
		Count:         3,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(monitor.Code())
	// Output:
	// host_monitoring_v2
}
