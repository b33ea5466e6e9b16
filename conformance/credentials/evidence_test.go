package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/awsdb/awsdb/core"
)

// evidence is what a test's application gets to see, and what it must not find in there
// (B94): every record of the log in every form, and every error. It is a slog.Handler.
type evidence struct {
	mu      sync.Mutex
	secrets map[string]string // what is secret about them
	texts   map[string]string // where they are from
	records []string
}

func newEvidence() *evidence {
	return &evidence{secrets: map[string]string{}, texts: map[string]string{}}
}

// secret says that value must be seen nowhere.
func (e *evidence) secret(what, value string) {
	if value == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secrets[value] = what
}

// text is something that the application sees.
func (e *evidence) text(where, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.texts[text] = where
}

// err is an error that the application sees, in every form in which it can be printed. It
// returns it.
func (e *evidence) err(err error) error {
	if err != nil {
		for _, one := range append(wrapped(err), err) {
			e.value("error", one)
		}
	}
	return err
}

// value is something that the application may print.
func (e *evidence) value(where string, value any) {
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		e.text(where+" in the format "+format, fmt.Sprintf(format, value))
	}
	if text, err := json.Marshal(value); err == nil {
		e.text(where+" as JSON", string(text))
	}
}

// wrapped are all errors beneath err.
func wrapped(err error) []error {
	var below []error
	switch e := err.(type) { //nolint:errorlint // walks the tree itself
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			below = []error{inner}
		}
	case interface{ Unwrap() []error }:
		below = e.Unwrap()
	}
	all := slices.Clone(below)
	for _, inner := range below {
		all = append(all, wrapped(inner)...)
	}
	return all
}

// Enabled implements slog.Handler: everything is of interest.
func (e *evidence) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (e *evidence) Handle(ctx context.Context, r slog.Record) error {
	var text, object strings.Builder
	all := &slog.HandlerOptions{Level: slog.LevelDebug}
	if err := errors.Join(slog.NewTextHandler(&text, all).Handle(ctx, r), slog.NewJSONHandler(&object, all).Handle(ctx, r)); err != nil {
		return err
	}
	e.text("log", text.String())
	e.text("log as JSON", object.String())
	r.Attrs(func(a slog.Attr) bool { e.value("attribute of the log", a.Value.Any()); return true })
	e.mu.Lock()
	defer e.mu.Unlock()
	e.records = append(e.records, text.String())
	return nil
}

// WithAttrs implements slog.Handler.
func (e *evidence) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		e.value("attribute of the log", a.Value.Any())
	}
	return e
}

// WithGroup implements slog.Handler.
func (e *evidence) WithGroup(string) slog.Handler { return e }

// logged is the number of records that contain text.
func (e *evidence) logged(text string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, r := range e.records {
		if strings.Contains(r, text) {
			n++
		}
	}
	return n
}

// leaks are the places where a secret is to be seen.
func (e *evidence) leaks() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var seen strings.Builder // each text once, with a border that is in no secret
	for text := range e.texts {
		seen.WriteString(text + "\x00")
	}
	var found []string
	for secret, what := range e.secrets {
		for _, piece := range pieces(secret) {
			if !strings.Contains(seen.String(), piece) {
				continue
			}
			for text, where := range e.texts {
				if strings.Contains(text, piece) {
					found = append(found, fmt.Sprintf("%s is in an %s: %s", what, where, text))
				}
			}
			break
		}
	}
	return found
}

// pieceSize is how much of a long secret must not be seen: an error may have cut it short.
const pieceSize = 20

// pieces are what must not be seen of a secret: itself, or if it is long every part of it, in
// every spelling.
func pieces(secret string) []string {
	var all []string
	for _, spelling := range spellings(secret) {
		if len(spelling) < 2*pieceSize {
			all = append(all, spelling)
			continue
		}
		for part := range slices.Chunk([]byte(spelling), pieceSize) {
			if len(part) == pieceSize {
				all = append(all, string(part))
			}
		}
	}
	return all
}

func spellings(secret string) []string {
	object, _ := json.Marshal(secret) // a string never fails
	all := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("", secret).String()[1:],
		strings.Trim(string(object), `"`), strings.Trim(strconv.Quote(secret), `"`), html.EscapeString(secret),
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// check demands that no secret was seen.
func (e *evidence) check(t *testing.T) {
	t.Helper()
	found := e.leaks()
	slices.Sort(found)
	for _, leak := range found[:min(len(found), 5)] {
		t.Error(leak)
	}
}

// spy is a plugin behind the one that brings credentials: what it brings is secret, and
// counted.
type spy struct {
	*evidence
	mu     sync.Mutex
	logins []login
}

// login is one for which a plugin has brought credentials.
type login struct {
	core.Target
	password string
}

func (*spy) Code() string { return "spy" }

func (s *spy) Authenticate(_ context.Context, t core.Target) (core.Target, error) {
	password := string(t.Password)
	if token, err := parseToken(password); err == nil {
		s.secret("the signature of a token", token.signature)
		s.secret("the session token in a token", token.session)
	} else {
		s.secret("a password", password)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins = append(s.logins, login{t, password})
	return t, nil
}

func (*spy) LoginFailed(context.Context, core.Target, error) bool { return false }

// take returns the logins since it was last called.
func (s *spy) take() []login {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.logins
	s.logins = nil
	return taken
}
