// An application of awsdb without any plugin.
package main

import "errors"

func run(d database) error {
	return errors.Join(wrongParameter(d), pluginNotLinked(d), connect(d.name, d.dsn+"&plugins=none"))
}

// pluginNotLinked: the error must name the import line that is missing.
func pluginNotLinked(d database) error {
	return wantConfig(d.name, d.dsn+"&plugins=failover", "github.com/awsdb/awsdb/failover")
}
