// Package federated is what the plugins federated/adfs and federated/okta share: from a
// SAML assertion to a login token.
package federated
