package demo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Limits of Options.
const (
	MinInstances = 2
	MaxInstances = 15
	MinFailovers = 1
	MaxFailovers = 50
)

// Options say what to run. Instances and Failovers must be given.
type Options struct {
	// Engine is the kind of database. "": PostgreSQL.
	Engine Engine
	// Instances is the size of the cluster, the writer included: 2 to 15.
	Instances int
	// Failovers is how often the writer is taken away: 1 to 50.
	Failovers int
	// Seed makes the choices (delays, successors, what happens to requests on
	// their way) repeatable. 0: chosen at random; Report tells.
	Seed uint64
	// Schedule is how long things take. Zero: DefaultSchedule.
	Schedule Schedule
	// Record keeps all that is needed for a picture of the first failover.
	Record bool

	// beforeCheck, for tests, may spoil the data before they are checked.
	beforeCheck func(*Demo) error
}

// validate names every mistake in one error.
func (o Options) validate() error {
	problems := []error{o.Engine.validate()}
	if o.Instances < MinInstances || o.Instances > MaxInstances {
		problems = append(problems, fmt.Errorf("%d instances: write %d to %d", o.Instances, MinInstances, MaxInstances))
	}
	if o.Failovers < MinFailovers || o.Failovers > MaxFailovers {
		problems = append(problems, fmt.Errorf("%d failovers: write %d to %d", o.Failovers, MinFailovers, MaxFailovers))
	}
	return errors.Join(problems...)
}

// Range is a span of which a value is picked at random.
type Range struct{ From, To time.Duration }

func (r Range) pick(random *rand.Rand) time.Duration {
	if r.To <= r.From {
		return r.From
	}
	return r.From + time.Duration(random.Int64N(int64(r.To-r.From)))
}

// Schedule is how long things take, and how much load there is.
type Schedule struct {
	// WarmUp is the undisturbed time before the first fault.
	WarmUp time.Duration
	// Promote is the time from a crash, black hole or hang to the promotion. Real
	// Aurora usually takes 5 to 30 s.
	Promote Range
	// Switchover is the same for a planned switchover, which is quicker.
	Switchover Range
	// StatusLag is how long after the promotion the other instances still name
	// the old writer.
	StatusLag Range
	// RestartAfter is the time from the promotion until the old writer is back,
	// as a reader. Not more than DNSLag.
	RestartAfter time.Duration
	// DNSLag is the time from the promotion until DNS leads to the new writer.
	DNSLag Range
	// Settle is the quiet time after all that.
	Settle time.Duration

	// CallTimeout bounds each call of the workload.
	CallTimeout time.Duration
	// Writers and Readers are the goroutines of each kind; each rests for a time
	// within Pause after each call.
	Writers, Readers int
	Pause            Range
	// Latency is the time of one way between the pool and an instance.
	Latency time.Duration
}

// DefaultSchedule makes four failovers take about half a minute.
func DefaultSchedule() Schedule {
	return Schedule{
		WarmUp:       2 * time.Second,
		Promote:      Range{2 * time.Second, 3500 * time.Millisecond},
		Switchover:   Range{500 * time.Millisecond, 1500 * time.Millisecond},
		StatusLag:    Range{200 * time.Millisecond, 800 * time.Millisecond},
		RestartAfter: 2500 * time.Millisecond,
		DNSLag:       Range{3 * time.Second, 4500 * time.Millisecond},
		Settle:       time.Second,
		CallTimeout:  5 * time.Second,
		Writers:      8,
		Readers:      4,
		Pause:        Range{4 * time.Millisecond, 12 * time.Millisecond},
		Latency:      time.Millisecond,
	}
}
