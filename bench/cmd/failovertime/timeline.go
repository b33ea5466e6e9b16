package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// timeline collects what happened in one round. It is the pool's log handler.
type timeline struct {
	mu     sync.Mutex // guards the rest
	start  time.Time
	events []*event
}

// event is something that happened, perhaps several times.
type event struct {
	first, last time.Duration // since the start of the round
	times       int
	text        string
}

// maxText cuts what tells one connection from another off an error, so that
// probes that fail alike are one event.
const maxText = 150

func (t *timeline) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.start, t.events = time.Now(), nil
}

func (t *timeline) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Since(t.start)
	for _, e := range t.events {
		if e.text == text {
			e.times, e.last = e.times+1, at
			return
		}
	}
	t.events = append(t.events, &event{at, at, 1, text})
}

// String is the round, a line for each event.
func (t *timeline) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, e := range t.events {
		fmt.Fprintf(&b, "    %9.1f ms  %s", millis(e.first), e.text)
		if e.times > 1 {
			fmt.Fprintf(&b, " (%d times until %.1f ms)", e.times, millis(e.last))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Enabled implements slog.Handler.
func (t *timeline) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (t *timeline) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString("log: " + r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	text := strings.ReplaceAll(b.String(), "\n", "; ")
	t.note("%s", text[:min(len(text), maxText)])
	return nil
}

// WithAttrs implements slog.Handler; awsdb uses none.
func (t *timeline) WithAttrs([]slog.Attr) slog.Handler { return t }

// WithGroup implements slog.Handler; awsdb uses none.
func (t *timeline) WithGroup(string) slog.Handler { return t }
