// Package credentials holds the tests of logins with credentials from AWS: tokens,
// secrets and sign-ins, through all front ends, in virtual time, against the lab's
// cluster and its cloud. What every test logs, and every error, is searched for every
// secret that it used: see evidence.
//
// The plugins register when they are linked, so that they are in no other test's binary.
package credentials
