package realpg

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// Rejoin brings an instance back that was killed or shut down, or a former primary that still runs: it becomes a standby of the
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
	inPlace := n == primary || n.standby && n.history == c.history
	switch {
	case n.server.Running() != nil && inPlace && n.server.Frozen():
		return fmt.Errorf("realpg: rejoining %s: it is stopped: use Continue, or Kill before Rejoin", n.name)
	case n.server.Running() != nil && inPlace:
		return nil
	case n != primary && !primary.up():
		return fmt.Errorf("realpg: rejoining %s: the primary %s is not running: promote another instance first", n.name, primary.name)
	}
	if err := n.kill(); err != nil {
		return fmt.Errorf("realpg: %s: %w", n.name, err)
	}
	if err := c.afterFault(ctx); err != nil { // the quorum must not count on a data directory that goes away
		return err
	}
	if err := c.revive(ctx, n, inPlace); err != nil {
		return fmt.Errorf("realpg: rejoining %s: %w", n.name, err)
	}
	if err := c.writeTopology(); err != nil {
		return fmt.Errorf("realpg: rejoining %s: %w", n.name, err)
	}
	return c.admit(ctx)
}

// revive starts a server that is down. Its data directory serves again if it was in its place; any other may have commits
// that the primary has not, so it is replaced by a copy of the primary's.
func (c *Cluster) revive(ctx context.Context, n *node, inPlace bool) error {
	if n == c.primary.Load() {
		if err := n.launch(c.found, c.who); err != nil {
			return err
		}
		return c.awaitReady(ctx, n)
	}
	if !inPlace {
		if err := c.clone(ctx, n); err != nil {
			return err
		}
	}
	if err := c.writeStandby(n, c.primary.Load()); err != nil {
		return err
	}
	n.standby, n.history = true, c.history
	if err := n.launch(c.found, c.who); err != nil {
		return err
	}
	return c.awaitReady(ctx, n)
}

// clone replaces the node's data directory by a copy of the primary's.
func (c *Cluster) clone(ctx context.Context, n *node) error {
	n.standby, n.history = false, -1 // until the copy is complete
	if err := os.RemoveAll(n.data()); err != nil {
		return err
	}
	command := c.who.Command(ctx, n.root, c.found.program("pg_basebackup"), "--pgdata="+n.data(), "--host=127.0.0.1",
		"--port="+strconv.Itoa(c.primary.Load().port), "--username="+superuser, "--no-password",
		"--checkpoint=fast", "--wal-method=stream", "--no-sync", "--no-manifest")
	command.Env = realserver.Environment("PGPASSWORD=" + c.password)
	return realserver.Run(command)
}
