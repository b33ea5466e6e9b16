package credentials

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/awsdb/awsdb/core"
)

// B94: what looks for secrets finds them, in whatever form they get out. All other tests
// rely on it.
func TestB94_WhatLeaksIsFound(t *testing.T) {
	const short = "pl4nted S3cret/%?@:'\\x\"<"
	long := strings.Repeat(base64.StdEncoding.EncodeToString([]byte(short)), 10)
	type config struct{ password string }
	for name, leak := range map[string]func(e *evidence, secret string){
		"message":           func(e *evidence, s string) { slog.New(e).Debug("login with " + s) },
		"attribute":         func(e *evidence, s string) { slog.New(e).Info("login", "password", s) },
		"group":             func(e *evidence, s string) { slog.New(e).Info("login", slog.Group("with", "password", s)) },
		"logger's":          func(e *evidence, s string) { slog.New(e).With("password", s).Info("login") },
		"attribute's field": func(e *evidence, s string) { slog.New(e).Info("login", "config", config{s}) },
		"error":             func(e *evidence, s string) { _ = e.err(errors.New(s)) },
		"wrapped error":     func(e *evidence, s string) { _ = e.err(opaque{fmt.Errorf("login: %w", errors.New(s))}) },
		"joined error":      func(e *evidence, s string) { _ = e.err(opaque{errors.Join(errors.New("one"), errors.New(s))}) },
		"error's field":     func(e *evidence, s string) { _ = e.err(&carrier{Password: s}) },
		"URL": func(e *evidence, s string) {
			_ = e.err(&url.Error{Op: "Get", URL: "https://x/?p=" + url.QueryEscape(s), Err: errors.New("no")})
		},
		"URL's path":     func(e *evidence, s string) { _ = e.err(errors.New("https://x/" + url.PathEscape(s))) },
		"DSN":            func(e *evidence, s string) { e.value("DSN", "postgres://"+url.UserPassword("app", s).String()+"@x") },
		"quoted":         func(e *evidence, s string) { e.text("text", fmt.Sprintf("%q", s)) },
		"escaped Secret": func(e *evidence, s string) { e.text("text", url.QueryEscape(string(core.Secret(s)))) },
		"cut short":      func(e *evidence, s string) { e.text("text", s[:max(len(short), min(len(s), 100))]) },
	} {
		for what, secret := range map[string]string{"short": short, "long": long} {
			e := newEvidence()
			e.secret("it", secret)
			e.text("text", "nothing of interest")
			e.value("value", core.Secret(secret))
			_ = e.err(fmt.Errorf("login with %v: %w", core.Secret(secret), core.ErrConnect))
			if found := e.leaks(); len(found) > 0 {
				t.Fatalf("found where it is not: %v", found)
			}
			leak(e, secret)
			if len(e.leaks()) == 0 {
				t.Errorf("%s, %s: not found", name, what)
			}
		}
	}
}

// opaque hides what it wraps from those who only print it.
type opaque struct{ error }

func (opaque) Error() string    { return "opaque" }
func (o opaque) Unwrap() error  { return o.error }
func (opaque) GoString() string { return "opaque" }

// carrier is an error that has more than its text.
type carrier struct{ Password string }

func (*carrier) Error() string { return "no" }
