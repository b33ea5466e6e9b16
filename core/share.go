package core

import (
	"fmt"
	"log/slog"
	"reflect"
	"sync"
)

// shareKey identifies a Cluster that several Connectors share on request.
type shareKey struct {
	engine string // "postgresql", "mysql"
	id     string // cluster_id
}

// clusters holds what ReleaseResources and sharing by cluster_id need. A Cluster
// is in it from its first Connector to its last.
var clusters struct {
	mu     sync.Mutex // guards the maps and every Cluster's connectors; never held over I/O
	open   map[*Cluster]struct{}
	shared map[shareKey]*Cluster
}

// join puts a Connector into its Cluster: the one that already has its
// cluster_id, or a new one.
func join(k *Connector, key shareKey, options clusterOptions, log *slog.Logger) (*Cluster, error) {
	clusters.mu.Lock()
	defer clusters.mu.Unlock()
	if clusters.open == nil {
		clusters.open = map[*Cluster]struct{}{}
		clusters.shared = map[shareKey]*Cluster{}
	}
	c := clusters.shared[key]
	if c != nil && key.id != "" && !reflect.DeepEqual(c.options, options) {
		return nil, fmt.Errorf("%w: another handle with cluster_id=%q has other topology, dialect, host pattern or tcp_ parameters: make them equal", ErrConfig, key.id)
	}
	if key.id == "" || c == nil {
		c = newCluster(options, log)
		clusters.open[c] = struct{}{}
		if key.id != "" {
			c.share = key
			clusters.shared[key] = c
		}
	}
	c.mu.Lock()
	c.connectors = append(c.connectors, k)
	c.mu.Unlock()
	return c, nil
}

// leave takes a Connector out; the last one closes the Cluster.
func leave(k *Connector) {
	c := k.cluster
	clusters.mu.Lock()
	c.mu.Lock()
	for i, other := range c.connectors {
		if other == k {
			c.connectors = append(c.connectors[:i:i], c.connectors[i+1:]...)
			break
		}
	}
	last := len(c.connectors) == 0
	c.mu.Unlock()
	if last {
		delete(clusters.open, c)
		if clusters.shared[c.share] == c {
			delete(clusters.shared, c.share)
		}
	}
	clusters.mu.Unlock()
	if last {
		c.close()
	}
}

// ReleaseResources closes every Cluster that is still open. It exists for
// people who come from the other AWS wrappers, where it is the second half of a
// shutdown; after sql.DB.Close of every handle it has nothing left to do.
// Handles that are still open cannot connect any more afterwards.
func ReleaseResources() {
	clusters.mu.Lock()
	var all []*Connector
	for c := range clusters.open {
		c.mu.Lock()
		all = append(all, c.connectors...)
		c.mu.Unlock()
	}
	clusters.mu.Unlock()
	for _, k := range all {
		_ = k.Close() // never fails
	}
}
