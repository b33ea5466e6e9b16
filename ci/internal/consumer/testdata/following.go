// An application of awsdb that follows the cluster.
package main

import _ "github.com/awsdb/awsdb/failover"

func init() {
	checks = append(checks, func(d database) error { return wantOpen(d, "plugins=failover&failover_timeout_sec=3") })
}
