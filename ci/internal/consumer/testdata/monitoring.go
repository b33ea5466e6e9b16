// An application of awsdb that notices dead hosts.
package main

import (
	"errors"

	_ "github.com/awsdb/awsdb/hostmonitor"
)

func init() { checks = append(checks, monitored) }

// monitored: besides being known, the plugin does not keep an error of the connect
// back.
func monitored(d database) error {
	return errors.Join(
		wantOpen(d, "failure_detection_time_ms=3000&failure_detection_count=2"),
		connect(d.name, d.dsn+"&plugins=efm2"),
	)
}
