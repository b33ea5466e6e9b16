package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

// lens draws the moment of the promotion magnified: on the scale of the whole failover, all
// that awsdb does is one line.
func (p *picture) lens() {
	a := p.lensAxis()
	p.y += 8
	top := p.y + 26
	from, to := p.main.x(a.from), max(p.main.x(a.to), p.main.x(a.from)+2)
	p.path("lens", fmt.Sprintf("M%s %sH%sL%s %sH%sZ", px(from), px(p.y-28), px(to), px(a.right), px(top), px(a.left)))
	p.text(edge, p.y+16, "strong", "the promotion, magnified")
	p.y = top + 8
	moments := p.lensFlags(a)

	grid, lanes := p.Len(), p.y-6
	p.text(edge, p.y+4, "", p.failover.NewWriter)
	p.connections(a, p.connectionsTo(p.failover.NewWriter), p.mostConnections(), "connections")
	p.ticks(a, "calls: answered", "each a line", "tick", false)
	p.ticks(a, "ended by an error", "each a line", "mark", true)
	p.under(grid, p.lensGrid(a, lanes, moments))
}

// lensWidths are the widths that the lens may have.
var lensWidths = []time.Duration{
	40 * time.Millisecond, 80 * time.Millisecond, 120 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
}

// lensAxis has the promotion in its first quarter and the first write not far behind its middle.
func (p *picture) lensAxis() axis {
	width := lensWidths[len(lensWidths)-1]
	for _, w := range lensWidths {
		if w >= 5*max(p.firstWrite(), p.known())/2-5*p.promotion()/2 {
			width = w
			break
		}
	}
	return axis{from: p.promotion() - width/4, to: p.promotion() + 3*width/4, left: plotLeft, right: plotRight}
}

func (p *picture) connectionsTo(id string) []demo.Count {
	for _, t := range p.recording.Instances {
		if t.ID == id {
			return t.Connections
		}
	}
	return nil
}

// lensFlags writes the moments, each in a row of its own.
func (p *picture) lensFlags(a axis) []moment {
	moments := []moment{
		{at: p.promotion(), text: p.failover.NewWriter + " is promoted"},
		{at: p.known(), text: fmt.Sprintf("+%s: topology published", round(time.Duration(p.failover.Known)))},
		{at: p.firstWrite(), text: fmt.Sprintf("+%s: first write on %s", round(time.Duration(p.failover.FirstWrite)), p.failover.NewWriter)},
	}
	for n := range moments {
		moments[n].y = p.y + 2
		p.text(a.x(moments[n].at)+4, p.y+12, "small strong", moments[n].text)
		p.y += 15
	}
	p.y += 6
	return moments
}

// lensGrid is the axis, in milliseconds from the promotion, and the lines of the moments.
func (p *picture) lensGrid(a axis, top float64, moments []moment) string {
	var grid canvas
	for at := a.from; at <= a.to; at += (a.to - a.from) / 8 {
		grid.vertical(a.x(at), top, p.y, "grid")
		grid.anchored(a.x(at), p.y+14, "small faint", "middle", number(int((at-p.promotion())/time.Millisecond))+" ms")
	}
	grid.moments(a, moments, p.y)
	p.y += 40
	return grid.String()
}

// ticks is a lane with a line for each call that ended.
func (p *picture) ticks(a axis, name, remark, class string, failed bool) {
	p.text(edge, p.y+10, "", name)
	p.text(edge, p.y+23, "small faint", remark)
	var d strings.Builder
	count, end := 0, 0.0
	for _, c := range p.recording.Calls {
		if at := time.Duration(c.End); c.Failed == failed && a.shows(at) {
			count, end = count+1, a.x(at)
			fmt.Fprintf(&d, "M%s %sv16", px(end), px(p.y+4))
		}
	}
	p.path(class, d.String())
	if failed && count > 0 {
		p.text(end+5, p.y+17, "small", strconv.Itoa(count))
	}
	p.y += 20 + laneGap
}
