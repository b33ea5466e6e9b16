package scenarios

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// journal keeps what is logged, as text.
type journal struct {
	mu      sync.Mutex
	records []string
	hook    func(slog.Record) // called for each record, if not nil
}

// Enabled implements slog.Handler: everything is of interest.
func (j *journal) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Level.String() + " " + r.Message)
	r.Attrs(func(a slog.Attr) bool { b.WriteString(" " + a.String()); return true })
	j.mu.Lock()
	j.records = append(j.records, b.String())
	hook := j.hook
	j.mu.Unlock()
	if hook != nil {
		hook(r)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (j *journal) WithAttrs([]slog.Attr) slog.Handler { return j }

// WithGroup implements slog.Handler.
func (j *journal) WithGroup(string) slog.Handler { return j }

// count is the number of records that contain text.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, r := range j.records {
		if strings.Contains(r, text) {
			n++
		}
	}
	return n
}

func (j *journal) all() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.records, "\n")
}

// searches is how often the monitor had to look for the writer.
func (j *journal) searches() int { return j.count("searching for the writer") }
