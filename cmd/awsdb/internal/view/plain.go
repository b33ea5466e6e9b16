package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

// The paces of Plain: how often it looks for events, and how many looks later it
// prints the state.
const (
	plainEvery  = 100 * time.Millisecond
	statusEvery = 10
)

// Plain prints one line for each event and one a second for the state, until
// done is closed. It returns the first error of out.
func Plain(source Source, done <-chan struct{}, out io.Writer) error {
	p := &plain{source: source, out: out}
	if _, err := fmt.Fprintln(out, Caution); err != nil {
		return err
	}
	ticker := time.NewTicker(plainEvery)
	defer ticker.Stop()
	for look := 1; ; look++ {
		select {
		case <-done:
			return p.events()
		case <-ticker.C:
		}
		if err := p.events(); err != nil {
			return err
		}
		if look%statusEvery == 0 {
			if _, err := fmt.Fprintln(out, statusLine(source.Snapshot())); err != nil {
				return err
			}
		}
	}
}

type plain struct {
	source Source
	out    io.Writer
	shown  int // events so far
}

func (p *plain) events() error {
	for _, e := range p.source.Events(p.shown) {
		p.shown++
		if _, err := fmt.Fprintln(p.out, eventLine(e)); err != nil {
			return err
		}
	}
	return nil
}

// eventLine is an event as both the plain and the live view have it.
func eventLine(e demo.Event) string {
	return fmt.Sprintf("%7.3f  %-8s  %s", time.Duration(e.At).Seconds(), e.Source, e.Text)
}

func statusLine(s demo.Snapshot) string {
	writer := s.Writer
	if s.Searching || writer == "" {
		writer = "searching"
	}
	return fmt.Sprintf("%7.3f  %-8s  pool's writer %s, dns %s, %d writes/s, %d reads/s, in flight %d and %d, errors: %s",
		s.Elapsed.Seconds(), "status", writer, s.DNS, last(s.WriteRates), last(s.ReadRates), s.Writing, s.Reading, errorsByClass(s.Counters.Errors))
}

// lately is how many samples make up a second, over which a rate is shown.
const lately = int(time.Second / demo.SampleEvery)

// last is the rate over the last second.
func last(rates []int) int {
	recent := rates[max(0, len(rates)-lately):]
	if len(recent) == 0 {
		return 0
	}
	sum := 0
	for _, r := range recent {
		sum += r
	}
	return sum / len(recent)
}

func errorsByClass(errors map[string]int64) string {
	if len(errors) == 0 {
		return "none"
	}
	var parts []string
	for _, class := range slices.Sorted(maps.Keys(errors)) {
		parts = append(parts, fmt.Sprintf("%s %d", class, errors[class]))
	}
	return strings.Join(parts, ", ")
}
