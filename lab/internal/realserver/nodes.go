package realserver

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Each calls work for all nodes at once and waits for them. Errors say of which node they are.
func Each[Node fmt.Stringer](nodes []Node, work func(Node) error) error {
	failures := make([]error, len(nodes))
	var group sync.WaitGroup
	for i, n := range nodes {
		group.Go(func() {
			if err := work(n); err != nil {
				failures[i] = fmt.Errorf("%s: %w", n, err)
			}
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

// Names returns the names of nodes.
func Names[Node fmt.Stringer](nodes []Node) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.String()
	}
	return names
}

var instanceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// InstanceNames returns the names of a cluster's instances, as its options give number and names: 3, or as many as there are
// names; instance-1 and so on. The error says what to write instead.
func InstanceNames(instances int, names []string) ([]string, error) {
	if instances == 0 {
		instances = len(names)
	}
	if instances == 0 {
		instances = 3
	}
	if instances < 1 || instances > 9 {
		return nil, fmt.Errorf("%d instances: write a number from 1 to 9", instances)
	}
	names = slices.Clone(names)
	if len(names) == 0 {
		for i := range instances {
			names = append(names, fmt.Sprintf("instance-%d", i+1))
		}
	}
	if len(names) != instances {
		return nil, fmt.Errorf("%d names for %d instances: give every instance one name, or none at all", len(names), instances)
	}
	for i, name := range names {
		if !instanceName.MatchString(name) {
			return nil, fmt.Errorf("instance name %q: write lower-case letters, digits and hyphens, a letter first, 63 at most", name)
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("instance name %q occurs twice: give every instance a name of its own", name)
		}
	}
	return names, nil
}

var hostSuffix = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)

// CheckEndpoints checks the options that say how a topology names its instances.
func CheckEndpoints(suffix string, port int) error {
	if !hostSuffix.MatchString(suffix) {
		return fmt.Errorf("suffix %q: write a DNS name such as abc.us-east-1.rds.amazonaws.com", suffix)
	}
	if port < 0 || port > 65535 {
		return fmt.Errorf("endpoint port %d: write a port from 1 to 65535, or 0 for the server's own", port)
	}
	return nil
}

// Union returns a and what of b is not in it.
func Union[Node comparable](a, b []Node) []Node {
	all := slices.Clone(a)
	for _, n := range b {
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// Missing returns what of all is not in present.
func Missing[Node comparable](all, present []Node) []Node {
	var missing []Node
	for _, n := range all {
		if !slices.Contains(present, n) {
			missing = append(missing, n)
		}
	}
	return missing
}

// Find returns the node with that name.
func Find[Node fmt.Stringer](nodes []Node, name string) (Node, error) {
	for _, n := range nodes {
		if n.String() == name {
			return n, nil
		}
	}
	var none Node
	return none, fmt.Errorf("no instance %q: write one of %s", name, strings.Join(Names(nodes), ", "))
}

// Candidate returns which of the healthy followers of the primary to promote, the zero value if any will do. kind is what a
// follower is called.
func Candidate[Node interface {
	comparable
	fmt.Stringer
}](healthy []Node, primary Node, name, kind string) (Node, error) {
	var whichever Node
	switch {
	case len(healthy) == 0:
		return whichever, fmt.Errorf("no %s is running: start one again, or end its fault", kind)
	case name == "":
		return whichever, nil
	case name == primary.String():
		return whichever, errors.New("it is the primary already")
	}
	if n, err := Find(healthy, name); err == nil {
		return n, nil
	}
	return whichever, fmt.Errorf("it is no running %s of the primary: start it again or end its fault, or promote one of %s",
		kind, strings.Join(Names(healthy), ", "))
}

// CheckSettings checks that settings have a name of the given form, are not among those the cluster itself depends on, and
// have a value without any of the characters bad.
func CheckSettings(settings map[string]string, form *regexp.Regexp, reserved func(name string) bool, bad string) error {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		switch {
		case !form.MatchString(name):
			return fmt.Errorf("%q is not the name of a server's setting", name)
		case reserved(name):
			return fmt.Errorf("setting %q belongs to the cluster itself: leave it out", name)
		case strings.ContainsAny(settings[name], bad):
			return fmt.Errorf("setting %q: write its value on one line, without any of %q", name, bad)
		}
	}
	return nil
}
