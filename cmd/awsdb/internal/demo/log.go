package demo

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// poolLog is the slog.Handler given to the library: its state changes become
// events, and the first of them after a fault stops the watch.
type poolLog struct{ journal *journal }

// Enabled implements slog.Handler.
func (poolLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (l poolLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if value := a.Value.String(); value != "" {
			text += fmt.Sprintf("  %s=%s", a.Key, oneLine(value))
		}
		return true
	})
	if strings.HasPrefix(r.Message, "searching") || r.Message == "host down" {
		l.journal.noticed()
	}
	l.journal.log(FromPool, text)
	return nil
}

// oneLine keeps joined errors from breaking the timeline.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// WithAttrs implements slog.Handler; the library has no use for it.
func (l poolLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler; the library has no use for it.
func (l poolLog) WithGroup(string) slog.Handler { return l }
