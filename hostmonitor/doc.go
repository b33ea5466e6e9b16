// Package hostmonitor notices a dead host while calls wait for its answer, and costs
// nothing while all is well.
//
// A host that loses its power or its network says nothing any more, not even that the
// connection has ended; a server process that hangs keeps its connections open. A call
// then waits for the limits of the kernel, or for ever. A limit for each call is no way
// out where some statements rightly take long.
//
// Nothing is done for a call. One loop per cluster looks at which connections have been
// waiting for the server for longer than failure_detection_time_ms; it sleeps until the
// first of them could have. Only then the host is asked, on a connection of the
// monitor's own, one however many wait. A host that answers is left alone, and so are
// the calls that wait for it, whatever they take. When failure_detection_count intervals
// of failure_detection_interval_ms have passed in which it did not answer, it is down:
// every connection to it is cut, in use or idle, and opening others fails at once until
// it answers again. With the defaults this is 45 seconds after the call began to wait.
// The cut calls end as after any other loss of a connection; with the plugin failover
// that is a failover.
//
// The host is the one that the connection leads to, known by what the server says of
// itself. It is asked at the address that the waiting connection has: neither a name
// that leads elsewhere by now nor a name server that is out of order has a say in
// whether it is alive.
//
// A deadline of a caller that passes ends that call alone. It is no proof of anything,
// but a reason to ask the host at once, though no call may ever wait for as long as
// failure_detection_time_ms.
//
// The kernel's own means lie below all this, and are set by core for every connection:
// see tcp_keepalive and tcp_user_timeout_ms. They find a host that has vanished within
// ten to thirty seconds, and none that hangs.
package hostmonitor
