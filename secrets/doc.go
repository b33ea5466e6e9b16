// Package secrets is the plugin "aws_secrets_manager": it logs in with a user and password
// that AWS Secrets Manager keeps.
package secrets
