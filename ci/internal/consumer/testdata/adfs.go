// An application of awsdb that signs in at ADFS.
package main

import (
	"errors"

	_ "github.com/awsdb/awsdb/federated/adfs"
)

func init() {
	checks = append(checks, func(d database) error {
		const parameters = "plugins=federated_auth&db_user=app&idp_endpoint=idp.example&idp_username=ann&idp_password=do-not-print&iam_host=db.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com&iam_role_arn=arn:aws:iam::123456789012:role/db&iam_idp_arn=arn:aws:iam::123456789012:saml-provider/adfs"
		return errors.Join(wantOpen(d, parameters), wantConfig(d, parameters+"&iam_region=us-east-1a", "us-east-1a"))
	})
}
