package core

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func selectorHosts(ids ...string) []Host {
	hosts := make([]Host, 0, len(ids))
	for _, id := range ids {
		hosts = append(hosts, Host{ID: id, Addr: id + ".example.com:5432"})
	}
	return hosts
}

func mustSelector(t *testing.T, strategy string) Selector {
	t.Helper()
	selector, err := NewSelector(strategy)
	if err != nil {
		t.Fatal(err)
	}
	return selector
}

func TestNewSelectorSpellings(t *testing.T) {
	spellings := map[string][]string{
		"core.randomSelector":      {"random", "Random", "RANDOM", " random "},
		"*core.roundRobinSelector": {"round_robin", "roundRobin", "RoundRobin", "ROUND_ROBIN", "round-robin", "roundrobin"},
	}
	for want, names := range spellings {
		for _, name := range names {
			if got := fmt.Sprintf("%T", mustSelector(t, name)); got != want {
				t.Errorf("NewSelector(%q) is a %s, want %s", name, got, want)
			}
		}
	}
	for _, name := range selectorNames() {
		mustSelector(t, name)
	}
	if diff := cmp.Diff([]string{"random", "round_robin"}, selectorNames()); diff != "" {
		t.Errorf("selectorNames: -want +got\n%s", diff)
	}
}

func TestNewSelectorUnknown(t *testing.T) {
	for _, name := range []string{"", "fastest", "least_connections", "roundrobin2"} {
		selector, err := NewSelector(name)
		checkConfigError(t, "NewSelector", name, err, fmt.Sprintf("%q: write one of random, round_robin", name))
		if selector != nil {
			t.Errorf("NewSelector(%q) returns %T beside its error", name, selector)
		}
	}
}

func TestRandomSelector(t *testing.T) {
	hosts := selectorHosts("a", "b", "c")
	draws := []int{2, 0, 1, 1}
	selector := Selector(randomSelector{func(n int) int {
		if n != len(hosts) {
			t.Errorf("drew from %d, want %d", n, len(hosts))
		}
		draw := draws[0]
		draws = draws[1:]
		return draw
	}})
	var got []string
	for range 4 {
		got = append(got, selector.Select(hosts).ID)
	}
	if diff := cmp.Diff([]string{"c", "a", "b", "b"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}

	// With its default source, 3000 draws miss one of three hosts, or give it less than half or twice its share,
	// with a probability far below 1e-50.
	selector = mustSelector(t, "random")
	counts := map[string]int{}
	for range 3000 {
		counts[selector.Select(hosts).ID]++
	}
	for _, host := range hosts {
		if n := counts[host.ID]; n < 500 || n > 2000 {
			t.Errorf("3000 draws chose %s %d times", host.ID, n)
		}
	}
}

func TestRoundRobinSelector(t *testing.T) {
	steps := []struct {
		hosts []Host
		want  string
	}{
		{selectorHosts("c", "a", "b"), "a"}, // by identifier, whatever the order
		{selectorHosts("b", "c", "a"), "b"},
		{selectorHosts("a", "c"), "c"}, // the last choice has gone
		{selectorHosts("a", "b", "c"), "a"},
		{selectorHosts("a", "aa", "b", "c"), "aa"}, // a new host joins where it belongs
		{selectorHosts("a", "aa", "b", "c"), "b"},
		{selectorHosts("a"), "a"}, // everything behind the last choice has gone
		{selectorHosts("a"), "a"},
		{selectorHosts("a", "b"), "b"},
		{selectorHosts("a", "b"), "a"},
		{[]Host{{ID: "a", Addr: "z:1"}, {ID: "b", Addr: "y:1"}}, "b"}, // a moved: still a
	}
	selector := mustSelector(t, "round_robin")
	for i, step := range steps {
		given := slices.Clone(step.hosts)
		got := selector.Select(step.hosts)
		if got.ID != step.want || !slices.Contains(step.hosts, got) {
			t.Errorf("step %d: got %+v, want %s", i, got, step.want)
		}
		if diff := cmp.Diff(given, step.hosts); diff != "" {
			t.Errorf("step %d: candidates were changed: -want +got\n%s", i, diff)
		}
	}
}

func TestRoundRobinSelectorWithoutIDs(t *testing.T) {
	hosts := []Host{{Addr: "b:1"}, {Addr: "a:1"}, {Addr: "c:1"}}
	selector := mustSelector(t, "round_robin")
	var got []string
	for range 4 {
		got = append(got, selector.Select(hosts).Addr)
	}
	if diff := cmp.Diff([]string{"a:1", "b:1", "c:1", "a:1"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestRoundRobinSelectorConcurrently(t *testing.T) {
	hosts := selectorHosts("a", "b", "c")
	selector := mustSelector(t, "round_robin")
	counts := make(chan string, 60)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 10 {
				counts <- selector.Select(hosts).ID
			}
		})
	}
	wg.Wait()
	close(counts)
	got := map[string]int{}
	for id := range counts {
		got[id]++
	}
	if diff := cmp.Diff(map[string]int{"a": 20, "b": 20, "c": 20}, got); diff != "" {
		t.Errorf("60 picks: -want +got\n%s", diff)
	}
}

func TestSelectorsDoNotAllocate(t *testing.T) {
	hosts := selectorHosts("a", "b", "c")
	for _, name := range selectorNames() {
		selector := mustSelector(t, name)
		if got := testing.AllocsPerRun(100, func() { selector.Select(hosts) }); got != 0 {
			t.Errorf("%s allocates %v times per choice", name, got)
		}
	}
}
