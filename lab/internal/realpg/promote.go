package realpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// ErrUnsafe is in the chain of the error that Promote returns when no standby can be given every acknowledged commit: it
// would lose what shared storage does not.
var ErrUnsafe = errors.New("a promotion could lose an acknowledged commit")

// promotionLimit bounds the part of a promotion that is not given up half way.
const promotionLimit = 30 * time.Second

// Promote makes a standby the primary, the most advanced one if name is empty, and returns when it has committed a write and
// the other standbys follow it. The former primary is usually down or stopped by then; one that still runs is fenced: it
// answers reads and never acknowledges a commit again.
func (c *Cluster) Promote(ctx context.Context, name string) error {
	return c.control.Do(ctx, func(ctx context.Context) error {
		if err := c.promote(ctx, name); err != nil {
			return fmt.Errorf("realpg: promoting %q: %w", name, err)
		}
		return nil
	})
}

// Switchover makes a standby the primary in an orderly way, the most advanced one if to is empty: the primary's sessions end
// with SQLSTATE 57P01, it comes back as a standby.
func (c *Cluster) Switchover(ctx context.Context, to string) error {
	return c.control.Do(ctx, func(ctx context.Context) error {
		former := c.primary.Load()
		if !former.up() {
			return fmt.Errorf("realpg: switchover: the primary %s is not running: use Promote", former.name)
		}
		if _, err := c.candidate(to); err != nil {
			return fmt.Errorf("realpg: switchover: %w", err)
		}
		// The shutdown itself waits until the standbys have everything.
		if err := former.shutdown(); err != nil {
			return fmt.Errorf("realpg: switchover: %w", err)
		}
		if err := c.promote(ctx, to); err != nil {
			return fmt.Errorf("realpg: switchover to %q: %w", to, err)
		}
		return c.rejoin(ctx, former)
	})
}

// candidate returns the standby to promote, or nil if any will do.
func (c *Cluster) candidate(name string) (*node, error) {
	return realserver.Candidate(c.healthyStandbys(), c.primary.Load(), name, "standby")
}

// A standing is what a promotion knows about a standby.
type standing struct {
	*node
	connection *pgx.Conn
	position   uint64 // up to where it has the write-ahead log
}

func (c *Cluster) promote(ctx context.Context, name string) (err error) {
	wanted, err := c.candidate(name)
	if err != nil {
		return err
	}
	rescue, err := c.rescueSource()
	if err != nil {
		return err
	}
	standings, err := c.standings(ctx)
	defer func() {
		for _, s := range standings {
			if s.connection != nil {
				hangUp(s.connection)
			}
		}
	}()
	if err != nil {
		return err
	}
	history := c.history
	defer func() {
		if err != nil && c.history == history {
			c.release(ctx, standings)
		}
	}()
	if err := fence(ctx, standings); err != nil {
		return fmt.Errorf("detaching the standbys from the former primary: %w", err)
	}
	target, others, err := c.choose(ctx, standings, wanted)
	if err != nil {
		return err
	}
	// From here on the caller's context does not count: a promotion cannot be taken back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), promotionLimit)
	defer cancel()
	if err := c.turn(ctx, target, others, rescue); err != nil {
		return err
	}
	return c.follow(ctx, target, others)
}

// rescueSource returns the lost server that may be the only one with some acknowledged commit, or nil if the healthy standbys
// have them all. What it has can be read from its directory.
func (c *Cluster) rescueSource() (*node, error) {
	former := c.primary.Load()
	missing := realserver.Missing(c.quorum, c.healthyStandbys())
	switch {
	case len(c.quorum) > 0 && len(missing) == 0:
		return nil, nil
	case former.server.Running() == nil:
		return former, nil // it is dead, so it has everything and acknowledges nothing any more
	case len(missing) == 1:
		return missing[0], nil
	case len(missing) > 1:
		return nil, fmt.Errorf("%w: one of %s may have it: bring them back, or kill %s", ErrUnsafe, strings.Join(realserver.Names(missing), ", "), former.name)
	default:
		return nil, fmt.Errorf("%w: without a standby %s acknowledged them alone, and it may still do so: kill it", ErrUnsafe, former.name)
	}
}

