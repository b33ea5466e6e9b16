package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

// timeline draws the whole failover.
func (p *picture) timeline() {
	moments := p.flags()
	grid, top := p.Len(), p.y-6
	for _, t := range p.recording.Instances {
		p.bar(t.ID, "", t.States)
		p.connections(p.main, t.Connections, p.mostConnections(), "connections")
	}
	p.y += 4
	p.bar("endpoint in DNS", "", p.recording.DNS)
	p.y += laneGap
	p.bar("the pool's writer", "searching", p.recording.Writer)
	p.y += laneGap + 4
	p.calls()
	p.under(grid, p.mainGrid(top, moments))
}

// under draws something below what was drawn from a position on.
func (p *picture) under(position int, what string) {
	drawn := p.String()
	p.Reset()
	p.WriteString(drawn[:position] + what + drawn[position:])
}

// moment is one with its name, and where its line begins.
type moment struct {
	at   time.Duration
	text string
	y    float64
}

// flags writes what happens when above the lanes, in as many rows as it takes.
func (p *picture) flags() []moment {
	f := p.failover
	moments := slices.DeleteFunc([]moment{
		{at: p.fault(), text: f.OldWriter + " " + verbs[f.Way]},
		{at: p.promotion(), text: f.NewWriter + " is promoted"},
		{at: p.oldIsBack(), text: f.OldWriter + " is back"},
		{at: p.dnsFollows(), text: "DNS follows"},
	}, func(m moment) bool { return !p.main.shows(m.at) })
	var ends []float64 // of each row
	for n := range moments {
		m := &moments[n]
		x, width, anchor := p.main.x(m.at), widthOf(m.text), "start"
		left := x
		if x+width > pictureWidth-8 {
			anchor, left = "end", x-width
		}
		row := 0
		for row < len(ends) && ends[row] > left-12 {
			row++
		}
		if row == len(ends) {
			ends = append(ends, 0)
		}
		ends[row] = left + width
		m.y = p.y + 16*float64(row+1) + 4
		p.anchored(x, m.y-4, "small strong", anchor, m.text)
	}
	p.y += 16*float64(len(ends)) + 14
	return moments
}

// oldIsBack is when the old writer was well again, as a reader, or never.
func (p *picture) oldIsBack() time.Duration {
	for _, t := range p.recording.Instances {
		if t.ID == p.failover.OldWriter {
			return firstOf(t.States, "reader", p.promotion())
		}
	}
	return never
}

// mainGrid is the axis, in seconds from the fault, and the lines of the moments. The lanes
// between them begin at top.
func (p *picture) mainGrid(top float64, moments []moment) string {
	var grid canvas
	for at := p.fault() + (p.main.from - p.fault()).Truncate(time.Second); at <= p.main.to; at += time.Second {
		grid.vertical(p.main.x(at), top, p.y, "grid")
		grid.anchored(p.main.x(at), p.y+14, "small faint", "middle", number(int((at-p.fault())/time.Second))+" s")
	}
	grid.moments(p.main, moments, p.y)
	p.y += 20
	return grid.String()
}

// moments are lines down to an axis.
func (c *canvas) moments(a axis, moments []moment, bottom float64) {
	for _, m := range moments {
		c.vertical(a.x(m.at), m.y, bottom, "moment")
	}
}

// number writes one with a true minus sign.
func number(n int) string { return strings.Replace(strconv.Itoa(n), "-", "−", 1) }

// bar is a lane of what something was. An empty state is called unknown, and drawn as a search.
func (p *picture) bar(name, unknown string, changes []demo.Change) {
	p.text(edge, p.y+12, "", name)
	for n, c := range changes {
		end := p.main.to
		if n+1 < len(changes) {
			end = time.Duration(changes[n+1].At)
		}
		from, to := p.main.x(time.Duration(c.At)), p.main.x(end)
		if to-from < 1 {
			continue
		}
		text, class, on := c.To, classOf(c.To), "on"
		if text == "" {
			text = unknown
		}
		if class == "reader" || class == "search" {
			on = "small"
		}
		p.rect(from, p.y, to-from-1, barHeight, class)
		if widthOf(text)+8 < to-from {
			p.text(from+5, p.y+12, on, text)
		}
	}
	p.y += barHeight
}

// classOf is how a state looks.
func classOf(state string) string {
	switch state {
	case "writer", "reader":
		return state
	case "":
		return "search"
	case "crashed", "black hole", "hung", "restarting":
		return "down"
	}
	return "reader" // the name of an instance
}

// mostConnections is the scale of all instances.
func (p *picture) mostConnections() int {
	most := 1
	for _, t := range p.recording.Instances {
		for _, c := range t.Connections {
			most = max(most, c.N)
		}
	}
	return most
}

// plateau is how wide a step must be for its number to be written.
const plateau = 40.0

