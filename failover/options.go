package failover

import (
	"time"

	"github.com/awsdb/awsdb/core"
)

// Options configure New. The zero value is right for most.
type Options struct {
	// Mode says which hosts connections may be on. Default: ByEndpoint.
	Mode Mode
	// Timeout bounds the wait for a usable host, of calls and of connects, beside
	// their contexts. Default: 5 minutes, as in the other AWS wrappers.
	Timeout time.Duration
	// ReaderSelector names how a reader is chosen: "random" (default) or
	// "round_robin".
	ReaderSelector string
	// NoConnectFailover makes a connect to a host that cannot be reached fail at
	// once instead of waiting for the failover to end.
	NoConnectFailover bool
}

// New returns the plugin "failover" for explicit use, as in
// pgdriver.WithPlugins(plugin). It remembers what it learns about its endpoint: give
// each handle one of its own. The error matches core.ErrConfig.
func New(o Options) (core.Plugin, error) {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.ReaderSelector == "" {
		o.ReaderSelector = "random"
	}
	selector, err := core.NewSelector(o.ReaderSelector)
	if err != nil {
		return nil, err
	}
	return &plugin{
		mode:            o.Mode,
		timeout:         o.Timeout,
		connectFailover: !o.NoConnectFailover,
		readers:         newReaders(selector),
		slots:           make(chan struct{}, dialsAtOnce),
	}, nil
}

const (
	defaultTimeout = 5 * time.Minute
	// dialsAtOnce bounds how many of the connects that waited for a failover are
	// opened at the same time: the new writer has just started.
	dialsAtOnce = 16
)

func init() {
	core.Register(core.Info{
		Code: "failover", Aliases: []string{"failover_v2", "failover2"}, Stage: core.StageFailover,
		Params: params, Default: func(core.Settings) bool { return true }, New: fromSettings,
		Doc: "Lands every connection on the verified right host, follows the writer or a reader, drops connections to a demoted writer.",
	})
	core.Register(core.Info{
		Code: "initial_connection", Stage: core.StageFailover, Params: initialParams, New: initialFromSettings,
		Doc: "Only the verified connects of failover.",
	})
	core.Register(core.Info{
		Code: "stale_dns", Aliases: []string{"aurora_stale_dns"}, Stage: core.StageFailover,
		New: func(core.Settings) (core.Plugin, error) { return &staleDNS{}, nil },
		Doc: "Only failover's distrust of a writer endpoint that leads to a reader.",
	})
	core.Register(core.Info{
		Code: "aurora_connection_tracker", Stage: core.StageFailover,
		New: func(core.Settings) (core.Plugin, error) { return &tracker{}, nil },
		Doc: "Only failover's dropping of connections to a demoted writer.",
	})
}

var params = []core.Param{
	{Name: "failover_mode", Kind: core.Enum, Values: []string{"strict-writer", "strict-reader", "reader-or-writer"}, Doc: "Which hosts connections may be on. Default: by the endpoint."},
	{Name: "failover_timeout_sec", Aliases: []core.Alias{{Name: "failover_timeout_ms", Unit: time.Millisecond}, {Name: "failover_timeout"}}, Kind: core.Duration, Unit: time.Second, Default: "300", Doc: "Limit for finding a usable host, beside the caller's context."},
	{Name: "failover_reader_host_selector_strategy", Default: "random", Doc: "How a reader is chosen: random or round_robin."},
	{Name: "enable_connect_failover", Kind: core.Bool, Default: "true", Doc: "Whether a connect to a host that cannot be reached waits for the failover to end."},
	{Name: "enable_failover", Aliases: []core.Alias{{Name: "enable_cluster_aware_failover"}}, Kind: core.Bool, Default: "true", Doc: "false turns the plugin off."},
	{Name: "failover_cluster_topology_refresh_rate_sec", Aliases: []core.Alias{{Name: "failover_cluster_topology_refresh_rate_ms", Unit: time.Millisecond}}, Kind: core.Duration, Unit: time.Second, Ignored: true, Doc: "Of failover v1; see cluster_topology_high_refresh_rate_ms."},
	{Name: "failover_writer_reconnect_interval_sec", Aliases: []core.Alias{{Name: "failover_writer_reconnect_interval_ms", Unit: time.Millisecond}}, Kind: core.Duration, Unit: time.Second, Ignored: true, Doc: "Of failover v1; the topology monitor knows when the writer is back."},
	{Name: "failover_reader_connect_timeout_sec", Aliases: []core.Alias{{Name: "failover_reader_connect_timeout_ms", Unit: time.Millisecond}}, Kind: core.Duration, Unit: time.Second, Ignored: true, Doc: "Of failover v1; connect_timeout bounds a connect."},
	{Name: "skip_failover_on_interrupted_thread", Kind: core.Bool, Ignored: true, Doc: "A caller's cancelled context never starts a failover."},
	{Name: "telemetry_failover_additional_top_trace", Kind: core.Bool, Ignored: true, Doc: "There are no spans."},
}

func fromSettings(s core.Settings) (core.Plugin, error) {
	if !s.Bool("enable_failover") {
		return nil, nil //nolint:nilnil // the registry takes nil for "not wanted"
	}
	mode, err := parseMode(s.String("failover_mode"))
	if err != nil {
		return nil, err
	}
	strategy := s.String("failover_reader_host_selector_strategy")
	if !s.Given("failover_reader_host_selector_strategy") && s.Given("reader_initial_connection_host_selector_strategy") {
		strategy = s.String("reader_initial_connection_host_selector_strategy")
	}
	return New(Options{
		Mode:              mode,
		Timeout:           s.Duration("failover_timeout_sec"),
		ReaderSelector:    strategy,
		NoConnectFailover: !s.Bool("enable_connect_failover"),
	})
}
