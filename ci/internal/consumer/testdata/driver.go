// An application of awsdb without any plugin.
package main

import "errors"

func init() { checks = append(checks, pluginsNotLinked) }

// pluginsNotLinked: the error must name the import line that is missing, whether
// it is the plugin that is asked for or one of its parameters.
func pluginsNotLinked(d database) error {
	const failover, hostmonitor = "github.com/awsdb/awsdb/failover", "github.com/awsdb/awsdb/hostmonitor"
	const iamauth, secrets, okta = "github.com/awsdb/awsdb/iamauth", "github.com/awsdb/awsdb/secrets", "github.com/awsdb/awsdb/federated/okta"
	return errors.Join(
		wantConfig(d, "plugins=failover", failover), wantConfig(d, "failover_timeout_sec=3", failover),
		wantConfig(d, "plugins=host_monitoring_v2", hostmonitor), wantConfig(d, "failure_detection_time_ms=3000", hostmonitor),
		wantConfig(d, "plugins=iam", iamauth), wantConfig(d, "iam_region=us-east-1", iamauth),
		wantConfig(d, "secrets_manager_secret_id=db", secrets), wantConfig(d, "plugins=okta", okta),
	)
}
