package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/awsdb/awsdb/lab/internal/gate"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// PromoteOptions say how the world learns of a new writer. The zero value: everywhere at once.
type PromoteOptions struct {
	// DNSLag is how long the cluster endpoints still answer with the old writer.
	DNSLag time.Duration
	// StatusLag is how long the other instances still report the old writer as such. The new one knows at once.
	StatusLag time.Duration
	// DropSessions ends the sessions of the old and the new writer as [Instance.Shutdown] does, because a real failover
	// restarts both.
	DropSessions bool
}

// Promote makes an instance the writer. The old one is read-only from the same instant on: what it has not committed
// will fail, as the shared storage no longer takes its writes. Promoting the writer changes nothing. The error
// tells that there is no such instance.
//
// With real servers Promote takes time, mostly less than a second, and returns when the new writer has
// committed something. From before that the old one acknowledges no write any more, even if it still runs. The
// error may also be that no reader that runs has every acknowledged write, or that o has a StatusLag.
func (c *Cluster) Promote(id string, o PromoteOptions) error {
	c.mu.Lock()
	i, old := c.instance(id), c.instance(c.writer())
	c.mu.Unlock()
	switch {
	case i == nil:
		return fmt.Errorf("lab: promote %q: there is no such instance", id)
	case i == old:
		return nil
	}
	at := time.Now()
	if c.real != nil {
		var err error
		if at, err = c.promoteReal(i, o); err != nil {
			return fmt.Errorf("lab: promote %s: %w", id, err)
		}
	}
	now := time.Now()
	c.mu.Lock()
	p := promotion{id: id, at: at, statusAt: now.Add(o.StatusLag), dnsAt: now.Add(o.DNSLag)}
	c.promotions = append(c.promotions, p)
	c.mu.Unlock()
	if o.DropSessions {
		for _, i := range []*Instance{old, i} {
			if i != nil {
				i.backend().drop()
			}
		}
	}
	return nil
}

// FailoverOptions describe a failover. The zero value: the writer crashes and the next healthy instance is the
// writer at once.
type FailoverOptions struct {
	// To is the new writer; default: the first healthy instance after the old writer, in its region if possible.
	To string
	// After is the time from the fault to the promotion; Aurora takes some 5 to 30 seconds.
	After time.Duration
	// Fault is what befalls the writer; default (*Instance).Crash.
	Fault func(*Instance)
	// RestartAfter is the time from the promotion to the restart of the old writer, as a reader; 0: it stays as it
	// is.
	RestartAfter time.Duration
	// Promote says how the world learns of it.
	Promote PromoteOptions
}

// Failover lets a fault befall the writer now and does the rest by and by, in the background. The channel is closed
// when all is done, or the cluster closed, or the promotion has failed: see [Cluster.Err].
func (c *Cluster) Failover(o FailoverOptions) <-chan struct{} {
	done := make(chan struct{})
	old := c.Writer()
	if o.Fault == nil {
		o.Fault = (*Instance).Crash
	}
	if old != nil {
		o.Fault(old)
	}
	started := c.run(func() {
		defer close(done)
		if gate.Sleep(c.life, o.After) != nil {
			return
		}
		to := o.To
		if to == "" {
			to = c.successor(old)
		}
		if to == "" {
			return
		}
		if err := c.Promote(to, o.Promote); err != nil {
			c.fail(err)
			return
		}
		if o.RestartAfter > 0 && old != nil && gate.Sleep(c.life, o.RestartAfter) == nil {
			old.Restart()
		}
	})
	if !started {
		close(done)
	}
	return done
}

// successor is the next healthy instance after the old writer; "" when there is none.
func (c *Cluster) successor(old *Instance) string {
	c.mu.Lock()
	instances := slices.Clone(c.instances)
	c.mu.Unlock()
	at := slices.Index(instances, old)
	elsewhere := ""
	for _, i := range slices.Concat(instances[at+1:], instances[:max(at, 0)]) {
		switch {
		case !i.healthy():
		case old == nil || i.region == old.region:
			return i.id
		case elsewhere == "":
			elsewhere = i.id
		}
	}
	return elsewhere
}

// AddReader adds an instance to the primary region. A cluster of real servers keeps those it started with.
func (c *Cluster) AddReader(id string) (*Instance, error) {
	if c.real != nil {
		return nil, fmt.Errorf("lab: instance %s: real servers cannot be added later: set Options.Instances", id)
	}
	return c.add(id, c.options.Region)
}

func (c *Cluster) add(id, region string) (*Instance, error) {
	if err := checkIdentifier(id); err != nil {
		return nil, err
	}
	i := &Instance{cluster: c, id: id, region: region, host: c.instanceHost(id, region)}
	latency := c.transport.answerDelay(c.options.Latency)
	i.gate = gate.New(latency)
	if c.authority != nil && c.real == nil {
		certificate, err := c.authority.issue(c.certificateNames(i.host, region))
		if err != nil {
			return nil, err
		}
		i.certificate = certificate
	}
	i.process = c.newBackend(i)
	if err := c.transport.listen(i); err != nil {
		return nil, fmt.Errorf("lab: instance %s: %w", id, err)
	}
	if err := c.admit(i); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

// maxInstances is how many instances a region can have had: addresses are not used twice.
const maxInstances = 240

// admit makes a complete instance a member.
func (c *Cluster) admit(i *Instance) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return fmt.Errorf("lab: instance %s: the cluster is closed", i.id)
	case c.instance(i.id) != nil:
		return fmt.Errorf("lab: instance %s exists already", i.id)
	case c.added[i.region] == maxInstances:
		return fmt.Errorf("lab: instance %s: no address is left, %s has had %d instances", i.id, i.region, maxInstances)
	}
	c.added[i.region]++
	region := slices.Index(c.regions(), i.region)
	i.ip = netip.AddrFrom4([4]byte{10, 20, byte(region), byte(10 + c.added[i.region])})
	c.instances = append(c.instances, i)
	if len(c.promotions) == 0 {
		c.promotions = []promotion{{id: i.id}}
	}
	if i.listener != nil {
		c.goroutines.Go(func() { i.accept(i.listener) })
	}
	return nil
}

// RemoveInstance deletes an instance: its sessions end, its name and address exist no longer. It does nothing
// when there is no such instance. A cluster whose writer is removed has none until the next Promote. It panics in
// a cluster of real servers.
func (c *Cluster) RemoveInstance(id string) {
	c.mustSimulate("RemoveInstance")
	c.mu.Lock()
	i := c.instance(id)
	c.instances = slices.DeleteFunc(c.instances, func(other *Instance) bool { return other == i })
	c.mu.Unlock()
	if i != nil {
		i.close()
	}
}

// status is the cluster as one instance reports it.
func (c *Cluster) status(viewer *Instance) []sqlengine.InstanceStatus {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	writer := c.promotions[0].id
	for n, p := range c.promotions {
		ownRole := p.id == viewer.id && n == len(c.promotions)-1
		if ownRole || !p.statusAt.After(now) {
			writer = p.id
		}
	}
	var rows []sqlengine.InstanceStatus
	for _, i := range c.instances {
		rows = append(rows, i.status(i.id == writer, now))
	}
	return rows
}
