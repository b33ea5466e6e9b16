package lab

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/awsdb/awsdb/lab/internal/gate"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Instance is one instance of a cluster. All methods are safe for concurrent use.
type Instance struct {
	cluster     *Cluster
	id          string
	region      string
	host        string
	ip          netip.Addr
	certificate *tls.Certificate // nil without TLS
	listener    *net.TCPListener // nil in memory
	gate        *gate.Gate

	dials    atomic.Int64
	admitted atomic.Int64 // logins to the lab's own processes

	mu          sync.Mutex // guards the rest; never held while waiting
	process     backend
	quietSince  time.Time // when the instance died or fell silent; zero: it is well
	statements  []Statement
	forgotten   int // of a real server: how many of its statements ResetStatements hides
	onStatement func(Statement) Fate
	onLogin     func(user string) error
	refusals    []error // of login tokens
	cpu         float64
	lag         time.Duration
	loadSet     bool
}

// backend is what runs behind an instance: a process of the lab's own, or a real server that is proxied to. It
// knows what a fault means for the process, and tells the gate.
type backend interface {
	serve(conn *gate.Conn) // one client, until its connection ends
	drop()                 // ends all sessions in an orderly way
	crash()                // whatever the process was about to do never happens; its connections are reset
	shutdown()             // drops all sessions, and then ends the process
	freeze()
	heal()    // ends all faults but a dead process
	restart() // ends all faults; connections of before are reset
	close()   // for good
	logins() int
	statements() []Statement
}

func (i *Instance) backend() backend {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.process
}

// ID is the instance identifier, "mydb-1".
func (i *Instance) ID() string { return i.id }

// Region is the AWS region.
func (i *Instance) Region() string { return i.region }

// Host is the DNS name, "mydb-1.c9xyz0abcdef.us-east-1.rds.amazonaws.com".
func (i *Instance) Host() string { return i.host }

// Addr is Host with the port.
func (i *Instance) Addr() string { return net.JoinHostPort(i.host, strconv.Itoa(i.cluster.port())) }

// IP is the address the cluster's DNS gives for the instance, "10.20.0.11". Only [Cluster.DialContext] knows a
// way there.
func (i *Instance) IP() string { return i.ip.String() }

// ListenAddr is where the instance really listens, "127.0.0.1:40001"; "" in memory.
func (i *Instance) ListenAddr() string {
	if i.listener == nil {
		return ""
	}
	return i.listener.Addr().String()
}

// Writer reports whether this instance is the cluster's writer, whether or not it is up.
func (i *Instance) Writer() bool {
	i.cluster.mu.Lock()
	defer i.cluster.mu.Unlock()
	return i.cluster.writer() == i.id && i.cluster.instance(i.id) == i
}

// Connections is the number of open connections as the instance sees it.
func (i *Instance) Connections() int { return i.gate.Live() }

// Dials is the number of attempts to connect so far, through DialContext, whatever became of them.
func (i *Instance) Dials() int { return int(i.dials.Load()) }

// Logins is the number of successful logins so far.
func (i *Instance) Logins() int { return i.backend().logins() }

// SetLoad sets what the status functions report: processor load in percent, and replica lag (of a reader). It
// panics in a cluster of real servers.
func (i *Instance) SetLoad(cpu float64, lag time.Duration) {
	i.cluster.mustSimulate("SetLoad")
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cpu, i.lag, i.loadSet = cpu, lag, true
}

// status is the instance's row. The cluster's mu is held.
func (i *Instance) status(writer bool, now time.Time) sqlengine.InstanceStatus {
	i.mu.Lock()
	defer i.mu.Unlock()
	cpu, lag := 10.0, 15*time.Millisecond
	if i.loadSet {
		cpu, lag = i.cpu, i.lag
	}
	if writer {
		lag = 0
	}
	updated := now
	if !i.quietSince.IsZero() {
		updated = i.quietSince // nobody renews the row any more
	}
	return sqlengine.InstanceStatus{
		ID: i.id, Region: i.region, Endpoint: i.host, Port: i.cluster.port(), Writer: writer,
		CPU: cpu, LagMillis: float64(lag) / float64(time.Millisecond), LastUpdate: updated,
	}
}

// accept serves the connections of a listener until it is closed.
func (i *Instance) accept(listener *net.TCPListener) {
	for {
		conn, err := listener.AcceptTCP()
		if err != nil {
			return // closed
		}
		i.serve(gate.TCP(conn))
	}
}

// serve starts a session; false when the cluster is closed.
func (i *Instance) serve(network gate.Network) bool {
	conn := i.gate.Wrap(network)
	if i.cluster.run(func() { defer conn.Close(); i.backend().serve(conn) }) {
		return true
	}
	conn.Reset()
	return false
}

// close ends the instance for good.
func (i *Instance) close() {
	if i.listener != nil {
		i.listener.Close()
	}
	i.backend().close()
	i.gate.Close()
}

// replace makes b the process behind the instance, which is well again.
func (i *Instance) replace(b backend) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.process, i.quietSince = b, time.Time{}
}

// healthy reports whether the instance would serve a new connection.
func (i *Instance) healthy() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.quietSince.IsZero() && i.gate.Healthy()
}
