// Package awsauth is what awsdb's credential plugins share: the AWS SDK's configuration,
// the region a database is in, a cache of credentials that are fetched, and RDS tokens.
package awsauth
