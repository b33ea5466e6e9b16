package realmaria

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// bookkeepingLimit bounds what a fault does after the fault itself.
const bookkeepingLimit = 20 * time.Second

// Kill ends an instance with SIGKILL: sessions are reset or closed, new connections are refused. Killing an instance
// that is down is no error.
func (c *Cluster) Kill(name string) error { return c.fault(name, (*node).kill) }

// Stop suspends an instance with SIGSTOP, as a hung host: sessions are silent, new connections are accepted by the kernel and
// never answered.
func (c *Cluster) Stop(name string) error { return c.fault(name, (*node).freeze) }

// Halt suspends an instance that is about to be killed, and tells nobody: what it has not done yet never happens, whatever
// becomes of its clients meanwhile.
func (c *Cluster) Halt(name string) error {
	n, err := c.find(name)
	if err != nil {
		return err
	}
	if err := n.server.Halt(); err != nil {
		return fmt.Errorf("realmaria: %s: %w", name, err)
	}
	return nil
}

// Shutdown shuts an instance down with SIGTERM: sessions are closed, new connections are refused. It takes about two
// seconds.
func (c *Cluster) Shutdown(name string) error { return c.fault(name, (*node).shutdown) }

// fault inflicts a fault at once, whatever else goes on, and then tells the rest of the cluster about it.
func (c *Cluster) fault(name string, inflict func(*node) error) error {
	n, err := c.find(name)
	if err != nil {
		return err
	}
	if err := inflict(n); err != nil {
		return fmt.Errorf("realmaria: %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), bookkeepingLimit)
	defer cancel()
	return c.control.Do(ctx, c.afterFault)
}

// afterFault brings topology file and quorum up to date. Aurora's storage acknowledges commits without any reader, so a
// primary that has lost its readers must not wait for them.
func (c *Cluster) afterFault(ctx context.Context) error {
	if err := c.writeTopology(); err != nil {
		return fmt.Errorf("realmaria: %w", err)
	}
	if err := c.settle(ctx); err != nil && c.primary.Load().up() {
		return fmt.Errorf("realmaria: %w", err)
	}
	return nil // the primary was lost meanwhile, which leaves the quorum as it was
}

// settle makes commits on the primary wait for one of the healthy readers, or for nobody if there are none that follow it.
// Until the change is complete c.quorum has the old members and the new: either kind may be the only one to have a
// commit. It does nothing while the primary is lost: a promotion looks at what the lost readers may have.
func (c *Cluster) settle(ctx context.Context) error {
	primary, readers := c.primary.Load(), c.healthyReaders()
	if !primary.up() {
		return nil
	}
	s, err := c.open(ctx, primary)
	if err != nil {
		return err
	}
	defer s.hangUp()
	if len(readers) > 0 {
		if len(c.quorum) > 0 {
			c.quorum = realserver.Union(c.quorum, readers)
		}
		// A reader asks when it connects, and confirms nothing if commits do not wait then.
		if err := s.run(ctx, "set global rpl_semi_sync_master_enabled = 1"); err != nil {
			return err
		}
		if readers, err = c.attached(ctx, readers); err != nil {
			return err
		}
	}
	if len(readers) == 0 {
		if err := s.run(ctx, "set global rpl_semi_sync_master_enabled = 0"); err != nil {
			return err
		}
		c.quorum = nil
		return nil
	}
	// Afterwards no commit is known to others alone.
	last, err := s.written(ctx)
	if err != nil {
		return err
	}
	if err := c.awaitReceived(ctx, readers, last); err != nil {
		return fmt.Errorf("waiting for a reader to have all of %s: %w", primary.name, err)
	}
	c.quorum = readers
	return nil
}

// attached waits until the readers follow the primary and confirm its commits, and returns those that do. That some do not
// within attachLimit is no error.
func (c *Cluster) attached(ctx context.Context, readers []*node) ([]*node, error) {
	limited, cancel := context.WithTimeout(ctx, attachLimit)
	defer cancel()
	var mu sync.Mutex
	var found []*node
	_ = realserver.Each(readers, func(n *node) error {
		if err := c.attach(limited, n); err != nil {
			return err // it was lost, or will be found to be so
		}
		mu.Lock()
		defer mu.Unlock()
		found = append(found, n)
		return nil
	})
	slices.SortFunc(found, func(a, b *node) int { return a.number - b.number })
	return found, ctx.Err()
}

// attach waits until a reader follows the primary and confirms its commits.
//
// A reader that is trying to connect is left alone, as it does so once a second: when it is told to stop, it kills its
// connection on the primary by the id it had, and in a new life of the primary that is somebody else's.
func (c *Cluster) attach(ctx context.Context, n *node) error {
	s, err := c.open(ctx, n)
	if err != nil {
		return err
	}
	defer s.hangUp()
	port := c.primary.Load().relay.port()
	again := time.Now().Add(50 * time.Millisecond) // when to tell it to connect anew
	return realserver.Poll(ctx, func() (bool, error) {
		f, err := s.following(ctx)
		if err != nil || f.receiver == "Yes" && f.confirms && f.port == port {
			return true, err
		}
		if n.server.Running() == nil {
			return false, fmt.Errorf("the server ended: %s", n.fatality())
		}
		if time.Now().Before(again) {
			return false, nil
		}
		again = time.Now().Add(500 * time.Millisecond)
		switch f.receiver {
		case "Yes": // since before commits waited for it
			return false, s.run(ctx, "stop slave io_thread", "start slave")
		case "No":
			return false, s.run(ctx, "start slave")
		}
		return false, nil
	})
}

// awaitReceived waits until one of the readers has a transaction of the primary's.
func (c *Cluster) awaitReceived(ctx context.Context, readers []*node, number uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	done := false
	err := realserver.Each(readers, func(n *node) error {
		s, err := c.open(ctx, n)
		if err != nil {
			return err
		}
		defer s.hangUp()
		err = realserver.Poll(ctx, func() (bool, error) {
			f, err := s.following(ctx)
			return f.received >= number, err
		})
		if err == nil {
			mu.Lock()
			done = true
			mu.Unlock()
			cancel() // the others need not
		}
		return err
	})
	if done {
		return nil
	}
	return err
}

// Continue resumes an instance after Stop. A primary that has been replaced meanwhile resumes too, with the sessions and the
// data it had, and never acknowledges a commit again; Rejoin makes it a reader. A reader that has missed a promotion is
// started again instead, which resets its sessions.
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
			return fmt.Errorf("realmaria: continuing %s: it is down: use Rejoin", name)
		}
		if n.reader && n.history != c.history {
			return c.rejoin(ctx, n)
		}
		if n.reader && len(c.quorum) > 0 {
			c.quorum = realserver.Union(c.quorum, []*node{n}) // it confirms commits as soon as it runs
		}
		if err := p.Thaw(); err != nil {
			return fmt.Errorf("realmaria: continuing %s: %w", name, err)
		}
		n.server.Restored(p)
		if err := c.afterFault(ctx); err != nil {
			return fmt.Errorf("continuing %s: %w", name, err)
		}
		return nil
	})
}
