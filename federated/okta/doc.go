// Package okta is the plugin "okta": it signs in at Okta and logs in with the IAM token of
// the role that is given there.
//
//	import _ "github.com/awsdb/awsdb/federated/okta"
//
//	postgres://mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app?db_user=app
//	  &idp_endpoint=example.okta.com&app_id=exk1a2b3c4&idp_username=svc-app@example.com&idp_password=...
//	  &iam_role_arn=arn:aws:iam::123456789012:role/db-app&iam_idp_arn=arn:aws:iam::123456789012:saml-provider/okta
//
// It runs when app_id is given, or idp_endpoint where the package adfs is not linked in, unless the parameter
// plugins names others. [New] is the form for code that chooses its plugins itself.
// Parameters, what AWS and the database must allow, and what errors mean: see package
// federated.
//
// # The sign-in
//
// The application in Okta is "AWS Account Federation"; app_id is what follows /app/amazon_aws/ in
// its embed link. The plugin asks /api/v1/authn for a session token, and with it the
// application's page /app/amazon_aws/<app_id>/sso/saml for the assertion. The codes in its errors, such as
// E0000004 and MFA_REQUIRED, are Okta's. Okta limits how often one may sign in, in an organisation
// and for an account; the plugin does so about once an hour.
package okta
