// Package okta is the plugin "okta": it signs in at Okta and logs in with the IAM token of
// the role that is given there.
package okta
