package hostmonitor

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

// built is what the registry makes of parameters.
func built(t *testing.T, params map[string]string) (*plugin, error) {
	t.Helper()
	settings, err := core.TakeSettings(params)
	if err != nil {
		return nil, err
	}
	if len(params) != 0 {
		t.Errorf("left for the server: %v", params)
	}
	p, err := fromSettings(settings)
	if p == nil {
		return nil, err
	}
	return p.(*plugin), err
}

var defaults = Options{DetectionTime: 30 * time.Second, Interval: 5 * time.Second, Count: 3, DisposalTime: 10 * time.Minute}

// Every spelling of the other wrappers, with the unit that a bare number has there.
func TestParameters(t *testing.T) {
	with := func(change func(o *Options)) Options {
		o := defaults
		change(&o)
		return o
	}
	detection := with(func(o *Options) { o.DetectionTime = 1500 * time.Millisecond })
	interval := with(func(o *Options) { o.Interval = 1500 * time.Millisecond })
	count := with(func(o *Options) { o.Count = 1500 })
	disposal := with(func(o *Options) { o.DisposalTime = 1500 * time.Millisecond })
	for key, want := range map[string]Options{
		"failure_detection_time_ms":     detection,
		"failure_detection_time":        detection,
		"failureDetectionTimeMs":        detection,
		"failureDetectionTime":          detection,
		"failure-detection-time-ms":     detection,
		"FAILURE_DETECTION_TIME_MS":     detection,
		"failure_detection_interval_ms": interval,
		"failure_detection_interval":    interval,
		"failureDetectionIntervalMs":    interval,
		"failureDetectionInterval":      interval,
		"failure_detection_count":       count,
		"failureDetectionCount":         count,
		"monitor_disposal_time_ms":      disposal,
		"monitor_disposal_time":         disposal,
		"monitorDisposalTimeMs":         disposal,
		"monitorDisposalTime":           disposal,
	} {
		p, err := built(t, map[string]string{key: "1500"})
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		if diff := cmp.Diff(want, p.options); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
		if want.Count == defaults.Count {
			if p, err = built(t, map[string]string{key: "1.5s"}); err != nil || p.options != want {
				t.Errorf("%s as a duration: %v, %v", key, p, err)
			}
		}
	}
	if p, err := built(t, nil); err != nil || p.options != defaults {
		t.Errorf("without parameters: %v, %v", p, err)
	}
	for _, off := range []string{"false", "0", "off"} {
		if p, err := built(t, map[string]string{"failureDetectionEnabled": off}); p != nil || err != nil {
			t.Errorf("failureDetectionEnabled=%s: %v, %v", off, p, err)
		}
	}
}

// A value that cannot be meant is refused, and the message names it and what to write.
func TestWrongParameters(t *testing.T) {
	for _, pair := range []string{
		"failure_detection_time_ms=0", "failure_detection_time_ms=-1", "failure_detection_time_ms=soon", "failure_detection_time_ms=0.5",
		"failure_detection_interval_ms=0", "failure_detection_interval_ms=-5s", "failure_detection_interval_ms=NaN",
		"failure_detection_count=0", "failure_detection_count=-1", "failure_detection_count=2.5", "failure_detection_count=99999999999999999999",
		"failure_detection_count=9223372036854775807", "failure_detection_enabled=perhaps",
		"monitor_disposal_time_ms=0", "monitor_disposal_time_ms=1e30",
		"failure_detection_counts=3", "failure_detection_tim_ms=3", "monitoring_connect_timeout=3",
	} {
		key, value, _ := strings.Cut(pair, "=")
		_, err := built(t, map[string]string{key: value})
		if !errors.Is(err, core.ErrConfig) || !(strings.Contains(err.Error(), key) || strings.Contains(err.Error(), value)) {
			t.Errorf("%s: %v", pair, err)
		}
	}
	_, err := built(t, map[string]string{"failureDetectionTime": "1", "failure_detection_time_ms": "2"})
	if !errors.Is(err, core.ErrConfig) {
		t.Errorf("twice the same: %v", err)
	}
}

func TestNew(t *testing.T) {
	p, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults, p.(*plugin).options); diff != "" {
		t.Errorf("the zero value (-want +got):\n%s", diff)
	}
	given := Options{time.Millisecond, time.Microsecond, 1, time.Nanosecond}
	if p, err = New(given); err != nil || p.(*plugin).options != given {
		t.Errorf("%v, %v", p, err)
	}
	for _, wrong := range []Options{
		{DetectionTime: -1}, {Interval: -1}, {Count: -1}, {DisposalTime: -1}, {Interval: math.MinInt64},
		{Count: math.MaxInt}, {Interval: math.MaxInt64}, {Interval: 100 * 365 * 24 * time.Hour / 3, Count: 3},
	} {
		if _, err := New(wrong); !errors.Is(err, core.ErrConfig) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	if _, err := New(Options{DetectionTime: math.MaxInt64, DisposalTime: math.MaxInt64}); err != nil {
		t.Errorf("never: %v", err)
	}
}

// Parameters for the driver are left under their prefix, secrets unseen.
func TestPrefix(t *testing.T) {
	settings, err := core.TakeSettings(map[string]string{
		"monitoring-user": "watch", "Monitoring-Password": "hush", "topology-monitoring-user": "other",
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"user": "watch", "password": "hush"}, settings.Prefixed(monitorPrefix)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCodes(t *testing.T) {
	for _, code := range []string{"host_monitoring_v2", "host_monitoring", "efm", "efm2", "EFM2", "hostMonitoringV2"} {
		settings, err := core.TakeSettings(map[string]string{"plugins": code, "failure_detection_count": "7"})
		if err != nil {
			t.Fatal(err)
		}
		k, err := core.NewConnector(core.Config{Engine: engine{newFakeNet()}, Family: "fake", Addr: dsnAddr, Settings: settings})
		if err != nil {
			t.Errorf("%s: %v", code, err)
			continue
		}
		_ = k.Close()
	}
}
