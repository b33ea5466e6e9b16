package hostmonitor

import (
	"fmt"
	"time"

	"github.com/awsdb/awsdb/core"
)

// Options configure New. The zero value means the defaults, which are those of the
// other AWS wrappers.
type Options struct {
	// DetectionTime is how long a call waits before the host is asked. Calls that are
	// shorter cost nothing. Default: 30 seconds.
	DetectionTime time.Duration
	// Interval is the time between two questions to a host, and how long it has to
	// answer one. Default: 5 seconds.
	Interval time.Duration
	// Count is how many intervals must pass without an answer until the host is down:
	// Interval times Count is the silence that is forgiven. Default: 3.
	Count int
	// DisposalTime is how long the connection to ask a host on is kept when there is
	// nothing to ask, and how long a host that is down is asked on when nobody wants it.
	// Default: 10 minutes.
	DisposalTime time.Duration
}

// New returns the plugin "host_monitoring_v2" for explicit use, as in
// pgdriver.WithPlugins(monitor, failover). Several handles may have the same. The error
// tells of negative options, and of intervals that add up to more than ten years, and
// matches core.ErrConfig.
func New(o Options) (core.Plugin, error) {
	if o.DetectionTime == 0 {
		o.DetectionTime = 30 * time.Second
	}
	if o.Interval == 0 {
		o.Interval = 5 * time.Second
	}
	if o.Count == 0 {
		o.Count = 3
	}
	if o.DisposalTime == 0 {
		o.DisposalTime = 10 * time.Minute
	}
	if o.DetectionTime < 0 || o.Interval < 0 || o.Count < 0 || o.DisposalTime < 0 {
		return nil, fmt.Errorf("%w: hostmonitor.Options: a value is negative: leave it zero for the default", core.ErrConfig)
	}
	if o.Interval > longestPatience/time.Duration(o.Count) {
		return nil, fmt.Errorf("%w: hostmonitor.Options: %d intervals of %s are more than %s: use fewer or shorter ones", core.ErrConfig, o.Count, o.Interval, longestPatience)
	}
	return &plugin{o}, nil
}

// longestPatience keeps sums of durations from overflowing.
const longestPatience = 10 * 365 * 24 * time.Hour

// monitorPrefix marks the driver's parameters for the monitor's own connections.
const monitorPrefix = "monitoring-"

func init() {
	core.Register(core.Info{
		Code: "host_monitoring_v2", Aliases: []string{"host_monitoring", "efm", "efm2"}, Stage: core.StageMonitor,
		Params: params, MonitorPrefix: monitorPrefix, Default: func(core.Settings) bool { return true }, New: fromSettings,
		Doc: "Notices a host that hangs or has vanished while calls wait for it, and cuts every connection to it.",
	})
}

var params = []core.Param{
	{Name: "failure_detection_enabled", Kind: core.Bool, Default: "true", Doc: "false turns the plugin off."},
	{Name: "failure_detection_time_ms", Aliases: []core.Alias{{Name: "failure_detection_time"}}, Kind: core.Duration, Unit: time.Millisecond, Default: "30000", Min: 1, Doc: "How long a call waits before the host is asked."},
	{Name: "failure_detection_interval_ms", Aliases: []core.Alias{{Name: "failure_detection_interval"}}, Kind: core.Duration, Unit: time.Millisecond, Default: "5000", Min: 1, Doc: "Time between two questions to a host, and its time to answer."},
	{Name: "failure_detection_count", Kind: core.Int, Default: "3", Min: 1, Doc: "Intervals without an answer until the host is down."},
	{Name: "monitor_disposal_time_ms", Aliases: []core.Alias{{Name: "monitor_disposal_time"}}, Kind: core.Duration, Unit: time.Millisecond, Default: "600000", Min: 1, Doc: "How long the connection to ask a host on is kept when there is nothing to ask."},
}

func fromSettings(s core.Settings) (core.Plugin, error) {
	if !s.Bool("failure_detection_enabled") {
		return nil, nil //nolint:nilnil // the registry takes nil for "not wanted"
	}
	return New(Options{
		DetectionTime: s.Duration("failure_detection_time_ms"),
		Interval:      s.Duration("failure_detection_interval_ms"),
		Count:         s.Int("failure_detection_count"),
		DisposalTime:  s.Duration("monitor_disposal_time_ms"),
	})
}
