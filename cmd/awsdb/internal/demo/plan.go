package demo

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/awsdb/awsdb/lab"
)

// Way is how the writer is taken away.
type Way string

// The ways, in the order in which they take turns.
const (
	Crash      Way = "crash"      // the process dies: connections are reset, new ones refused
	BlackHole  Way = "black hole" // the host vanishes without a sign: nothing arrives, nothing comes back
	Hang       Way = "hang"       // the process stops: connections stay open, new ones are accepted, nothing is answered
	Switchover Way = "switchover" // planned: sessions are told to go, and another instance takes over
)

var ways = []Way{Crash, BlackHole, Hang, Switchover}

// step is one failover of the plan.
type step struct {
	way       Way
	promote   time.Duration // from the fault
	statusLag time.Duration // from the promotion, as the next
	dnsLag    time.Duration
	loss      lab.Loss // of a black hole
	successor int      // which of the readers, modulo their number
}

// plan makes all random choices at once, so that they depend on nothing but the
// seed and the load does not change them.
func plan(o Options) []step {
	random := rand.New(rand.NewPCG(o.Seed, 0)) // repeatable on purpose
	steps := make([]step, o.Failovers)
	for n := range steps {
		s := step{
			way:       ways[n%len(ways)],
			promote:   o.Schedule.Promote.pick(random),
			statusLag: o.Schedule.StatusLag.pick(random),
			dnsLag:    o.Schedule.DNSLag.pick(random),
			loss:      lab.LosingRequests,
			successor: random.IntN(MaxInstances),
		}
		planned := o.Schedule.Switchover.pick(random)
		if s.way == Switchover {
			s.promote = planned
		}
		if random.IntN(2) == 1 {
			s.loss = lab.LosingAnswers
		}
		steps[n] = s
	}
	return steps
}

// length is the planned time of everything.
func length(s Schedule, steps []step) time.Duration {
	total := s.WarmUp
	for _, step := range steps {
		total += step.promote + max(step.dnsLag, s.RestartAfter) + s.Settle
	}
	return total
}

// strike lets the fault befall the writer.
func (s step) strike(writer *lab.Instance) {
	switch s.way {
	case Crash:
		writer.Crash()
	case BlackHole:
		writer.Vanish(s.loss)
	case Hang:
		writer.Freeze()
	case Switchover:
		writer.Shutdown()
	}
}

// state is what has become of the writer, in a word.
func (s step) state() string {
	switch s.way {
	case Crash:
		return "crashed"
	case BlackHole:
		return "black hole"
	case Hang:
		return "hung"
	case Switchover:
		return "restarting"
	}
	return string(s.way)
}

// describe says what strike does to a writer.
func (s step) describe(writer string) string {
	switch {
	case s.way == Crash:
		return fmt.Sprintf("writer %s crashes: connections are reset", writer)
	case s.way == Hang:
		return fmt.Sprintf("writer %s hangs: connections stay open, nothing is answered", writer)
	case s.way == Switchover:
		return fmt.Sprintf("planned switchover: %s ends its sessions", writer)
	case s.loss == lab.LosingAnswers:
		return fmt.Sprintf("writer %s vanishes, no reset: answers get lost", writer)
	}
	return fmt.Sprintf("writer %s vanishes, no reset: requests get lost", writer)
}
