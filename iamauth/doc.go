// Package iamauth logs in with IAM database authentication: instead of a password that
// somebody must keep and change, a connection gets a token that the application's AWS
// credentials sign, and that is good for 15 minutes.
//
// Importing the package makes the plugin "iam" available:
//
//	import _ "github.com/awsdb/awsdb/iamauth"
//
// It runs when the connection string has no password and a host name that may be one of RDS (not
// localhost, an IP address or a socket), or has one of its parameters, unless the parameter plugins
// names others or another plugin for the login is configured:
//
//	postgres://app@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com:5432/mydb?sslmode=verify-full&sslrootcert=/etc/rds/global-bundle.pem
//
// A pgxpool with a BeforeConnect of its own, which may set the password, gets it by parameters only.
//
// [New] is the form for code that chooses its plugins, and its AWS credentials, itself.
//
// # In the database
//
// IAM authentication must be enabled for the cluster or instance, and the user be one
// of its kind. PostgreSQL:
//
//	CREATE USER app LOGIN;
//	GRANT rds_iam TO app;
//
// A PostgreSQL user who has the role rds_iam cannot log in with a password any more. MySQL:
//
//	CREATE USER app IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL;
//
// Give the user what the application needs, and no more, by GRANT as usual. awsdb's own connections
// log in as the same user, unless parameters such as topology-monitoring-user or monitoring-user
// name another, which gets tokens of its own, or also a password (topology-monitoring-password), which
// is used instead of tokens.
//
// # In AWS
//
// Whoever signs needs the permission rds-db:connect for the user, on the cluster's resource id
// (cluster-…, for an instance outside of clusters db-…, behind RDS Proxy prx-…), which is not its
// name:
//
//	{
//	  "Version": "2012-10-17",
//	  "Statement": [
//	    {
//	      "Effect": "Allow",
//	      "Action": "rds-db:connect",
//	      "Resource": "arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKL01234/app"
//	    }
//	  ]
//	}
//
// Nothing else is needed, and no service of AWS is asked: a token is signed locally. Which credentials
// do that is up to the AWS SDK's default chain (environment, shared files, web identity, container,
// instance role), the parameter aws_profile or [Options].
//
// # TLS
//
// A token is sent as it is, and logs in whoever has it. So connections need TLS that verifies the
// server; otherwise the login is refused on this side, unless iam_insecure_transport is true. Most operating
// systems do not know the certificate authorities of RDS. Download
// https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem and name the file:
//
//   - PostgreSQL: sslmode=verify-full&sslrootcert=/etc/rds/global-bundle.pem
//   - MySQL: ssl_ca=/etc/rds/global-bundle.pem; the clear-password plugin of MySQL is switched on for
//     tokens only, allowCleartextPasswords need not be set
//
// # What a token is signed for
//
// A server takes only tokens for its own RDS name and port, the user and the region. Every
// connection, also to an instance that was found in the topology or that a failover leads to, gets a token for the
// very name that it dials. Where that is no RDS name, it is signed for the name that iam_host gives, in which a ?
// stands for the instance's identifier, or else for the RDS name of which the dialled one is an alias (CNAME). So
// a tunnel needs iam_host, and iam_default_port if its port differs:
//
//	postgres://app@127.0.0.1:15432/mydb?iam_host=mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com&iam_default_port=5432
//
// The region is that of the parameter iam_region, else of the RDS name, else of the SDK's default. A region that
// contradicts the RDS name is an error when the handle is opened; an instance whose name is of
// another region, as in a global database, is signed for its own.
//
// A host of a blue/green deployment that has "-green-" in its name, and refuses tokens for that, is tried
// by the name that it takes over.
//
// # Life of a token
//
// The server takes a token for 15 minutes to log in; a connection that is open stays open. A token is used for new connections until iam_expiration,
// 870 seconds at most, are over, or the credentials that signed it have 30 seconds left; 0 signs one for each
// login. Credentials are renewed before they expire, in the background; while that fails, what there
// is serves as long as it is good. However many connections are opened at a time, credentials are
// retrieved once. A token that is refused is not used again: if it was not signed for that very
// login, there is one more attempt, with credentials that are retrieved anew.
//
// RDS takes about 200 new connections per second with IAM authentication, fewer on small
// instances: applications that open more should pool them or go through RDS Proxy.
//
// # Trouble
//
//   - "no AWS credentials": the SDK's chain found none; the error ends with what it says.
//   - "is no RDS name and no alias of one": set iam_host, see above.
//   - "the region of … is unknown": set iam_region.
//   - "PAM authentication failed" (PostgreSQL) or "Access denied" (MySQL, error 1045): the server refused the token. In this
//     order: the policy above and its resource id; the signer (aws sts get-caller-identity); rds_iam or
//     AWSAuthenticationPlugin of the user; IAM authentication of the cluster; iam_host, iam_default_port and iam_region; the clock of this machine.
//   - "certificate signed by unknown authority": see TLS.
package iamauth
