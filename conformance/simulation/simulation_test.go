package simulation

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/conformance/recipes"
)

var (
	seeds = flag.Int("seeds", 20, "number of seeds to simulate")
	seed  = flag.Int64("seed", -1, "simulate this seed only, with a trace")
	first = flag.Int("first", 0, "first seed")
	only  = flag.String("engine", "", "simulate this front end only; default: each seed draws one")
	alone = flag.String("tool", "", "simulate this tool only; default: each seed draws one")
)

// TestSimulation covers, for each seed, B01, B07–B09, B17–B20, B25, B32–B36,
// B43–B55, B57, B62, B63, B66, B68, B77, B95 and B104.
func TestSimulation(t *testing.T) {
	simulateAll(t, func(t *testing.T, seed uint64) program {
		return program{draw(t, seed, frontend.All(), frontend.Named, *only), nil}
	})
}

// TestRecipes is the simulation of what applications do with ORMs and query builders.
func TestRecipes(t *testing.T) {
	overSQL := []frontend.Frontend{frontend.PostgreSQL, frontend.MySQL}
	simulateAll(t, func(t *testing.T, seed uint64) program {
		tool := draw(t, seed+1, recipes.All(), recipes.Named, *alone)
		return program{draw(t, seed, overSQL, frontend.Named, *only), &tool}
	})
}

// program is what is simulated.
type program struct {
	front frontend.Frontend
	tool  *recipes.Tool // nil: database/sql, or pgx's own interface
}

// again is how to simulate a seed once more.
func (p program) again(seed uint64) string {
	if p.tool == nil {
		return fmt.Sprintf("go test ./simulation -run TestSimulation -seed %d -engine %s -v", seed, p.front.Name())
	}
	return fmt.Sprintf("go test ./simulation -run TestRecipes -seed %d -engine %s -tool %s -v", seed, p.front.Name(), p.tool.Name)
}

// simulateAll runs all seeds, each with the program it draws.
func simulateAll(t *testing.T, draw func(t *testing.T, seed uint64) program) {
	t.Helper()
	if *seed >= 0 {
		simulate(t, draw(t, uint64(*seed)), uint64(*seed), t.Logf)
		return
	}
	var mu sync.Mutex
	var total Result
	t.Run("seeds", func(t *testing.T) {
		shards := runtime.GOMAXPROCS(0)
		for shard := range shards {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for s := shard; s < *seeds; s += shards {
					r := simulate(t, draw(t, uint64(*first+s)), uint64(*first+s), nil)
					mu.Lock()
					total.add(r)
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d seeds: %d faults; %d writes acknowledged, %d repeated, %d of unknown outcome, %d failed; %d questions of host monitors, %d hosts found dead",
		*seeds, total.Faults, total.Acked, total.Repeated, total.Unknown, total.Failed, total.Questions, total.Downs)
	if total.Acked == 0 || total.Faults == 0 || total.Downs == 0 {
		t.Error("nothing was written, nothing failed or no host was found dead: the simulation proves nothing")
	}
}

func (r *Result) add(o Result) {
	r.Acked += o.Acked
	r.Repeated += o.Repeated
	r.Unknown += o.Unknown
	r.Failed += o.Failed
	r.Faults += o.Faults
	r.Questions += o.Questions
	r.Downs += o.Downs
}

func simulate(t *testing.T, p program, seed uint64, trace func(string, ...any)) Result {
	t.Helper()
	var kept lines
	if trace == nil {
		trace = kept.add
	}
	var r Result
	synctest.Test(t, func(t *testing.T) { r = Run(p.front, p.tool, seed, trace) })
	if len(r.Problems) > 0 && kept.list != nil {
		t.Logf("seed %d:\n%s", seed, strings.Join(kept.list, "\n"))
	}
	for _, problem := range r.Problems {
		t.Error(fmt.Sprintf("seed %d (%s): ", seed, p.again(seed)) + problem)
	}
	return r
}

// lines keep the trace of a run until it has turned out well. A second run of a seed
// is not quite the same: awsdb itself draws random numbers, and of several
// goroutines that wait for the same event any may come first.
type lines struct {
	mu   sync.Mutex
	list []string
}

func (l *lines) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, line)
}

// draw chooses one of those there are, or that of the name given. Everything else that a seed
// draws is independent of which there are, so that a seed stays what it is for each of them.
func draw[T any](t *testing.T, seed uint64, all []T, named func(string) (T, error), name string) T {
	t.Helper()
	if name == "" {
		return all[rand.New(rand.NewPCG(seed, 3)).IntN(len(all))]
	}
	chosen, err := named(name)
	if err != nil {
		t.Fatal(err)
	}
	return chosen
}
