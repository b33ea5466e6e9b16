package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

// Table writes what was measured and the verdict.
func Table(r demo.Report, out io.Writer) error {
	var b strings.Builder
	b.WriteString("\n")
	if len(r.Failovers) > 0 {
		for group := range slices.Chunk(r.Failovers, beside) {
			columns(&b, failoverRows(group))
			b.WriteString("\n")
		}
		b.WriteString(legend[1:])
	}
	c := r.Counters
	fmt.Fprintf(&b, "\nWrites   %d acknowledged\n", c.Acknowledged)
	fmt.Fprintf(&b, "         %d repeated because they certainly had no effect\n", c.RepeatedSafely)
	fmt.Fprintf(&b, "         %d of unknown outcome; a look into the table: %d done, %d repeated\n", c.Unknown, c.FoundDone, c.RepeatedAfterLook)
	if c.Unfinished > 0 {
		fmt.Fprintf(&b, "         %d in hand when the demo was stopped\n", c.Unfinished)
	}
	fmt.Fprintf(&b, "Reads    %d\nErrors   %s\n\n", c.Reads, errorsByClass(c.Errors))
	for _, check := range r.Checks {
		fmt.Fprintf(&b, "%-6s   %s (%s)\n", verdict(check.OK), check.Name, check.Detail)
	}
	fmt.Fprintf(&b, "\n%d acknowledged writes lost, %d writes stored twice, %d statements delivered twice\n", r.Lost, r.Doubled, r.Redelivered)
	if r.Interrupted {
		b.WriteString("Stopped early; the checks cover what was done until then.\n")
	}
	fmt.Fprintf(&b, "%s in %.1f s; repeat with%s --instances %d --failovers %d --seed %d\n",
		verdict(r.OK), time.Duration(r.Duration).Seconds(), engineFlag(r.Engine), r.Instances, max(len(r.Failovers), 1), r.Seed)
	_, err := io.WriteString(out, b.String())
	return err
}

// engineFlag is what to write for another engine than the default.
func engineFlag(e demo.Engine) string {
	if e == demo.PostgreSQL {
		return ""
	}
	return " --engine " + string(e)
}

const legend = `
Noticed: the pool began to search for the writer, or a call failed.
Known: the pool's topology names the new writer. Promotion: it accepts writes;
when that happens is up to the cluster. The pause is the outage as the
application saw it, between two acknowledged writes.
`

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAILED"
}

// beside is how many failovers stand side by side, to fit 80 columns.
const beside = 3

// failoverRows has one column for each failover.
func failoverRows(failovers []demo.Failover) [][]string {
	rows := [][]string{
		{"Failover"}, {"Old writer"}, {"New writer"},
		{"Fault until promotion"}, {"Fault until noticed"}, {"Fault until new writer known"}, {"Fault until first write"},
		{"Promotion until new writer known"}, {"Promotion until first write"}, {"Pause between writes"},
	}
	for _, f := range failovers {
		for n, cell := range []string{
			fmt.Sprintf("%d %s", f.Number, f.Way), f.OldWriter, f.NewWriter,
			span(f.Promoted), span(f.Noticed), span(f.KnownSinceFault), span(f.FirstWriteSinceFault),
			span(f.Known), span(f.FirstWrite), span(f.Pause),
		} {
			rows[n] = append(rows[n], cell)
		}
	}
	return rows
}

// span writes a duration with three digits.
func span(m demo.Millis) string {
	d := time.Duration(m)
	switch {
	case m == demo.Unknown:
		return "-"
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// columns writes rows as columns two spaces apart.
func columns(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for n, cell := range row {
			widths[n] = max(widths[n], ansi.StringWidth(cell))
		}
	}
	for _, row := range rows {
		line := ""
		for n, cell := range row {
			line += cell + strings.Repeat(" ", widths[n]-ansi.StringWidth(cell)+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