// connections is the lane of a number that changes in steps.
func (p *picture) connections(a axis, counts []demo.Count, most int, name string) {
	p.text(edge, p.y+18, "small faint", name)
	base := p.y + areaHeight
	var d strings.Builder
	fmt.Fprintf(&d, "M%s %s", px(a.left), px(base))
	for n, c := range counts {
		end := a.to
		if n+1 < len(counts) {
			end = time.Duration(counts[n+1].At)
		}
		from, to := a.x(time.Duration(c.At)), a.x(end)
		if px(from) == px(to) { // out of sight, or too short to be seen
			continue
		}
		y := base - float64(c.N)/float64(most)*(areaHeight-4)
		fmt.Fprintf(&d, "H%sV%sH%s", px(from), px(y), px(to))
		if to-from > plateau && c.N > 0 {
			p.text(from+5, min(y+12, base-3), "small", strconv.Itoa(c.N))
		}
	}
	fmt.Fprintf(&d, "V%sZ", px(base))
	p.path("links", d.String())
	p.y = base + laneGap
}

// The lanes of calls.
const (
	binWidth    = 100 * time.Millisecond
	slow        = 50 * time.Millisecond // calls take a tenth of that
	rateHeight  = 40.0
	waitHeight  = 24.0
	errorHeight = 24.0
)

// calls draws how many got their answer, how many wait for it, and how many got an error.
func (p *picture) calls() {
	answers, failures := p.bins()
	rate := int(time.Second / binWidth)
	p.text(edge, p.y+14, "", "calls: answered")
	p.text(edge, p.y+29, "small faint", fmt.Sprintf("up to %d per second", highest(answers)*rate))
	p.bars(answers, "answer", rateHeight)

	waiting := p.waiting()
	most := 1
	for _, c := range waiting {
		most = max(most, c.N)
	}
	p.text(edge, p.y+12, "", "waiting")
	p.text(edge, p.y+24, "small faint", "for more than "+round(slow))
	p.steps(waiting, most, "wait", waitHeight)

	p.text(edge, p.y+12, "", "ended by an error")
	p.text(edge, p.y+24, "small faint", "that says what is known")
	p.bars(failures, "error", errorHeight)
}

// bins counts the calls that ended in each binWidth of the axis.
func (p *picture) bins() (answers, failures []int) {
	n := int((p.main.to-p.main.from)/binWidth) + 1
	answers, failures = make([]int, n), make([]int, n)
	for _, c := range p.recording.Calls {
		end := time.Duration(c.End)
		switch bin := int((end - p.main.from) / binWidth); {
		case end < p.main.from || bin >= n:
		case c.Failed:
			failures[bin]++
		default:
			answers[bin]++
		}
	}
	return answers, failures
}

func highest(bins []int) int {
	most := 1
	for _, n := range bins {
		most = max(most, n)
	}
	return most
}

// bars is a lane of counts. A few of them, such as errors, get their number written.
func (p *picture) bars(bins []int, class string, height float64) {
	base, most, few := p.y+height, highest(bins), 0
	for _, n := range bins {
		if n > 0 {
			few++
		}
	}
	var d strings.Builder
	for n, count := range bins {
		if count == 0 {
			continue
		}
		from := p.main.from + time.Duration(n)*binWidth
		x, width := p.main.x(from), p.main.x(from+binWidth)-p.main.x(from)-1
		tall := max(float64(count)/float64(most)*(height-2), 1)
		fmt.Fprintf(&d, "M%s %sv-%sh%sv%sz", px(x), px(base), px(tall), px(width), px(tall))
		if few <= 8 {
			p.text(x+width+3, base-2, "small", strconv.Itoa(count))
		}
	}
	p.path(class, d.String())
	p.y = base + laneGap
}

// waiting is how many calls have waited for long, whenever that changes.
func (p *picture) waiting() []demo.Count {
	const resolution = 20 * time.Millisecond
	var counts []demo.Count
	for at := p.main.from; at <= p.main.to; at += resolution {
		n := 0
		for _, c := range p.recording.Calls {
			if time.Duration(c.Begin)+slow <= at && time.Duration(c.End) > at {
				n++
			}
		}
		if last := len(counts) - 1; last < 0 || counts[last].N != n {
			counts = append(counts, demo.Count{At: demo.Millis(at), N: n})
		}
	}
	return counts
}

// steps is a lane of a number of calls.
func (p *picture) steps(counts []demo.Count, most int, class string, height float64) {
	base := p.y + height
	var d strings.Builder
	var numbers canvas // on top
	for n, c := range counts {
		end := p.main.to
		if n+1 < len(counts) {
			end = time.Duration(counts[n+1].At)
		}
		if c.N == 0 {
			continue
		}
		from, to := p.main.x(time.Duration(c.At)), p.main.x(end)
		tall := float64(c.N) / float64(most) * (height - 2)
		fmt.Fprintf(&d, "M%s %sv-%sH%sv%sz", px(from), px(base), px(tall), px(to), px(tall))
		if to-from > plateau {
			numbers.text((from+to)/2, base-max(tall/2-4, 2), "ink", strconv.Itoa(c.N))
		}
	}
	p.path(class, d.String())
	p.WriteString(numbers.String())
	p.y = base + laneGap
}
