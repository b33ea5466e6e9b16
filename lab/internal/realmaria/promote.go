package realmaria

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// ErrUnsafe is in the chain of the error that Promote returns when no reader can be given every acknowledged commit: it
// would lose what shared storage does not.
var ErrUnsafe = errors.New("a promotion could lose an acknowledged commit")

// promotionLimit bounds the part of a promotion that is not given up half way.
const promotionLimit = 30 * time.Second

// Promote makes a reader the primary, the most advanced one if name is empty, and returns when it takes writes and the other
// readers follow it. The former primary is usually down or stopped by then. One that still runs becomes a reader, and
// keeps its sessions: their writes and commits fail with error 1290 from then on.
func (c *Cluster) Promote(ctx context.Context, name string) error {
	return c.control.Do(ctx, func(ctx context.Context) error {
		if err := c.promote(ctx, name); err != nil {
			return fmt.Errorf("realmaria: promoting %q: %w", name, err)
		}
		return nil
	})
}

// candidate returns the reader to promote, or nil if any will do.
func (c *Cluster) candidate(name string) (*node, error) {
	return realserver.Candidate(c.healthyReaders(), c.primary.Load(), name, "reader")
}

// A standing is what a promotion knows about a reader.
type standing struct {
	*node
	session  *session
	received uint64 // number of the last transaction it has
}

func (c *Cluster) promote(ctx context.Context, name string) (err error) {
	wanted, err := c.candidate(name)
	if err != nil {
		return err
	}
	former := c.primary.Load()
	standings, err := c.standings(ctx)
	defer hangUp(standings)
	if err != nil {
		return err
	}
	history := c.history
	defer func() {
		if err != nil && c.history == history {
			c.release(ctx, former)
		}
	}()
	demoted, err := c.demote(ctx, former)
	if err != nil {
		return fmt.Errorf("demoting %s: %w", former.name, err)
	}
	var rescue *node
	if !demoted {
		if rescue, err = c.rescueSource(); err != nil {
			return err
		}
	}
	// The order is the point: once no reader listens, no commit beyond the highest position can ever be acknowledged, even if
	// the former primary is only stopped.
	former.relay.cut()
	if err := realserver.Each(standings, func(s *standing) error { return s.detach(ctx) }); err != nil {
		return fmt.Errorf("detaching the readers from the former primary: %w", err)
	}
	target, err := c.choose(ctx, standings, wanted)
	if err != nil {
		return err
	}
	// From here on the caller's context does not count: a promotion cannot be taken back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), promotionLimit)
	defer cancel()
	if rescue != nil {
		if err := c.rescue(ctx, target, rescue); err != nil {
			return fmt.Errorf("fetching what %s has on disk: %w", rescue.name, err)
		}
	}
	if err := c.turn(ctx, target, standings); err != nil {
		return err
	}
	return c.regroup(ctx, former, demoted, standings, target)
}

// standings connects to all healthy readers. Its result is to be hung up even after an error.
func (c *Cluster) standings(ctx context.Context) ([]*standing, error) {
	var standings []*standing
	for _, n := range c.healthyReaders() {
		standings = append(standings, &standing{node: n})
	}
	return standings, realserver.Each(standings, func(s *standing) (err error) {
		s.session, err = c.open(ctx, s.node)
		return err
	})
}

func hangUp(standings []*standing) {
	for _, s := range standings {
		if s.session != nil {
			s.session.hangUp()
		}
	}
}

// demote makes a primary that runs a reader that has nothing the others have not, and says whether it could.
func (c *Cluster) demote(ctx context.Context, former *node) (bool, error) {
	if !former.up() {
		return false, nil
	}
	s, err := c.open(ctx, former)
	if err != nil {
		return false, nil // it is just being lost, or has no room for another session
	}
	defer s.hangUp()
	// It waits for commits and other writes that have begun, in seconds.
	const readOnly = "set statement lock_wait_timeout = 1 for set global read_only = 1"
	if err := s.run(ctx, readOnly); err != nil {
		// Somebody writes, or holds a lock, for longer. A failover ends sessions.
		if err := errors.Join(s.dropSessions(ctx), s.run(ctx, readOnly)); err != nil {
			return false, ctx.Err()
		}
	}
	last, err := s.written(ctx)
	if err != nil {
		return false, ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, attachLimit)
	defer cancel()
	if err := c.awaitReceived(limited, c.healthyReaders(), last); err != nil {
		return false, fmt.Errorf("waiting for a reader to have its last commit: %w", err)
	}
	return true, nil
}

// rescueSource returns the former primary if it may be the only one with some acknowledged commit, or nil if the healthy
// readers have them all. What it has can be read when it is dead: then it has everything, and acknowledges nothing any more.
func (c *Cluster) rescueSource() (*node, error) {
	former := c.primary.Load()
	missing := realserver.Missing(c.quorum, c.healthyReaders())
	switch {
	case len(c.quorum) > 0 && len(missing) == 0:
		return nil, nil
	case former.server.Running() == nil:
		return former, nil
	case len(missing) > 0:
		return nil, fmt.Errorf("%w: %s may have it alone: bring it back, or kill %s", ErrUnsafe, strings.Join(realserver.Names(missing), " or "), former.name)
	default:
		return nil, fmt.Errorf("%w: without a reader %s acknowledged them alone, and it may still do so: kill it", ErrUnsafe, former.name)
	}
}

// detach ends the reader's replication and waits until it has taken over all it received.
func (s *standing) detach(ctx context.Context) error {
	if err := s.session.run(ctx, "stop slave io_thread"); err != nil {
		return err
	}
	f, err := s.session.following(ctx)
	if err != nil {
		return err
	}
	return s.catchUp(ctx, f.received)
}

