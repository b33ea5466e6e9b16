// Package secrets logs in with a user and password that AWS Secrets Manager keeps, and
// follows them when they are changed.
//
// Importing it makes the plugin "aws_secrets_manager" available:
//
//	import _ "github.com/awsdb/awsdb/secrets"
//
// It runs when the connection string names a secret, by its name or ARN, and then neither
// the user nor the password of the connection string is used:
//
//	postgres://mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app?secrets_manager_secret_id=prod/db
//	tcp(mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com)/app?secrets_manager_secret_id=prod/db
//
// [New] is the form for code that chooses its plugins itself, or has an AWS configuration
// of its own. All connections of the handle log in so: the application's, those of pools,
// and the monitors', except where a monitor was given a password.
//
// # The secret
//
// A secret must be text, a JSON object with a user and a password, as Secrets Manager
// and RDS make it:
//
//	{"username": "app", "password": "..."}
//
// secrets_manager_secret_username_key and secrets_manager_secret_password_key name other
// keys. All else in it is ignored, above all a host: the connection string says where the
// database is. A password that RDS manages (the ARN ends in "secret:rds!..." and six more characters) is
// such a secret; aws rds describe-db-clusters prints its ARN as MasterUserSecret. Better have a user of
// the application's own with a secret of its own.
//
// The secret is looked for in the region of secrets_manager_region, of the ARN, of the
// host's RDS name, or of the AWS configuration, whichever there is first. The AWS identity is the
// SDK's default: environment, shared files (aws_profile names a section), web identity,
// container, instance role. It needs this policy, the second statement only where the secret is
// encrypted with a key of your own:
//
//	{
//	  "Version": "2012-10-17",
//	  "Statement": [
//	    {
//	      "Effect": "Allow",
//	      "Action": "secretsmanager:GetSecretValue",
//	      "Resource": "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-??????"
//	    },
//	    {
//	      "Effect": "Allow",
//	      "Action": "kms:Decrypt",
//	      "Resource": "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
//	    }
//	  ]
//	}
//
// From a private network Secrets Manager is reached by an interface endpoint; if that has
// no private DNS name, secrets_manager_endpoint says its URL.
//
// # How often it is fetched
//
// Once, before the first login. When it is older than secrets_manager_expiration and still
// in use, it is fetched anew in the background, and logins go on with what there is. So an outage of Secrets Manager matters to nobody as long as the last
// secret still logs in. With secrets_manager_expiration=0 every login waits for the
// secret as it is then. A thousand connections at a time make one call.
//
// # Rotation
//
// When the server refuses a password that was not fetched for this very login, it is
// fetched anew and, if it is another, tried once more: a password that was changed costs one
// refused login.
//
// Rotation by Secrets Manager changes the password in the database first, and only then,
// some seconds later, makes the new version of the secret the current one (stage AWSCURRENT).
// Meanwhile it is the pending one (AWSPENDING). So if the current version is refused
// and there is a pending version, that is tried, then both in turn, with pauses that grow from
// secrets_manager_connect_retry_interval_ms to half a minute, for
// secrets_manager_connect_retry_timeout_ms or until the caller's context ends. Once the pending
// version has worked, other logins begin with it, until it is current. Without a
// pending version nothing is waited for: the password is wrong, and the server's error says so at once.
// If Secrets Manager cannot be asked, or a policy allows AWSCURRENT alone (the condition
// secretsmanager:VersionStage), the current version is tried again within the same time.
//
// secrets_manager_connect_retry_timeout_ms=0 turns that off: what is fresh and refused is an error.
// The user may change with the password, as where two users take turns. Passwords that are set by
// hand should be set in the database first, then in the secret.
//
// Connections that are open stay open: databases check a password at login only.
//
// # Troubleshooting
//
// No error and no log has anything of the secret. Errors of Secrets Manager are wrapped: errors.As finds
// the SDK's types, and errors.Is finds [ErrInvalid] for what is wrong with the secret itself.
//
//	AccessDeniedException                 the policy above is missing, or names another secret: ARNs end in six random characters
//	ResourceNotFoundException             another region, a misspelt name, or a secret of another account, which needs its ARN
//	DecryptionFailure                     kms:Decrypt is missing, or the key is disabled
//	the secret is not usable: ...         it is binary, no JSON object, or its keys have other names
//	in which AWS region is it             neither parameter, ARN, RDS host name nor AWS configuration tells
//	no credentials within 15s: ...        no way to Secrets Manager: NAT, interface endpoint, security group
//	password authentication failed,       the secret does not have the database's password: rotate it (aws secretsmanager
//	Access denied for user                rotate-secret), or set both by hand
package secrets
