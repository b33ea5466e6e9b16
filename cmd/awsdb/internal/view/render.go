package view

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

// The colours are the terminal's own, so that they fit its background.
var (
	bold  = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
	good  = lipgloss.NewStyle().Foreground(lipgloss.Green)
	bad   = lipgloss.NewStyle().Foreground(lipgloss.Red)
	warn  = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	mark  = lipgloss.NewStyle().Foreground(lipgloss.Cyan)
)

// Bounds in lines: the event log gets what is left; a cluster that would leave it
// less than the minimum is shortened.
const minEvents, maxEvents, minInstances = 3, 12, 4

// render draws the whole screen: never wider than the terminal, and never higher.
func (l *live) render() string {
	if l.width == 0 {
		return "" // the terminal's size is not known yet
	}
	s := l.snapshot
	top := append(l.header(s), "")
	middle := append([]string{""}, l.load(s)...)
	middle = append(middle, "", bold.Render("Events"))
	footer := l.footer(s)
	room := l.height - len(top) - len(middle) - len(footer)
	instances := instanceLines(s, max(room-minEvents-1, minInstances))
	room = min(max(room-len(instances), 0), maxEvents)
	lines := slices.Concat(top, instances, middle, l.eventLines(room))
	lines = append(lines[:min(len(lines), max(l.height-len(footer), 0))], footer...)
	for n := range lines {
		lines[n] = ansi.Truncate(lines[n], l.width, "…")
	}
	return strings.Join(lines[:min(len(lines), l.height)], "\n")
}

func (l *live) header(s demo.Snapshot) []string {
	dns := s.DNS
	if s.DNS != "" && s.DNS != actualWriter(s) {
		dns = warn.Render(s.DNS + " (out of date)")
	}
	pool := good.Render("writer is " + s.Writer)
	switch {
	case s.Searching:
		pool = warn.Render("searching for the writer")
	case s.Writer == "":
		pool = faint.Render("nothing yet")
	case s.Writer != actualWriter(s):
		pool = warn.Render("writer is " + s.Writer + " (out of date)")
	}
	return []string{
		bold.Render("awsdb demo") + "  " + mark.Render(s.Phase),
		label("Endpoint") + s.Endpoint,
		label("DNS leads to") + dns,
		label("Pool believes") + pool + faint.Render(fmt.Sprintf("  (topology %d)", s.Epoch)),
	}
}

func label(text string) string { return faint.Render(fmt.Sprintf("%-15s", text)) }

// instanceLines are a heading and at most limit lines.
func instanceLines(s demo.Snapshot, limit int) []string {
	lines := []string{faint.Render(fmt.Sprintf("%-15s%-9s%-15s%-13s%s", "Instance", "role", "pool believes", "state", "connections"))}
	shown := s.Instances
	if len(shown) > limit {
		shown = remarkable(shown, limit-1)
	}
	for _, i := range shown {
		lines = append(lines, instanceLine(i))
	}
	if hidden := len(s.Instances) - len(shown); hidden > 0 {
		lines = append(lines, faint.Render(fmt.Sprintf("and %d more readers", hidden)))
	}
	return lines
}

// remarkable picks n instances: those that are not simply readers first.
func remarkable(instances []demo.Instance, n int) []demo.Instance {
	plain := func(i demo.Instance) bool { return i.Role == "reader" && i.Believed == "reader" && i.State == "ok" }
	picked := slices.Clone(instances)
	slices.SortStableFunc(picked, func(a, b demo.Instance) int {
		switch {
		case plain(a) == plain(b):
			return 0
		case plain(a):
			return 1
		}
		return -1
	})
	return picked[:n]
}

func instanceLine(i demo.Instance) string {
	role, state := fmt.Sprintf("%-9s", i.Role), fmt.Sprintf("%-13s", i.State)
	if i.Role == "writer" {
		role = bold.Render(role)
	}
	style := good
	if i.State != "ok" {
		style = bad
	}
	believed := fmt.Sprintf("%-15s", i.Believed)
	if i.Believed != i.Role {
		believed = warn.Render(believed)
	}
	return fmt.Sprintf("%-15s", i.ID) + role + believed + style.Render(state) +
		fmt.Sprintf("%3d  ", i.Connections) + mark.Render(strings.Repeat("▪", min(i.Connections, 30)))
}

func (l *live) load(s demo.Snapshot) []string {
	const numbers = 15 + 6 // columns beside the sparkline
	width := max(l.width-numbers-2, 10)
	c := s.Counters
	return []string{
		label("Writes/s") + fmt.Sprintf("%5d ", last(s.WriteRates)) + good.Render(sparkline(s.WriteRates, width)),
		label("Reads/s") + fmt.Sprintf("%5d ", last(s.ReadRates)) + good.Render(sparkline(s.ReadRates, width)),
		label("Calls in flight") + fmt.Sprintf("%5d writes, %d reads", s.Writing, s.Reading),
		label("Writes") + fmt.Sprintf("%5d acknowledged, %d repeated, %d of unknown outcome (%d were done)",
			c.Acknowledged, c.RepeatedSafely+c.RepeatedAfterLook, c.Unknown, c.FoundDone),
		label("Errors") + errorsByClass(c.Errors),
	}
}

var blocks = []rune("▁▂▃▄▅▆▇█")

// sparkline draws the latest values, as many as fit; nothing at all is a dot.
func sparkline(values []int, width int) string {
	values = values[max(0, len(values)-width):]
	top := 1
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	for _, v := range values {
		if v <= 0 {
			b.WriteRune('·')
			continue
		}
		b.WriteRune(blocks[min(v*len(blocks)/(top+1), len(blocks)-1)])
	}
	return b.String()
}

func (l *live) eventLines(room int) []string {
	var lines []string
	for _, e := range l.events[max(0, len(l.events)-room):] {
		line := eventLine(e)
		switch e.Source {
		case demo.FromCluster:
			line = bad.Render(line)
		case demo.FromWorkload:
			line = good.Render(line)
		case demo.FromPool:
			line = mark.Render(line)
		}
		lines = append(lines, line)
	}
	return lines
}

func (l *live) footer(s demo.Snapshot) []string {
	help := "q quits"
	if l.stopping {
		help = "stopping…"
	}
	text := fmt.Sprintf(" %.0f of %.0f s  %s", s.Elapsed.Seconds(), s.Planned.Seconds(), help)
	return []string{"", faint.Render(Caution), progress(s, l.width-len([]rune(text))) + text}
}

// progress draws a bar of the given width.
func progress(s demo.Snapshot, width int) string {
	width = max(width, 0)
	done := 0
	if s.Planned > 0 {
		done = min(int(int64(width)*int64(s.Elapsed)/int64(s.Planned)), width)
	}
	return mark.Render(strings.Repeat("█", done)) + faint.Render(strings.Repeat("░", width-done))
}

// actualWriter is the instance that accepts writes, whatever anybody believes.
func actualWriter(s demo.Snapshot) string {
	for _, i := range s.Instances {
		if i.Role == "writer" {
			return i.ID
		}
	}
	return ""
}
