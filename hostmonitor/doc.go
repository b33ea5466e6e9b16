// Package hostmonitor notices a dead host while calls wait for its answer, and costs
// nothing while all is well.
//
// A host that loses its power or its network says nothing any more, not even that the
// connection has ended; a server process that hangs keeps its connections open. A call
// then waits for the limits of the kernel, or for ever. A limit for each call is no way
// out where some statements rightly take long.
//
// Importing the package makes the plugin "host_monitoring_v2" available:
//
//	import _ "github.com/awsdb/awsdb/hostmonitor"
//
// It runs unless the parameter plugins names others, or failure_detection_enabled is
// false. [New] is the form for code that chooses its plugins itself.
//
// # When a host is down
//
// Nothing is done for a call. One loop per cluster looks at which connections have been
// waiting for the server for longer than failure_detection_time_ms, and sleeps until one
// of them could have. Only then the host is asked, on a connection of the monitor's own,
// one however many wait, every failure_detection_interval_ms. A host that answers, be it
// that it refuses the login or is still starting, is left alone, and so are the calls
// that wait for it, whatever they take.
//
// When failure_detection_count intervals have passed in which it did not answer, the host
// is down: every connection to it is cut, whether in a call, idle, or still being opened,
// and others are refused at once. With the defaults this is 45 seconds after the call
// began to wait: 30 until the host is asked, and three intervals of 5. Where connections
// are refused nobody waits for the last interval.
//
// The cut calls end as after any other loss of a connection, see [core.Error]; with the
// plugin failover that is a failover. The cause, a [core.LostError] that has Aborted set,
// says how long the host was silent.
//
// A host that is down is asked on, once per interval, and where it refuses at least every
// second, until it answers or nobody has wanted it for monitor_disposal_time_ms. With its
// first answer connections to it are welcome again. It is asked for by its name then, as
// those who want to connect to it do; and where a database has no identifier, another
// machine behind the same name is not down.
//
// # Deadlines
//
// A deadline of a caller that passes ends that call alone, on time. It is no proof of
// anything, but a reason to ask the host at once, though no call may ever wait for as
// long as failure_detection_time_ms. A caller who cancels gives no such reason.
//
// # Which host
//
// The host is the one that the connection leads to, known by what the server says of
// itself, or by its address if the server does not say or has not yet: names of a cluster,
// an instance, one's own (CNAME) and IP addresses are the same to it, and databases other
// than Aurora are monitored too. It is asked at the address that the waiting connection has: neither a
// name that leads elsewhere by now nor a name server that is out of order has a say in
// whether it is alive. Nor has what is wrong on this side: no credentials, no sockets left,
// a process that was suspended. Behind RDS Proxy the plugin does nothing.
//
// The monitor's connections log in as the application does, and go the same way, with its
// dialer and its TLS. Parameters of the driver with the prefix "monitoring-" change that,
// as in monitoring-user=watcher. Hooks of the application do not run on them.
//
// # What else there is
//
// A writer that hangs and is replaced is noticed sooner by the plugin failover, which asks
// the other hosts of the cluster; readers, and a writer that nobody replaces, are left to
// this one.
//
// The kernel's own means lie below all this, and are set by core for every connection: see
// the parameters tcp_keepalive and tcp_user_timeout_ms. By default they find a host that has
// vanished within 30 seconds on Linux, also when nobody waits for it, and none that hangs.
// To Linux, a server that takes no data for so long, such as a COPY that waits for a lock,
// is lost as well, though its host acknowledges all that was sent. So the monitor takes
// TCP_USER_TIMEOUT off a connection when a write has waited for half of it, and is the one
// to judge from then on.
package hostmonitor
