// Package iamauth is the plugin "iam": it logs in with IAM database authentication.
package iamauth