// standings connects to all healthy standbys. Its result is to be hung up even after an error.
func (c *Cluster) standings(ctx context.Context) ([]*standing, error) {
	nodes := c.healthyStandbys()
	standings := make([]*standing, len(nodes))
	for i, n := range nodes {
		standings[i] = &standing{node: n}
	}
	return standings, realserver.Each(nodes, func(n *node) (err error) {
		s := standingOf(standings, n)
		s.connection, err = c.open(ctx, n, "postgres")
		return err
	})
}

// fence takes the standbys away from the former primary, and then reads how far each has come. The order is the point: once no
// standby listens, no commit beyond the highest position can ever be acknowledged, even if the former primary is only stopped.
func fence(ctx context.Context, standings []*standing) error {
	return realserver.Each(nodesOf(standings), func(n *node) error {
		s := standingOf(standings, n)
		if err := setSystem(ctx, s.connection, map[string]string{"primary_conninfo": ""}); err != nil {
			return err
		}
		quiet := 0
		err := realserver.Poll(ctx, func() (bool, error) {
			receiving, err := scalar[bool](ctx, s.connection, "select exists (select from pg_stat_activity where backend_type = 'walreceiver')")
			if receiving {
				quiet = 0
			} else {
				quiet++
			}
			// One that was about to start when the settings changed shows for a moment yet.
			return quiet == 3, err
		})
		if err != nil {
			return err
		}
		s.position, err = position(ctx, s.connection)
		return err
	})
}

// position returns up to where a standby has the write-ahead log, in bytes.
func position(ctx context.Context, connection *pgx.Conn) (uint64, error) {
	value, err := scalar[int64](ctx, connection, `
		select (greatest(coalesce(pg_last_wal_receive_lsn(), '0/0'), coalesce(pg_last_wal_replay_lsn(), '0/0')) - '0/0')::bigint`)
	return uint64(value), err
}

