// An application of awsdb that follows the cluster.
package main

import (
	"database/sql"
	"errors"

	_ "github.com/awsdb/awsdb/failover"
)

func run(d database) error {
	return errors.Join(wrongParameter(d), pluginLinked(d), connect(d.name, d.dsn+"&plugins=none"))
}

// pluginLinked: the parameters of a plugin are known once it is imported. The
// check of the driver alone proves that they are not before.
func pluginLinked(d database) error {
	db, err := sql.Open(d.name, d.dsn+"&plugins=failover&failover_timeout_sec=3")
	if err != nil {
		return err
	}
	return db.Close()
}
