package core

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Topology is an immutable picture of a cluster. A newer picture has a higher
// Epoch. It is shared by everybody who asked for it; nobody may change it.
type Topology struct {
	// Epoch counts publications within one Cluster, from 1.
	Epoch uint64
	// Hosts are all known instances, ordered by ID.
	Hosts []Host
	// SeenAt is when the question was asked that this picture answers: what it
	// says was true at that instant or later.
	SeenAt time.Time
	// SeenFrom is the ID of the instance that gave the answer.
	SeenFrom string
	// Verified tells that the writer itself confirmed its role, both by its own
	// state and by its own row of the status table. Without it the writer is
	// hearsay: good enough to try, not to condemn anybody.
	Verified bool
	// Stable tells that the writer could not be asked, and that waiting longer
	// would not tell more: all who answered have agreed on it for a while, or it
	// refuses us.
	Stable bool

	changed chan struct{}
}

// Changed is closed when a newer Topology has been published, so that waiting
// for one is a select.
func (t *Topology) Changed() <-chan struct{} { return t.changed }

// Writer returns the writer. ok is false when none is known.
func (t *Topology) Writer() (h Host, ok bool) {
	for _, h := range t.Hosts {
		if h.Role == RoleWriter {
			return h, true
		}
	}
	return Host{}, false
}

// Readers returns the readers in a new slice.
func (t *Topology) Readers() []Host {
	var readers []Host
	for _, h := range t.Hosts {
		if h.Role == RoleReader {
			readers = append(readers, h)
		}
	}
	return readers
}

// Host finds an instance by its ID.
func (t *Topology) Host(id string) (Host, bool) {
	for _, h := range t.Hosts {
		if h.ID == id {
			return h, true
		}
	}
	return Host{}, false
}

func (t *Topology) sameHosts(hosts []Host) bool { return slices.Equal(t.Hosts, hosts) }

// Instance is one row of what a host reports about its cluster.
type Instance struct {
	// ID is the instance identifier.
	ID string
	// Endpoint is the instance's DNS name where the server reports it (Multi-AZ
	// clusters do, Aurora does not).
	Endpoint string
	// Region is the instance's region; only Global Databases report it.
	Region string
	// Writer tells that the row carries the writer's mark.
	Writer bool
	// UpdatedAt is when the cluster last heard of the instance, by the server's
	// clock. Zero when the server does not say.
	UpdatedAt time.Time
	// Age is how long before the answer that was. Rows older than five minutes
	// belong to instances that are gone.
	Age time.Duration
}

// staleAfter is how long a deleted instance may linger in Aurora's status
// table; the AWS wrappers use the same figure.
const staleAfter = 5 * time.Minute

// currentInstances drops rows of instances that are gone, keeps the newest row
// of each name and the newest of several writers' marks (after a failover the old
// one may linger).
func currentInstances(rows []Instance) []Instance {
	newest := map[string]*Instance{}
	for i := range rows {
		r := &rows[i]
		if r.ID == "" || (!r.Writer && r.Age > staleAfter) {
			continue
		}
		key := strings.ToLower(r.ID)
		if old, ok := newest[key]; !ok || r.UpdatedAt.After(old.UpdatedAt) {
			newest[key] = r
		}
	}
	keys := slices.Sorted(maps.Keys(newest))
	writer := ""
	for _, key := range keys {
		if r := newest[key]; r.Writer && (writer == "" || r.UpdatedAt.After(newest[writer].UpdatedAt)) {
			writer = key
		}
	}
	current := make([]Instance, 0, len(newest))
	for _, key := range keys {
		r := *newest[key]
		r.Writer = key == writer // a lingering mark makes no second writer
		current = append(current, r)
	}
	return current
}

// writerOf returns the ID of the row with the writer's mark, or "".
func writerOf(rows []Instance) string {
	for _, r := range rows {
		if r.Writer {
			return r.ID
		}
	}
	return ""
}

func writerID(hosts []Host) string {
	for _, h := range hosts {
		if h.Role == RoleWriter {
			return h.ID
		}
	}
	return ""
}
