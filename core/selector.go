package core

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// Selector chooses one host among candidates. The candidates are never empty and belong to the caller: a Selector
// neither changes nor keeps the slice (the built-in ones panic when it is empty). Implementations are safe for concurrent use and do not block.
type Selector interface {
	Select(hosts []Host) Host
}

// selectors lists the built-in strategies by canonical name, sorted.
var selectors = [...]struct {
	name     string
	selector func() Selector
}{
	{"random", func() Selector { return randomSelector{rand.IntN} }},
	{"round_robin", func() Selector { return &roundRobinSelector{} }},
}

// NewSelector returns a selector for a strategy named in a DSN: "random" draws evenly, "round_robin" takes the
// hosts in turn, by identifier. The spellings of the other wrappers (roundRobin, RoundRobin, ROUND_ROBIN,
// round-robin) mean the same. Every call returns a selector with a state of its own; connections that
// should take turns must share one. The error for an unknown name wraps ErrConfig and lists the known ones.
func NewSelector(strategy string) (Selector, error) {
	name := fold(strings.TrimSpace(strategy))
	for _, s := range selectors {
		if name == fold(s.name) {
			return s.selector(), nil
		}
	}
	return nil, fmt.Errorf("%w: unknown reader selection strategy %q: write one of %s",
		ErrConfig, strategy, strings.Join(selectorNames(), ", "))
}

// selectorNames returns the canonical names of the built-in strategies, sorted.
func selectorNames() []string {
	names := make([]string, 0, len(selectors))
	for _, s := range selectors {
		names = append(names, s.name)
	}
	return names
}

type randomSelector struct {
	intN func(n int) int
}

func (s randomSelector) Select(hosts []Host) Host {
	return hosts[s.intN(len(hosts))]
}

// roundRobinSelector remembers the last choice itself rather than an index, so that hosts may come and go between two calls.
type roundRobinSelector struct {
	mu   sync.Mutex // guards last
	last Host
}

// Select returns the first host behind the last choice in the order of identifiers, and starts over at the end.
// It looks for the two candidates in one pass instead of sorting a copy.
func (s *roundRobinSelector) Select(hosts []Host) Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := &hosts[0]
	var next *Host
	for i := range hosts {
		host := &hosts[i]
		if compareHosts(host, first) < 0 {
			first = host
		}
		if compareHosts(host, &s.last) > 0 && (next == nil || compareHosts(host, next) < 0) {
			next = host
		}
	}
	if next == nil {
		next = first
	}
	s.last = *next
	return s.last
}

// compareHosts orders by identifier, and by address as long as neither has one. Where both have, the address does
// not count: a host that moved is still the same.
func compareHosts(a, b *Host) int {
	if a.ID == "" && b.ID == "" {
		return strings.Compare(a.Addr, b.Addr)
	}
	return strings.Compare(a.ID, b.ID)
}
