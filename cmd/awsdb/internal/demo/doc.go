// Package demo runs a database cluster in this process, a pool of connections
// that follows it, and a workload; takes the writer away several times; measures
// what the pool makes of it; and checks the data at the end. It knows nothing of
// terminals: whoever shows it asks for a Snapshot and the Events now and then.
package demo