// catchUp waits until the reader has taken over a transaction, and all before it.
func (s *standing) catchUp(ctx context.Context, number uint64) error {
	return realserver.Poll(ctx, func() (applied bool, err error) {
		if s.server.Running() == nil {
			return false, fmt.Errorf("the server ended: %s", s.fatality())
		}
		s.received, err = s.session.applied(ctx)
		return s.received >= number, err
	})
}

// fetch makes a reader replicate from the server at a port until it has a transaction, and then no more.
func (c *Cluster) fetch(ctx context.Context, s *standing, port int, number uint64) error {
	if err := s.session.run(ctx, c.source(port)...); err != nil {
		return err
	}
	if err := s.catchUp(ctx, number); err != nil {
		return err
	}
	return s.session.run(ctx, "stop slave")
}

// choose returns the reader to promote, which has all that any of them has.
func (c *Cluster) choose(ctx context.Context, standings []*standing, wanted *node) (*standing, error) {
	best, target := standings[0], (*standing)(nil)
	for _, s := range standings {
		if s.node == wanted {
			target = s
		}
		if s.received > best.received {
			best = s
		}
	}
	if target == nil {
		return best, nil
	}
	if target.received < best.received {
		if err := c.fetch(ctx, target, best.port, best.received); err != nil {
			return nil, fmt.Errorf("catching up with %s: %w", best.name, err)
		}
	}
	return target, nil
}

// rescue lets the target replicate what a lost server has: that is started once more, where no client finds it.
func (c *Cluster) rescue(ctx context.Context, target *standing, lost *node) (err error) {
	port, err := realserver.FreePort(nil)
	if err != nil {
		return err
	}
	var server realserver.Server // not lost.server: the instance stays down
	defer func() { err = errors.Join(err, server.Kill()) }()
	if err := lost.launchAs(&server, port, c.found, c.who, c.template.Data, asSource); err != nil {
		return err
	}
	if err := c.awaitReady(ctx, lost, &server, port); err != nil {
		return err
	}
	s, err := c.dial(ctx, lost, port, "", nil)
	if err != nil {
		return err
	}
	defer s.hangUp()
	last, err := s.written(ctx)
	if err != nil {
		return err
	}
	return c.fetch(ctx, target, port, last)
}

// turn makes the target a primary whose commits wait for one of the others from the first one on.
func (c *Cluster) turn(ctx context.Context, target *standing, standings []*standing) error {
	guard := "set global rpl_semi_sync_master_enabled = " + strconv.Itoa(min(1, len(standings)-1))
	if err := target.session.run(ctx, "stop slave", "reset slave all", guard); err != nil {
		return err
	}
	origin, err := target.session.written(ctx)
	if err != nil {
		return err
	}
	before := time.Now()
	if err := target.session.run(ctx, "set global read_only = 0"); err != nil {
		return err
	}
	c.promoted.Store(before.UnixNano())
	c.history++
	c.origins = append(c.origins, origin)
	target.history, target.reader = c.history, false
	c.quorum = nil
	for _, s := range standings {
		if s != target {
			c.quorum = append(c.quorum, s.node)
		}
	}
	target.relay.mend()
	c.primary.Store(target.node)
	return c.writeTopology()
}

// regroup makes the other readers, and a former primary that was demoted, follow the new one.
func (c *Cluster) regroup(ctx context.Context, former *node, demoted bool, standings []*standing, target *standing) error {
	var others []*node
	for _, s := range standings {
		if s != target {
			others = append(others, s.node)
		}
	}
	if demoted {
		others = append(others, former)
	}
	err := realserver.Each(others, func(n *node) error {
		if err := c.follow(ctx, n); err == nil {
			n.reader, n.history = true, c.history
		} else if n.up() {
			return err
		} // else it was lost meanwhile
		return nil
	})
	if err != nil {
		return fmt.Errorf("attaching the other readers: %w", err)
	}
	if err := c.settle(ctx); err != nil && target.up() {
		return fmt.Errorf("adjusting the quorum: %w", err)
	}
	return nil
}

// source are the statements that make a server replicate from the one at a port, beginning after the last transaction it has.
func (c *Cluster) source(port int) []string {
	return []string{
		"stop slave",
		"set global gtid_slave_pos = @@global.gtid_binlog_pos",
		"change master to master_host = '127.0.0.1', master_port = " + strconv.Itoa(port) + ", master_user = " + quoteLiteral(superuser) +
			", master_password = " + quoteLiteral(c.template.Password) + ", master_use_gtid = slave_pos, master_connect_retry = 1",
		"start slave",
	}
}

// follow makes a server a reader of the primary.
func (c *Cluster) follow(ctx context.Context, n *node) error {
	s, err := c.open(ctx, n)
	if err != nil {
		return err
	}
	defer s.hangUp()
	if err := s.run(ctx, "set global rpl_semi_sync_master_enabled = 0", "set global rpl_semi_sync_slave_enabled = 1"); err != nil {
		return err
	}
	return s.run(ctx, c.source(c.primary.Load().relay.port())...)
}

// release takes back what a promotion has done that failed before it turned a reader into the primary.
func (c *Cluster) release(ctx context.Context, former *node) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	former.relay.mend()
	if former.up() {
		if s, err := c.open(ctx, former); err == nil {
			_ = s.run(ctx, "set global read_only = 0") // the caller gets the promotion's own error
			s.hangUp()
		}
	}
	_ = realserver.Each(c.healthyReaders(), func(n *node) error { return c.follow(ctx, n) })
}
