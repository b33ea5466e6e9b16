// An application of awsdb that logs in with what Secrets Manager keeps.
package main

import (
	"errors"

	_ "github.com/awsdb/awsdb/secrets"
)

func init() {
	checks = append(checks, func(d database) error {
		const parameters = "secrets_manager_secret_id=arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf"
		return errors.Join(wantOpen(d, parameters), wantConfig(d, parameters+"&secrets_manager_region=us-east-1a", "us-east-1a"))
	})
}
