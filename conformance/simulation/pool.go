package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

// pool is a handle of the application.
type pool struct {
	access
	census  *census
	monitor *hostmonitor.Options // with the defaults filled in; nil: no host monitor
	follows bool                 // has the plugin failover
	strays  bool                 // its host monitor does not find the way to a host again that a name led to
	roomy   bool                 // nobody waits for a connection that others use
}

// monitorOptions draws the settings of a host monitor. One in six has the defaults.
func (r *run) monitorOptions() *hostmonitor.Options {
	if r.rng.IntN(6) == 0 {
		return &hostmonitor.Options{DetectionTime: 30 * time.Second, Interval: 5 * time.Second, Count: 3, DisposalTime: 10 * time.Minute}
	}
	return &hostmonitor.Options{
		DetectionTime: r.between(200*time.Millisecond, 5*time.Second),
		Interval:      r.between(50*time.Millisecond, time.Second),
		Count:         1 + r.rng.IntN(5),
		DisposalTime:  []time.Duration{r.between(50*time.Millisecond, 10*time.Second), 10 * time.Minute}[r.rng.IntN(2)],
	}
}

// answerWithin is how soon a host must answer a ping: if it has one interval only, half
// of it is for another connection.
func answerWithin(o hostmonitor.Options) time.Duration {
	if o.Count == 1 {
		return o.Interval / 2
	}
	return o.Interval
}

// allowed is how long the host monitor takes at most to notice a host that is mute,
// from when it is or the call began to wait, whichever is later.
func (p *pool) allowed() time.Duration {
	var first, questions time.Duration
	for _, o := range p.census.settings {
		first = max(first, o.DetectionTime, o.Interval)
		questions += o.Interval * time.Duration(o.Count)
		if o.Count == 1 { // a few bytes on the other connection may give the host an interval again
			questions += o.Interval / 2
		}
	}
	return first + questions
}

// writers is the pool that most of the work is done on.
func (r *run) writers(census *census, workers int) (*pool, error) {
	p := &pool{census: census, follows: true}
	if r.rng.IntN(4) > 0 {
		p.monitor = r.monitorOptions()
	}
	l := limits{idle: r.rng.IntN(6)}
	p.roomy = true
	if r.rng.IntN(2) == 0 {
		l.open = 2 + r.rng.IntN(6)
		p.roomy = l.open > workers && !r.native() // pgxpool also counts connections whose callers have given up
	}
	return p, r.open(p, r.cluster.Endpoint(), failover.ByEndpoint, l)
}

// keptIdle is how many connections database/sql keeps by itself.
const keptIdle = 2

// readers reads from readers, strictly or not, or without failover from an instance or
// whatever the reader endpoint leads to.
func (r *run) readers(census *census) (*pool, error) {
	p := &pool{census: census, follows: true, roomy: true}
	mode := []failover.Mode{failover.ByEndpoint, failover.StrictReader, failover.ReaderOrWriter}[r.rng.IntN(3)]
	endpoint := r.cluster.ReaderEndpoint()
	if r.rng.IntN(4) > 0 {
		p.monitor = r.monitorOptions()
		if r.rng.IntN(4) == 0 {
			p.follows = false
			if p.strays = r.rng.IntN(2) == 0; !p.strays {
				endpoint = r.anyHost().Host()
			}
		}
	}
	return p, r.open(p, endpoint, mode, limits{idle: keptIdle})
}

// probeUser is who the host monitor logs in as.
const probeUser = "probe"

func (r *run) open(p *pool, endpoint string, mode failover.Mode, l limits) error {
	ways := r.front.Params().Modes // of sending statements
	params := []string{ways[r.rng.IntN(len(ways))]}
	if r.native() {
		params = append(params, l.size()...)
	}
	plugins := []core.Plugin{observer{p}}
	if p.monitor != nil {
		monitor, err := hostmonitor.New(*p.monitor)
		if err != nil {
			return err
		}
		plugins = append(plugins, monitor)
		r.shortest, r.longest = min(r.shortest, answerWithin(*p.monitor)), max(r.longest, p.monitor.Interval)
		r.patience = max(r.patience, p.monitor.Interval*time.Duration(p.monitor.Count))
		r.blip = min(r.blip, p.monitor.Interval*time.Duration(p.monitor.Count-1))
	}
	if p.follows {
		follow, err := failover.New(failover.Options{Mode: mode, Timeout: r.between(20*time.Second, 300*time.Second)})
		if err != nil {
			return err
		}
		plugins = append(plugins, follow)
	}
	own := map[string]string{}
	if r.auth == lab.Trust { // everybody is let in
		own["monitoring-user"] = probeUser
	}
	if p.census.id != "" {
		own["cluster_id"] = p.census.id
	}
	r.note("POOL %s: failover %t, host monitor %+v, cluster_id %q", endpoint, p.follows, p.monitor, p.census.id)
	var err error
	var cluster *core.Cluster
	p.access, cluster, err = r.access(frontend.Options{Lab: r.cluster, DSN: r.cluster.DSN(endpoint, params...), Plugins: plugins, Params: own, Logger: slog.New(journal{r, p.census})}, l)
	if err != nil {
		return err
	}
	p.census.join(cluster, p.monitor)
	return nil
}

// journal is a log. It keeps what the host monitor decides.
type journal struct {
	*run
	census *census
}

func (journal) Enabled(context.Context, slog.Level) bool { return true }
func (j journal) WithAttrs([]slog.Attr) slog.Handler     { return j }
func (j journal) WithGroup(string) slog.Handler          { return j }

func (j journal) Handle(_ context.Context, record slog.Record) error {
	values := map[string]string{}
	var text strings.Builder
	record.Attrs(func(a slog.Attr) bool {
		values[a.Key] = a.Value.String()
		fmt.Fprintf(&text, " %s=%q", a.Key, a.Value.String())
		return true
	})
	j.note("  log: %s%s", record.Message, text.String())
	if record.Message == "host down" && strings.HasPrefix(values["cause"], "no answer to the host monitor") {
		j.census.condemned(values["host"])
	}
	return nil
}
