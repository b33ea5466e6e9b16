// Package adfs is the plugin "federated_auth": it signs in at Active Directory Federation
// Services and logs in with the IAM token of the role that is given there.
package adfs
