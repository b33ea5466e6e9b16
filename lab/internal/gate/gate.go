// Package gate puts the faults of one host between its server and the network: a crash, a black hole, a hung
// process, slowness. A Gate has the host's state; every connection of the host is wrapped by [Gate.Wrap], and
// whoever dials the host asks [Gate.Admit] first. The connections below may be TCP or in memory.
package gate

import (
	"cmp"
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Network is a connection as the gate needs it; [TCP] and package memnet make them.
type Network interface {
	net.Conn
	Reset()               // ends the connection with a reset; closing it later is harmless
	Pending() int         // how many bytes the peer has sent that nobody has read
	Hold(on bool)         // keeps what is still on its way to the peer from arriving
	Delay() time.Duration // what a packet takes, 0 when the network itself sees to that
}

// Lost says what a black hole does with requests already sent.
type Lost int

// The losses.
const (
	Requests Lost = iota // never executed
	Answers              // executed; the answers never come
)

type flow int

const (
	running  flow = iota
	frozen        // the process is stopped: nothing is read, nothing written
	vanished      // the network is gone: nothing arrives, nothing leaves
)

// connectTimeout is what Linux needs to give up on a SYN nobody answers with tcp_syn_retries=6.
const connectTimeout = 127 * time.Second

// Gate is the fault state of one host. The zero value is not usable; use [New].
// mu guards everything below it, in the connections too; it is never held while waiting or during I/O.
type Gate struct {
	latency time.Duration // added before each answer, constant

	mu       sync.Mutex
	flow     flow
	down     bool // no process: new connections are refused
	refusing bool // new connections are refused, whatever the process does
	slow     time.Duration
	budget   int64 // bytes each connection may still send when HangAfter was called; -1: no limit
	conns    map[uint64]*Conn
	last     uint64        // number of the latest connection
	change   chan struct{} // closed and replaced whenever one of the fields above changes
	flushers sync.WaitGroup
}

// New makes the gate of a healthy host whose answers each take latency longer.
func New(latency time.Duration) *Gate {
	return &Gate{latency: latency, budget: -1, conns: map[uint64]*Conn{}, change: make(chan struct{})}
}

// Admit waits as a dial to the host would: not at all when it is up; until the network comes back, ctx ends or
// the kernel gives up when it has vanished. stagger keeps dials that wake up together apart.
func (g *Gate) Admit(ctx context.Context, stagger time.Duration) error {
	var giveUp *time.Timer
	for {
		g.mu.Lock()
		gone, refused, change := g.flow == vanished, g.down || g.refusing, g.change
		g.mu.Unlock()
		switch {
		case !gone && refused:
			return syscall.ECONNREFUSED
		case !gone && giveUp != nil:
			return Sleep(ctx, stagger)
		case !gone:
			return nil
		}
		if giveUp == nil {
			giveUp = time.NewTimer(connectTimeout)
			defer giveUp.Stop()
		}
		select {
		case <-change:
		case <-giveUp.C:
			return syscall.ETIMEDOUT
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Sleep waits for d or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Live is the number of connections not yet closed by the server.
func (g *Gate) Live() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, c := range g.conns {
		if !c.ended {
			n++
		}
	}
	return n
}

// Freeze stops the process: connects still succeed, nothing is answered.
func (g *Gate) Freeze() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.flow == running {
		g.flow = frozen
		g.changed()
	}
}

// Thawed waits while the process is frozen, or until it is dead.
func (g *Gate) Thawed(dead <-chan struct{}) {
	for {
		g.mu.Lock()
		stopped, change := g.flow == frozen, g.change
		g.mu.Unlock()
		if !stopped {
			return
		}
		select {
		case <-change:
		case <-dead:
			return
		}
	}
}

// Vanish makes the host a black hole, if it is not one already.
func (g *Gate) Vanish(lost Lost) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.flow == vanished {
		return
	}
	g.flow = vanished
	for _, c := range g.sorted() {
		c.network.Hold(true)
		c.cut(lost)
	}
	g.changed()
}

// Refuse refuses new connections.
func (g *Gate) Refuse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusing = true
	g.changed()
}

// Slow makes each answer take d longer.
func (g *Gate) Slow(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slow = d
	g.changed()
}

// HangAfter lets each connection, new ones included, send n more bytes and then nothing.
func (g *Gate) HangAfter(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.budget = int64(max(n, 0))
	for _, c := range g.conns {
		c.budget = g.budget
	}
	g.changed()
}

// Heal ends every fault except a dead process: connections go on where they were.
func (g *Gate) Heal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heal()
}

func (g *Gate) heal() {
	now := time.Now()
	g.flow, g.refusing, g.slow, g.budget = running, false, 0, -1
	for _, c := range g.sorted() {
		c.budget, c.allowed, c.settling = -1, -1, false
		c.resumeAt = now.Add(c.network.Delay())
		c.network.Hold(false)
		if c.resetLater {
			c.remove()
			c.network.Reset()
			continue
		}
		g.flushLater(c)
	}
	g.changed()
}

// Kill ends the process: its connections are reset, as far as a network is there to carry the resets, and new
// ones are refused until Restart.
func (g *Gate) Kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = true
	g.reset()
	g.changed()
}

// Stop refuses new connections until Restart, as a process that has shut down. Live ones are not touched.
func (g *Gate) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = true
	g.changed()
}

// Reset resets all live connections.
func (g *Gate) Reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reset()
}

func (g *Gate) reset() {
	for _, c := range g.sorted() {
		c.kill()
	}
}

// Restart ends every fault and every connection: a new process listens on a working network.
func (g *Gate) Restart() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = false
	g.heal()
	g.reset()
}

// Close ends every connection for good and waits for the gate's goroutines.
func (g *Gate) Close() {
	g.mu.Lock()
	g.down, g.flow = true, running
	g.heal()
	g.reset()
	g.mu.Unlock()
	g.flushers.Wait()
}

// changed wakes everybody who waits for a state. The caller holds mu.
func (g *Gate) changed() {
	close(g.change)
	g.change = make(chan struct{})
}

// sorted are the connections in the order they were made, so that faults reach them in the same order in every run.
func (g *Gate) sorted() []*Conn {
	return slices.SortedFunc(maps.Values(g.conns), func(a, b *Conn) int { return cmp.Compare(a.number, b.number) })
}

// Healthy reports whether the host would serve a new connection.
func (g *Gate) Healthy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.flow == running && !g.down && !g.refusing
}
