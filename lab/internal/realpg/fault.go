package realpg

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// bookkeepingLimit bounds what a fault does after the fault itself.
const bookkeepingLimit = 20 * time.Second

// Kill ends all processes of an instance with SIGKILL: sessions are reset or closed, new connections are refused.
// Killing an instance that is down is no error.
func (c *Cluster) Kill(name string) error { return c.fault(name, (*node).kill) }

// Stop suspends all processes of an instance with SIGSTOP, as a hung host: sessions are silent, new connections are accepted
// by the kernel and never answered.
func (c *Cluster) Stop(name string) error { return c.fault(name, (*node).freeze) }

// Halt suspends an instance that is about to be killed, and tells nobody: what it has not done yet never happens, whatever
// becomes of its clients meanwhile.
func (c *Cluster) Halt(name string) error {
	n, err := c.find(name)
	if err != nil {
		return err
	}
	if err := n.server.Halt(); err != nil {
		return fmt.Errorf("realpg: %s: %w", name, err)
	}
	return nil
}

// Shutdown shuts an instance down in fast mode: sessions end with SQLSTATE 57P01, new connections are refused.
func (c *Cluster) Shutdown(name string) error { return c.fault(name, (*node).shutdown) }

// fault inflicts a fault at once, whatever else goes on, and then tells the rest of the cluster about it.
func (c *Cluster) fault(name string, inflict func(*node) error) error {
	n, err := c.find(name)
	if err != nil {
		return err
	}
	if err := inflict(n); err != nil {
		return fmt.Errorf("realpg: %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), bookkeepingLimit)
	defer cancel()
	return c.control.Do(ctx, c.afterFault)
}

// afterFault brings topology file and quorum up to date. Aurora's storage acknowledges commits without any reader, so a
// primary that has lost its standbys must not wait for them.
func (c *Cluster) afterFault(ctx context.Context) error {
	if err := c.writeTopology(); err != nil {
		return fmt.Errorf("realpg: %w", err)
	}
	if !c.primary.Load().up() {
		return nil // nobody to tell; a promotion looks at what the lost standbys have on disk
	}
	if err := c.settleQuorum(ctx, c.healthyStandbys()); err != nil && c.primary.Load().up() {
		return fmt.Errorf("realpg: %w", err)
	}
	return nil // the primary was lost meanwhile, which leaves the quorum as it was
}

// settleQuorum makes commits on the primary wait for one of the standbys, from now on and no other. Until the change is
// complete c.quorum has the old members and the new: either kind may be the only one to have a commit.
func (c *Cluster) settleQuorum(ctx context.Context, standbys []*node) error {
	if slices.Equal(c.quorum, standbys) {
		return nil
	}
	primary := c.primary.Load()
	connection, err := c.open(ctx, primary, "postgres")
	if err != nil {
		return err
	}
	defer hangUp(connection)
	before := c.quorum
	if len(before) > 0 {
		c.quorum = realserver.Union(before, standbys)
	}
	if err := setSystem(ctx, connection, map[string]string{"synchronous_standby_names": synchronousNames(standbys)}); err != nil {
		return err
	}
	if len(standbys) > 0 {
		if len(before) == 0 {
			// The checkpointer ends the time in which commits wait for nobody, when it reads the settings; nothing shows when.
			if err := realserver.Pause(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
		if err := awaitFlushed(ctx, connection, realserver.Names(standbys)); err != nil {
			return err
		}
	}
	c.quorum = slices.Clone(standbys)
	return nil
}

// awaitFlushed waits until one of the standbys has all the primary has written until now: afterwards no commit is known to
// others alone.
func awaitFlushed(ctx context.Context, connection *pgx.Conn, standbys []string) error {
	position, err := scalar[string](ctx, connection, "select pg_current_wal_flush_lsn()::text")
	if err != nil {
		return err
	}
	return realserver.Poll(ctx, func() (bool, error) {
		return scalar[bool](ctx, connection,
			"select exists (select from pg_stat_replication where application_name = any($1::text[]) and flush_lsn >= $2::pg_lsn)",
			standbys, position)
	})
}

// Continue resumes an instance after Stop. A primary that has been replaced meanwhile resumes too, with the sessions and the
// data it had, and never acknowledges a commit again; Rejoin makes it a standby. A standby that has missed a
// promotion is rebuilt instead, which resets its sessions.
func (c *Cluster) Continue(name string) error {
	n, err := c.find(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit+bookkeepingLimit)
	defer cancel()
	return c.control.Do(ctx, func(ctx context.Context) error {
		p := n.server.Running()
		if p == nil {
			return fmt.Errorf("realpg: continuing %s: it is down: use Rejoin", name)
		}
		if n.standby && n.history != c.history {
			// It would still follow the replaced primary, and could acknowledge that one's commits.
			return c.rejoin(ctx, n)
		}
		if err := p.Thaw(); err != nil {
			return fmt.Errorf("realpg: continuing %s: %w", name, err)
		}
		n.server.Restored(p)
		if err := c.writeTopology(); err != nil {
			return fmt.Errorf("realpg: continuing %s: %w", name, err)
		}
		return c.admit(ctx)
	})
}

// admit lets the quorum be all healthy standbys that stream from the primary, after one of them or the primary came back.
func (c *Cluster) admit(ctx context.Context) error {
	primary := c.primary.Load()
	if !primary.up() {
		return nil
	}
	standbys := c.healthyStandbys()
	connection, err := c.open(ctx, primary, "postgres")
	if err != nil {
		return err
	}
	attached, err := awaitAttached(ctx, connection, realserver.Names(standbys))
	hangUp(connection)
	if err != nil {
		return fmt.Errorf("realpg: waiting for the standbys of %s: %w", primary.name, err)
	}
	standbys = slices.DeleteFunc(standbys, func(n *node) bool { return !slices.Contains(attached, n.name) })
	if err := c.settleQuorum(ctx, standbys); err != nil {
		return fmt.Errorf("realpg: adjusting the quorum of %s: %w", primary.name, err)
	}
	return nil
}
