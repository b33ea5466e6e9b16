// Package federated logs in to a database with an account of the company's directory: it is
// what the plugins federated/adfs and federated/okta share.
//
//	import _ "github.com/awsdb/awsdb/federated/adfs" // plugin federated_auth: Active Directory Federation Services
//	import _ "github.com/awsdb/awsdb/federated/okta" // plugin okta
//
// Neither an AWS access key nor a database password is needed, or kept anywhere.
//
// # What happens
//
//  1. The plugin signs in at the identity provider, by https, with the account's user
//     name and password, and gets a SAML assertion.
//  2. It exchanges that for temporary credentials of a role, at AWS STS of the region that the
//     database is in (AssumeRoleWithSAML).
//  3. It makes login tokens for the database user with these, as the plugin iam does, for
//     each host that is dialled.
//
// Credentials last for an hour unless the assertion says otherwise (its attribute
// SessionDuration), and are renewed in the background when a quarter of that is left.
// However many connections are opened, there is one sign-in, and while the credentials last an
// outage of the identity provider is not noticed but in the log. Tokens are kept for 14.5
// minutes. awsdb's own connections log in in the same way, as the same database user, unless they have
// a password of their own (topology-monitoring-password, monitoring-password).
//
// # Parameters
//
//	db_user                       database user that logs in
//	idp_endpoint                  host name of the identity provider
//	idp_port                      its port (443)
//	idp_username, idp_password    the account; absent: user and password of the connection string
//	iam_role_arn                  role to assume: arn:aws:iam::123456789012:role/db-app
//	iam_idp_arn                   identity provider in IAM: arn:aws:iam::123456789012:saml-provider/corporate
//	rp_identifier                 AD FS only: relying party (urn:amazon:webservices)
//	app_id                        Okta only: the application's id
//	http_request_connect_timeout  limit in seconds for each request to the identity provider and to STS (60)
//	ssl_secure                    false: the identity provider's certificate is not verified; for tests only (true)
//	iam_token_expiration          how long a token is used, in seconds (870, which is the most)
//	iam_region, iam_host, iam_default_port, iam_insecure_transport, aws_profile
//	                              as for the plugin iam
//
// All wrappers' spellings are taken: idpEndpoint, httpTimeoutMs, sslInsecure and so on. In code
// there are adfs.New and okta.New with their Options.
//
// The user name is sent as it is: AD FS wants jane@corp.example.com or CORP\jane. STS is found
// as the SDK finds it: AWS_ENDPOINT_URL_STS and the settings of a profile apply, and so does
// Options.AWS.
//
// # In AWS
//
// The role's trust policy lets users of the identity provider assume it:
//
//	{
//	  "Version": "2012-10-17",
//	  "Statement": [{
//	    "Effect": "Allow",
//	    "Principal": {"Federated": "arn:aws:iam::123456789012:saml-provider/corporate"},
//	    "Action": "sts:AssumeRoleWithSAML",
//	    "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}
//	  }]
//	}
//
// In other partitions the audience is another: https://signin.amazonaws.cn/saml,
// https://signin.amazonaws-us-gov.com/saml. The role's permissions are the login as the database user, and
// nothing else. The resource id of the cluster begins with cluster-, see "aws rds
// describe-db-clusters":
//
//	{
//	  "Version": "2012-10-17",
//	  "Statement": [{
//	    "Effect": "Allow",
//	    "Action": "rds-db:connect",
//	    "Resource": "arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKL01234/app"
//	  }]
//	}
//
// The assertion must have the attribute https://aws.amazon.com/SAML/Attributes/Role with the
// value "<iam_role_arn>,<iam_idp_arn>".
//
// In the database, of which IAM authentication must be enabled, the user is one that logs in
// with tokens. PostgreSQL:
//
//	CREATE USER app LOGIN;
//	GRANT rds_iam TO app;
//
// MySQL:
//
//	CREATE USER app IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL;
//
// Tokens are only sent where TLS verifies the server. For that, the certificates of RDS, tunnels
// and names of one's own see package iamauth: all it says of tokens holds here, too.
//
// # The account
//
// Somebody who types codes is not there, so that the account must be exempt from a second
// factor, for this application and from these networks at least.
//
// A password that was refused is not sent again at once, whatever is dialled: after one
// minute, then four, then every fifteen, so that the directory does not lock the account.
// Meanwhile the error is the same, and says until when. This is for each process; many that
// start at a time with a wrong password are as many attempts. When a setting makes sign-ins
// useless, such as the role's trust policy, there is one in a minute, and in outages one every few
// seconds.
//
// The password is sent to the host of idp_endpoint, or to the one that it redirects the
// sign-in page to, and to no other; nothing is sent without https. No error and no log
// has the password, the assertion, cookies, or text of a page.
//
// # Troubleshooting
//
// Errors are an [*Error] with a Kind for errors.Is; the texts begin with where and at what:
//
//	user name or password refused     AD FS says so of locked accounts, too. CORP\jane or jane@corp.example.com?
//	a second factor is demanded       exempt the account, see above
//	the password has expired          change it in a browser
//	no form for a password            AD FS: Set-AdfsProperties -EnableIdPInitiatedSignonPage $true, and forms
//	                                  authentication for the intranet
//	no SAML assertion in the answer   rp_identifier or app_id is wrong, or the account may not use the application
//	the SAML assertion was refused    iam_idp_arn is not that of this identity provider, or the metadata in IAM is
//	                                  old (the signing certificate has been replaced); the message is that of STS
//	the SAML assertion has expired    a clock is wrong: the assertion is seconds old
//	the role was refused              the trust policy, or the attribute Role of the assertion, see above
//	no answer in time                 a proxy or firewall? HTTPS_PROXY applies. The limit is http_request_connect_timeout
//	failed to verify certificate      add the company's root certificate to the system's (SSL_CERT_FILE on Linux)
//
// When there is a token and the database refuses it (PAM authentication failed, Access
// denied), the sign-in has done its part: see the permission rds-db:connect, and the user's grant, above.
package federated
