// Package conformance holds the tests that need several of awsdb's modules at
// once: what the promises of the design mean for an application that uses a pool
// against a cluster. It is never released.
//
//   - simulation: random faults in virtual time, invariants checked.
//   - delivery: the connection is cut at every point of the protocol.
//   - real: the same against real PostgreSQL processes.
package conformance
