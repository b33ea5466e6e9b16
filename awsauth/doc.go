// Package awsauth is what awsdb's plugins for the login share: iam (module iamauth),
// aws_secrets_manager (secrets), federated_auth and okta (federated). Applications need it for
// [Options], with which those plugins are told whose AWS credentials to use; the rest is for
// those who write such plugins.
//
// There are three layers:
//
//   - [Source] is the configuration of the AWS SDK, loaded once, when it is first needed.
//     [KeepCredentials] keeps what a provider returns and renews it in time.
//   - [Cache] keeps what is expensive to get, whatever it is: one fetch for all who wait, renewal in the
//     background ahead of expiry, growing pauses after failures.
//   - [Tokens] is a whole plugin that logs in with RDS tokens, and differs between iam, federated_auth
//     and okta by whose credentials sign them.
//
// What runs in the background runs in the plugin's Run, which the handle starts before its first
// login, and ends and awaits when it is closed.
package awsauth
