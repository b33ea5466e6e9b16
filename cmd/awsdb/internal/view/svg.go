package view

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

// SVG writes a picture of the first failover of a run that was recorded: what becomes of the
// instances, how many connections each has, and what the application's calls come to.
func SVG(r demo.Report, out io.Writer) error {
	if r.Recording == nil || len(r.Failovers) == 0 || r.Failovers[0].FirstWrite == demo.Unknown || r.Failovers[0].Known == demo.Unknown {
		return errors.New("there is no picture of a failover: the demo was stopped before the first was over")
	}
	p := picture{report: r, recording: r.Recording, failover: r.Failovers[0]}
	p.draw()
	_, err := io.WriteString(out, p.String())
	return err
}

// Where things are.
const (
	pictureWidth = 960.0
	edge         = 24.0  // around everything
	plotLeft     = 172.0 // what is left of it is for the names of the lanes
	plotRight    = pictureWidth - edge
	barHeight    = 16.0
	laneGap      = 10.0
	areaHeight   = 24.0 // of the connections
)

// before is how much of the undisturbed run is shown, after how much once DNS has followed.
const (
	before = time.Second
	after  = 800 * time.Millisecond
)

// picture draws one failover from top to bottom.
type picture struct {
	canvas
	report    demo.Report
	recording *demo.Recording
	failover  demo.Failover
	main      axis
	y         float64 // what is above it is drawn
}

// The instants of the failover, since the start of the run.
func (p *picture) fault() time.Duration { return time.Duration(p.failover.FaultAt) }
func (p *picture) promotion() time.Duration {
	return time.Duration(p.failover.FaultAt + p.failover.Promoted)
}
func (p *picture) known() time.Duration { return p.promotion() + time.Duration(p.failover.Known) }
func (p *picture) firstWrite() time.Duration {
	return p.promotion() + time.Duration(p.failover.FirstWrite)
}

// never is the instant of what a run was stopped before. No axis shows it.
const never time.Duration = -1

// dnsFollows is when the endpoint led to the new writer, or never.
func (p *picture) dnsFollows() time.Duration {
	return firstOf(p.recording.DNS, p.failover.NewWriter, p.promotion())
}

// firstOf is when something became what is wanted, not before an instant, or never.
func firstOf(changes []demo.Change, want string, notBefore time.Duration) time.Duration {
	for _, c := range changes {
		if at := time.Duration(c.At); c.To == want && at >= notBefore {
			return at
		}
	}
	return never
}

// until is where the picture ends: when all is well again, or with the recording.
func (p *picture) until() time.Duration {
	end := time.Duration(p.recording.To)
	dns, back := p.dnsFollows(), p.oldIsBack()
	if dns == never || back == never {
		return end
	}
	return min(max(dns, back)+after, end)
}

func (p *picture) draw() {
	p.main = axis{
		from: max(p.fault()-before, time.Duration(p.recording.From)),
		to:   p.until(),
		left: plotLeft, right: plotRight,
	}
	p.y = 64
	p.timeline()
	p.lens()
	p.text(edge, p.y, "small faint", "Simulated cluster; real Aurora mostly takes 5 to 30 s to promote. A program made this from a run:"+p.command())
	body := p.String()
	p.Reset() // what comes first needs the height
	p.start(pictureWidth, p.y+16, p.title(), p.describe())
	p.text(edge, 34, "title", p.title())
	p.text(edge, 54, "faint", p.subtitle())
	p.WriteString(body)
	p.end()
}

func (p *picture) command() string {
	return fmt.Sprintf(" awsdb demo --svg FILE%s --instances %d --failovers %d --seed %d", engineFlag(p.report.Engine), p.report.Instances, len(p.report.Failovers), p.report.Seed)
}

func (p *picture) title() string {
	return fmt.Sprintf("Writes go on %s after the new writer is there", round(time.Duration(p.failover.FirstWrite)))
}

func (p *picture) subtitle() string {
	return fmt.Sprintf("%s, %d instances, one *sql.DB on the cluster endpoint. The writer %s; the application does nothing about it but run again what failed.",
		engineTitle(p.report.Engine), p.report.Instances, verbs[p.failover.Way])
}

func (p *picture) describe() string {
	f := p.failover
	dns := "DNS does not lead there yet"
	if at := p.dnsFollows(); at != never {
		dns = "DNS leads there only after " + round(at-p.promotion())
	}
	return fmt.Sprintf("%s %s. %s is promoted %s later. The pool's topology names it %s after that, and the first write is acknowledged %s after the promotion; %s.",
		f.OldWriter, verbs[f.Way], f.NewWriter, round(time.Duration(f.Promoted)), round(time.Duration(f.Known)), round(time.Duration(f.FirstWrite)), dns)
}

// verbs say what befalls a writer.
var verbs = map[demo.Way]string{
	demo.Crash: "crashes", demo.BlackHole: "vanishes", demo.Hang: "hangs", demo.Switchover: "is switched over",
}

func engineTitle(e demo.Engine) string {
	if e == demo.MySQL {
		return "MySQL"
	}
	return "PostgreSQL"
}

// round writes a duration with two or three digits.
func round(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
