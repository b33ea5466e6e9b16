package lab

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// zone is the cluster's DNS. The cluster's mu guards it.
type zone struct {
	endpoints map[string]endpoint
	aliases   map[string]string
	overrides map[string]override
	turn      map[string]int // how often a reader endpoint was asked
	failing   bool
}

type endpointKind int

const (
	writerEndpoint endpointKind = iota
	readerEndpoint
	globalEndpoint
)

type endpoint struct {
	kind   endpointKind
	region string
}

// override is an answer under test control: ids in turn, one each period, until the given time (zero: for ever).
type override struct {
	ids    []string
	since  time.Time
	period time.Duration
	until  time.Time
}

func newZone() zone {
	return zone{
		endpoints: map[string]endpoint{}, aliases: map[string]string{},
		overrides: map[string]override{}, turn: map[string]int{},
	}
}

// LookupHost is the cluster's DNS, in the form drivers and net.Resolver have it: it gives the address of an
// instance by the name of the instance, an endpoint or an alias. An unknown name is a *net.DNSError with
// IsNotFound.
func (c *Cluster) LookupHost(ctx context.Context, name string) ([]string, error) {
	i, _, err := c.resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	if i == nil { // an address
		return []string{name}, nil
	}
	return []string{i.IP()}, nil
}

// LookupCNAME gives the name at the end of the chain of aliases: for an endpoint the instance it leads to at
// present, with a trailing dot, as net.Resolver does.
func (c *Cluster) LookupCNAME(ctx context.Context, name string) (string, error) {
	_, canonical, err := c.resolve(ctx, name)
	return canonical, err
}

// resolve follows a name to an instance; to none for an address.
func (c *Cluster) resolve(ctx context.Context, name string) (*Instance, string, error) {
	if err := ctx.Err(); err != nil {
		timeout := errors.Is(err, context.DeadlineExceeded)
		return nil, "", &net.DNSError{UnwrapErr: err, Err: err.Error(), Name: name, IsTimeout: timeout}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return nil, name, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.zone.failing {
		return nil, "", &net.DNSError{Err: "server misbehaving", Name: name, Server: "10.20.0.2:53", IsTemporary: true}
	}
	if i := c.follow(canonical(name), time.Now()); i != nil {
		return i, i.host + ".", nil
	}
	return nil, "", &net.DNSError{Err: "no such host", Name: name, Server: "10.20.0.2:53", IsNotFound: true}
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// follow finds the instance a name leads to now, nil if none. The caller holds mu.
func (c *Cluster) follow(name string, now time.Time) *Instance {
	z := &c.zone
	for range 8 { // aliases may point in circles
		if o, ok := z.overrides[name]; ok {
			if o.until.IsZero() || now.Before(o.until) {
				return c.instance(o.at(now))
			}
			delete(z.overrides, name)
		}
		target, ok := z.aliases[name]
		if !ok {
			break
		}
		name = target
	}
	if e, ok := z.endpoints[name]; ok {
		return c.endpointTarget(name, e, now)
	}
	for _, i := range c.instances {
		if i.host == name {
			return i
		}
	}
	return nil
}

func (o override) at(now time.Time) string {
	if len(o.ids) == 1 {
		return o.ids[0]
	}
	return o.ids[int(now.Sub(o.since)/o.period)%len(o.ids)]
}

// endpointTarget is the instance an endpoint leads to: of several one after the other. The caller holds mu.
func (c *Cluster) endpointTarget(name string, e endpoint, now time.Time) *Instance {
	targets := c.endpointTargets(e, now)
	if len(targets) == 0 {
		return nil
	}
	turn := 0
	if e.kind == readerEndpoint {
		turn = c.zone.turn[name]
		c.zone.turn[name]++
	}
	return targets[turn%len(targets)]
}

// endpointTargets are the instances an endpoint leads to. The caller holds mu.
func (c *Cluster) endpointTargets(e endpoint, now time.Time) []*Instance {
	writer := c.promotions[0].id
	for _, p := range c.promotions {
		if !p.dnsAt.After(now) {
			writer = p.id
		}
	}
	w := c.instance(writer)
	var targets []*Instance
	if e.kind == readerEndpoint {
		for _, i := range c.instances {
			if i.region == e.region && i != w {
				targets = append(targets, i)
			}
		}
	}
	if len(targets) > 0 || w == nil || e.kind == writerEndpoint && w.region != e.region {
		return targets
	}
	return []*Instance{w}
}

// names are the host names by which clients may know an instance now: its own, and those of the endpoints that lead to
// it. Aliases are none: no instance knows its own.
func (c *Cluster) names(i *Instance) []string {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	names := []string{i.host}
	for _, name := range slices.Sorted(maps.Keys(c.zone.endpoints)) {
		if c.leads(name, i, now) {
			names = append(names, name)
		}
	}
	return names
}

// leads reports whether an endpoint leads to an instance now. The caller holds mu.
func (c *Cluster) leads(name string, i *Instance, now time.Time) bool {
	if o, ok := c.zone.overrides[name]; ok && (o.until.IsZero() || now.Before(o.until)) {
		return o.at(now) == i.id
	}
	return slices.Contains(c.endpointTargets(c.zone.endpoints[name], now), i)
}

// SetDNS makes a name, an endpoint of the cluster or any other, lead to an instance whatever happens; with an
// id of "" an endpoint follows the cluster again and another name is gone.
func (c *Cluster) SetDNS(name, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == "" {
		delete(c.zone.overrides, canonical(name))
		return
	}
	c.zone.overrides[canonical(name)] = override{ids: []string{id}}
}

// FlapDNS makes a name lead to the given instances in turn, changing each period, for the time total, and then
// as before.
func (c *Cluster) FlapDNS(name string, period, total time.Duration, ids ...string) {
	if period <= 0 || len(ids) == 0 {
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.zone.overrides[canonical(name)] = override{
		ids: slices.Clone(ids), since: now, period: period, until: now.Add(total),
	}
}

// FailDNS makes every lookup fail with a temporary error, as when the DNS server is broken, or, with false, ends that.
func (c *Cluster) FailDNS(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.zone.failing = on
}

// Alias makes name a CNAME of target, usually an endpoint: Alias("db.example.com", cluster.Endpoint()).
func (c *Cluster) Alias(name, target string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.zone.aliases[canonical(name)] = canonical(target)
}

// certificateNames are the names a certificate has: the instance's own and the endpoints of its region. The
// caller need not hold mu: they are constant after Start.
func (c *Cluster) certificateNames(host, region string) []string {
	names := []string{host}
	for _, name := range slices.Sorted(maps.Keys(c.zone.endpoints)) {
		if e := c.zone.endpoints[name]; e.kind == globalEndpoint || e.region == region {
			names = append(names, name)
		}
	}
	return names
}
