package frontend

import (
	"fmt"
	"time"
)

// Detection is how fast the host monitor notices that a host does not answer.
type Detection struct {
	Time     time.Duration // before a waiting call makes it ask
	Interval time.Duration // between two questions, and for an answer
	Count    int           // intervals without one until the host is down
}

// Total is how long a call waits for a host that does not answer until it is cut.
func (d Detection) Total() time.Duration { return d.Time + time.Duration(d.Count)*d.Interval }

// Params are the settings as parameters of a connection string, and more.
func (d Detection) Params(more ...string) []string {
	return append([]string{
		fmt.Sprintf("failure_detection_time_ms=%d", d.Time.Milliseconds()),
		fmt.Sprintf("failure_detection_interval_ms=%d", d.Interval.Milliseconds()),
		fmt.Sprintf("failure_detection_count=%d", d.Count),
	}, more...)
}
