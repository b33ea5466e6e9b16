// Package failover keeps the connections of a pool on the right host of an
// Aurora or RDS cluster.
//
// Importing it makes four plugins available; "failover" runs by default and
// does what the others do as well:
//
//   - failover: every connection is opened to the instance that has the right
//     role, verified by asking it. When a connection is lost, the call waits
//     (within its context and failover_timeout_sec) until the cluster's writer is
//     known again, and returns core.ErrFailoverSuccess: running the unit of work
//     again at once works. Connections to a writer that was replaced leave the
//     pool before anybody gets them.
//   - initial_connection: only the verified connects.
//   - stale_dns: only the distrust of a cluster endpoint that still leads to the
//     old writer.
//   - aurora_connection_tracker: only the dropping of connections to a replaced
//     writer.
//
// What "the right role" is follows from the endpoint in the DSN, or from
// failover_mode: see [Mode].
//
// A writer that refuses connections, resets them, hangs or vanishes without a
// word is all one to the caller, once another has been promoted. Of the last two nobody
// is told by the network; so whenever a call on the writer has been waiting for half a
// second, the plugin makes the topology monitor look, and what the readers say decides.
// Calls on a healthy host may take as long as they like. Calls that wait for a reader
// that hangs, or for a writer that nobody replaces, are ended by package hostmonitor.
package failover
