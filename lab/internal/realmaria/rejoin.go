package realmaria

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// Rejoin brings an instance back that was killed or shut down, or a former primary that still runs: it becomes a reader of the
// current primary. The current primary itself comes back as the primary. It does nothing to an instance that is in
// its place already, and refuses one that is stopped but otherwise in its place.
func (c *Cluster) Rejoin(ctx context.Context, name string) error {
	n, err := c.find(name)
	if err != nil {
		return err
	}
	return c.control.Do(ctx, func(ctx context.Context) error { return c.rejoin(ctx, n) })
}

func (c *Cluster) rejoin(ctx context.Context, n *node) error {
	primary := c.primary.Load()
	inPlace := n == primary || n.reader && n.history == c.history
	switch {
	case n.server.Running() != nil && inPlace && n.server.Frozen():
		return fmt.Errorf("realmaria: rejoining %s: it is stopped: use Continue, or Kill before Rejoin", n.name)
	case n.server.Running() != nil && inPlace:
		return nil
	case n != primary && !primary.up():
		return fmt.Errorf("realmaria: rejoining %s: the primary %s is not running: promote another instance first", n.name, primary.name)
	}
	if err := n.kill(); err != nil {
		return fmt.Errorf("realmaria: %s: %w", n.name, err)
	}
	if err := c.afterFault(ctx); err != nil { // the quorum must not count on what a restart throws away
		return err
	}
	if err := c.revive(ctx, n); err != nil {
		return fmt.Errorf("realmaria: rejoining %s: %w", n.name, err)
	}
	return c.afterFault(ctx)
}

// revive starts a server that is down.
func (c *Cluster) revive(ctx context.Context, n *node) error {
	if n == c.primary.Load() {
		arguments := asGuardedPrimary
		if len(c.quorum) == 0 {
			arguments = asPrimary
		}
		return c.bringUp(ctx, n, arguments)
	}
	usable := false
	if n.history >= 0 {
		if err := c.bringUp(ctx, n, asReader); err != nil {
			return err
		}
		var err error
		if usable, err = c.usable(ctx, n); err != nil {
			return err
		}
	}
	if !usable {
		if err := c.clone(ctx, n); err != nil {
			return err
		}
	}
	if err := c.follow(ctx, n); err != nil {
		return err
	}
	n.reader, n.history = true, c.history
	return nil
}

// bringUp launches a server and waits until it accepts connections.
func (c *Cluster) bringUp(ctx context.Context, n *node, arguments []string) error {
	if err := n.launch(c.found, c.who, c.template.Data, arguments); err != nil {
		return err
	}
	return c.awaitReady(ctx, n, &n.server, n.port)
}

// usable says whether the server has nothing that the primary has not: its transactions have to end before a promotion that
// it has missed.
func (c *Cluster) usable(ctx context.Context, n *node) (bool, error) {
	if n.history == c.history {
		return true, nil
	}
	s, err := c.open(ctx, n)
	if err != nil {
		return false, err
	}
	defer s.hangUp()
	last, err := s.written(ctx)
	return last <= c.origins[n.history+1], err
}

// clone starts the server on a copy of another one's data directory, a reader's if there is one. That other one stands still
// for as long as the copy takes.
func (c *Cluster) clone(ctx context.Context, n *node) error {
	if err := n.kill(); err != nil {
		return err
	}
	n.reader, n.history = false, -1 // until the copy is complete
	if err := os.RemoveAll(n.data()); err != nil {
		return err
	}
	donor := c.primary.Load()
	if readers := c.healthyReaders(); len(readers) > 0 {
		donor = readers[0]
	}
	err := donor.server.Snapshot(func() error { return realserver.CopyTree(donor.data(), n.data(), c.who) })
	if err != nil {
		return fmt.Errorf("copying the data of %s: %w", donor.name, err)
	}
	if err := forgetSource(n.data()); err != nil {
		return err
	}
	return c.bringUp(ctx, n, asReader)
}

// forgetSource removes from a copied data directory what says whom the donor followed.
func forgetSource(data string) error {
	var failures []error
	for _, pattern := range []string{"relaylog.*", "*.info"} {
		paths, err := filepath.Glob(filepath.Join(data, pattern))
		failures = append(failures, err)
		for _, path := range paths {
			failures = append(failures, os.Remove(path))
		}
	}
	return errors.Join(failures...)
}
