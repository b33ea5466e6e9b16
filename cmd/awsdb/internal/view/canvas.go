package view

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// canvas is an SVG in the making. Lengths are pixels, y grows downwards; class names are
// those of style.
type canvas struct{ strings.Builder }

// style has the colours of both themes. The picture has a background of its own, so that it
// can be read wherever it stands, even if the page's theme is not the reader's.
const style = `
text{font:12px ui-sans-serif,system-ui,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.title{font-size:17px;font-weight:600}.small{font-size:11px}.faint{fill:#59636e}.on{fill:#fff;font-size:11px}.ink{fill:#1f2328;font-size:11px}.strong{font-weight:600}
.card{fill:#fff;stroke:#d0d7de}.grid{stroke:#d8dee4}.moment{stroke:#57606a;stroke-dasharray:3 3}.lens{fill:#57606a;fill-opacity:.1}
.writer{fill:#0969da}.reader{fill:#cfe3f9}.down{fill:#cf222e}.search{fill:#eac54f}
.links{fill:#8250df;fill-opacity:.3;stroke:#8250df}.answer{fill:#2da44e}.wait{fill:#d4a72c}.error{fill:#cf222e}
.tick{fill:none;stroke:#2da44e}.mark{fill:none;stroke:#cf222e;stroke-width:2}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.on{fill:#fff}.ink{fill:#1f2328}
.card{fill:#0d1117;stroke:#3d444d}.grid{stroke:#2a313c}.moment{stroke:#9198a1}.lens{fill:#9198a1;fill-opacity:.15}
.writer{fill:#1f6feb}.reader{fill:#1b3c63}.down{fill:#b62324}.search{fill:#7d5f0b}
.links{fill:#a371f7;stroke:#a371f7}.answer{fill:#3fb950}.wait{fill:#d29922}.error{fill:#f85149}
.tick{stroke:#3fb950}.mark{stroke:#f85149}}
`

// start begins the document. It has text for those who cannot see it.
func (c *canvas) start(width, height float64, title, description string) {
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %[1]s %[2]s" role="img">`, px(width), px(height))
	fmt.Fprintf(c, "\n<title>%s</title>\n<desc>%s</desc>\n<style>%s</style>\n", escaped(title), escaped(description), style)
	fmt.Fprintf(c, `<rect class="card" x=".5" y=".5" width="%s" height="%s" rx="8"/>`+"\n", px(width-1), px(height-1))
}

func (c *canvas) end() { c.WriteString("</svg>\n") }

func (c *canvas) text(x, y float64, class, text string) { c.anchored(x, y, class, "start", text) }

// anchored is text whose start, middle or end is at x.
func (c *canvas) anchored(x, y float64, class, anchor, text string) {
	if anchor != "start" {
		anchor = `" text-anchor="` + anchor
	} else {
		anchor = ""
	}
	fmt.Fprintf(c, `<text class="%s" x="%s" y="%s%s">%s</text>`+"\n", class, px(x), px(y), anchor, escaped(text))
}

func (c *canvas) rect(x, y, width, height float64, class string) {
	fmt.Fprintf(c, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="2"/>`+"\n", class, px(x), px(y), px(max(width, 0)), px(height))
}

// vertical is a line from one y to another.
func (c *canvas) vertical(x, from, to float64, class string) {
	c.path(class, fmt.Sprintf("M%s %sV%s", px(x), px(from), px(to)))
}

func (c *canvas) path(class, data string) {
	if data != "" {
		fmt.Fprintf(c, `<path class="%s" d="%s"/>`+"\n", class, data)
	}
}

// px writes a length with one decimal at most.
func px(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

// widthOf is about how wide a text is.
func widthOf(text string) float64 { return 6.1 * float64(len([]rune(text))) }

// axis maps a span of time to a span of the canvas.
type axis struct {
	from, to    time.Duration
	left, right float64
}

func (a axis) x(at time.Duration) float64 {
	share := float64(at-a.from) / float64(a.to-a.from)
	return a.left + min(max(share, 0), 1)*(a.right-a.left)
}

// shows tells that an instant is within the axis.
func (a axis) shows(at time.Duration) bool { return at >= a.from && at <= a.to }
