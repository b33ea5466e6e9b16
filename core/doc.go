// Package core is what all modules of awsdb build on: it makes a pool of
// database connections follow an Amazon Aurora or RDS cluster.
//
// A driver module (pgdriver, mysqldriver) supplies an [Engine], the only code that knows the
// driver. A [Connector] is one handle: it is the driver.Connector that
// database/sql pools from. Its connections, each a [Conn] over a [Link] (the
// socket), share a [Cluster]: the [Topology], a monitor that keeps it true, and
// the knowledge of which hosts are down. What a connection should do beyond
// connecting is a [Plugin]'s business. A front end other than database/sql, such as
// pgdriver's pgxpool, takes its connections from [Connector.Open] and tells of each call by
// [Conn.Enter] and [Conn.Leave].
//
// Three ideas carry the design.
//
// The pool fails over, not the connection. A socket is never swapped under a
// live connection. When the writer changes, every connection to the old one is
// condemned: idle ones leave the pool before anybody gets them, busy ones when
// they are returned, or at once if their host is dead. The next dial lands on
// the new writer.
//
// A statement is delivered at most once. The Link counts the bytes that left
// this process; only a call that sent none is handed back to database/sql as
// driver.ErrBadConn, to be repeated unseen. Everything else ends in an [*Error]
// that says what is known about the request.
//
// Nothing costs anything while all is well. A call passes a few atomic loads: no
// lock, no allocation, no goroutine and no SQL of ours. Questions to the servers
// run on connections of our own. How long a call has been waiting is seen from
// outside: the Link stamps when a dial, Read or Write began ([Link.Blocked]), a
// [Runner] looks at the stamps of [Cluster.Links] when it has reason to, asks the host
// on another connection ([Connector.OpenBeside]) and, with proof that it is dead, cuts
// all of its connections ([Cluster.MarkDown]).
//
// Importing the package starts nothing; the first connection of a handle does,
// and sql.DB.Close ends it.
package core
