// Package conformance holds the tests that need several of awsdb's modules at
// once: what the promises of the design mean for an application that uses a pool
// against a cluster. It is never released.
//
//   - frontend: what the tests have to know of each front end; they are written
//     once and run for all.
//   - attempt, demand: how tests find what servers received, and what they demand of errors.
//   - scenarios: one readable test for each problem users of Aurora clients had.
//   - simulation: random faults in virtual time, invariants checked.
//   - recipes: how to write with ORMs and query builders, for simulation, and what they make
//     of errors.
//   - delivery: the connection is cut at every point of the protocol.
//   - credentials: logins with tokens, secrets and sign-ins, over time and in trouble.
//   - pgxpool: the native pool, whose interface is not that of database/sql.
//   - real: failovers of real database servers.
//   - blackhole, frozen: hosts that a firewall makes vanish, an application that is suspended.
//   - driverapi: the interfaces and values that database/sql gets.
//   - parameters: those of all modules, against those of the other AWS wrappers.
//   - sqlalchemy: what the Python wrapper promises to users of SQLAlchemy, under ORMs of Go.
//   - docs: the README and the pages in docs: their tables, connection strings, errors and links.
package conformance