// choose returns the standby to promote, which has all that any of them has, and the others.
func (c *Cluster) choose(ctx context.Context, standings []*standing, wanted *node) (*standing, []*standing, error) {
	best := standings[0]
	for _, s := range standings {
		if s.position > best.position || s.position == best.position && s.node == wanted {
			best = s
		}
	}
	target := best
	if wanted != nil && best.node != wanted {
		target = standingOf(standings, wanted)
		// It fetches what it lacks from the best one; the promotion ends that connection.
		if err := setSystem(ctx, target.connection, map[string]string{"primary_conninfo": c.connectionInfo(best.node, target.node)}); err != nil {
			return nil, nil, err
		}
		err := realserver.Poll(ctx, func() (bool, error) {
			reached, err := position(ctx, target.connection)
			return reached >= best.position, err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("catching up with %s: %w", best.name, err)
		}
	}
	var others []*standing
	for _, s := range standings {
		if s != target {
			others = append(others, s)
		}
	}
	return target, others, nil
}

// turn makes the target a primary whose commits wait for one of the others from the first one on.
func (c *Cluster) turn(ctx context.Context, target *standing, others []*standing, rescue *node) error {
	if rescue != nil {
		if err := c.rescue(ctx, target, rescue); err != nil {
			return fmt.Errorf("reading what %s has on disk: %w", rescue.name, err)
		}
	}
	err := setSystem(ctx, target.connection, map[string]string{"synchronous_standby_names": synchronousNames(nodesOf(others))})
	if err != nil {
		return err
	}
	if _, err := target.connection.Exec(ctx, "select pg_promote(false)"); err != nil {
		return err
	}
	var before time.Time // when it was last known to be a standby yet
	err = realserver.Poll(ctx, func() (bool, error) {
		if target.server.Running() == nil {
			return false, fmt.Errorf("the server ended: %s", target.fatality())
		}
		asked := time.Now()
		recovering, err := scalar[bool](ctx, target.connection, "select pg_is_in_recovery()")
		if recovering || before.IsZero() {
			before = asked
		}
		return !recovering, err
	})
	if err != nil {
		return err
	}
	c.promoted.Store(before.UnixNano())
	c.history++
	target.history, target.standby = c.history, false
	c.quorum = nodesOf(others)
	c.primary.Store(target.node)
	return c.writeTopology()
}

// rescue makes the target replay the write-ahead log of a lost server, which is an archive to it. It has come to the end of that
// when it asks for one file a second time: it repeats only what gave it nothing new, and a lost server adds nothing.
func (c *Cluster) rescue(ctx context.Context, target *standing, lost *node) error {
	requests := target.file("requests")
	if err := realserver.WriteFile(c.who, requests, "", 0o600); err != nil {
		return err
	}
	command := fmt.Sprintf(`echo %%f >> "%s"; cp "%s/%%f" "%%p"`, requests, filepath.Join(lost.data(), "pg_wal"))
	if err := setSystem(ctx, target.connection, map[string]string{"restore_command": command}); err != nil {
		return err
	}
	err := realserver.Poll(ctx, func() (bool, error) {
		if target.server.Running() == nil {
			return false, fmt.Errorf("the server ended: %s", target.fatality())
		}
		content, err := os.ReadFile(requests)
		return asksAgain(string(content)), err
	})
	if err != nil {
		return err
	}
	return setSystem(ctx, target.connection, map[string]string{"restore_command": ""})
}

// asksAgain says whether a file of the write-ahead log was requested twice. Timeline histories, which are requested
// time and again, do not count.
func asksAgain(requests string) bool {
	seen := make(map[string]bool)
	for line := range strings.Lines(requests) {
		name, complete := strings.CutSuffix(line, "\n")
		if !complete || strings.HasSuffix(name, ".history") {
			continue
		}
		if seen[name] {
			return true
		}
		seen[name] = true
	}
	return false
}

// follow attaches the others to the new primary and proves that it commits.
func (c *Cluster) follow(ctx context.Context, target *standing, others []*standing) error {
	err := realserver.Each(nodesOf(others), func(n *node) error {
		return setSystem(ctx, standingOf(others, n).connection, map[string]string{"primary_conninfo": c.connectionInfo(target.node, n)})
	})
	if err != nil && ctx.Err() != nil {
		return err
	} // else one of them was lost meanwhile, and does not attach
	attached, err := awaitAttached(ctx, target.connection, realserver.Names(nodesOf(others)))
	if err != nil {
		return fmt.Errorf("attaching the other standbys: %w", err)
	}
	for _, name := range attached {
		n, _ := c.find(name)
		n.history = c.history
	}
	if err := c.settleQuorum(ctx, c.healthyStandbys()); err != nil {
		return fmt.Errorf("adjusting the quorum: %w", err)
	}
	if _, err := target.connection.Exec(ctx, "select pg_logical_emit_message(true, 'awsdb', 'promoted')"); err != nil {
		return fmt.Errorf("the first commit: %w", err)
	}
	return nil
}

// release attaches the standbys to the primary again after a promotion that failed before it began.
func (c *Cluster) release(ctx context.Context, standings []*standing) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	primary := c.primary.Load()
	_ = realserver.Each(nodesOf(standings), func(n *node) error {
		connection, err := c.open(ctx, n, "postgres") // the first connection may have been cut by the caller's context
		if err != nil {
			return err
		}
		defer hangUp(connection)
		return setSystem(ctx, connection, map[string]string{"primary_conninfo": c.connectionInfo(primary, n)})
	}) // the caller gets the promotion's own error
}

func nodesOf(standings []*standing) []*node {
	nodes := make([]*node, len(standings))
	for i, s := range standings {
		nodes[i] = s.node
	}
	return nodes
}

func standingOf(standings []*standing, n *node) *standing {
	for _, s := range standings {
		if s.node == n {
			return s
		}
	}
	return nil
}
