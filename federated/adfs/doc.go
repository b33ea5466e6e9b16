// Package adfs is the plugin "federated_auth": it signs in at Active Directory Federation
// Services (AD FS) and logs in with the IAM token of the role that is given there.
//
//	import _ "github.com/awsdb/awsdb/federated/adfs"
//
//	postgres://mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app?db_user=app
//	  &idp_endpoint=adfs.corp.example.com&idp_username=svc-app@corp.example.com&idp_password=...
//	  &iam_role_arn=arn:aws:iam::123456789012:role/db-app&iam_idp_arn=arn:aws:iam::123456789012:saml-provider/corporate
//
// It runs when idp_endpoint is given, unless app_id is as well, or the parameter plugins names
// others. [New] is the form for code that chooses its plugins itself. Parameters, what
// AWS and the database must allow, and what errors mean: see package federated.
//
// # The sign-in
//
// The plugin opens /adfs/ls/IdpInitiatedSignOn.aspx?loginToRp=<rp_identifier>, fills the form with
// a password in, posts it, and takes the assertion from the page that follows. That page
// must be enabled (Set-AdfsProperties -EnableIdPInitiatedSignonPage $true; it is not since AD FS
// 2016), and forms authentication too. Of what can go wrong AD FS tells the difference by its pages
// alone: a second factor and an expired password are known by the fields of their forms, and a
// locked account looks like a wrong password.
package adfs
