// An application of awsdb that logs in with IAM.
package main

import (
	"errors"

	_ "github.com/awsdb/awsdb/iamauth"
)

func init() {
	checks = append(checks, func(d database) error {
		const parameters = "plugins=iam&iam_host=db.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com"
		return errors.Join(wantOpen(d, parameters), wantConfig(d, parameters+"&iam_region=us-east-1a", "us-east-1a"))
	})
}
