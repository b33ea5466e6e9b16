package core

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"unicode"
)

var allSentinels = []error{
	ErrFailover, ErrFailoverSuccess, ErrFailoverFailed, ErrTransactionResolutionUnknown, ErrOutcomeUnknown, ErrConnect,
	ErrQueryTimeout, ErrReadWriteSplitting, ErrUnsupported, ErrConfig, ErrClosed, driver.ErrBadConn,
}

// What an Error matches, of all sentinels there are: B32-B36, B98, and promise 2
// for driver.ErrBadConn.
func TestErrorIs(t *testing.T) {
	cause := io.ErrUnexpectedEOF
	tests := map[string]struct {
		err  *Error
		want []error
	}{
		"query, not sent":                 {&Error{Op: OpQuery}, []error{driver.ErrBadConn}},
		"exec, not sent":                  {&Error{Op: OpExec}, []error{driver.ErrBadConn}},
		"exec, not sent, in a tx":         {&Error{Op: OpExec, InTx: true, Outcome: OutcomeRolledBack}, nil},
		"exec, sent":                      {&Error{Op: OpExec, Sent: true, Outcome: OutcomeUnknown}, []error{ErrOutcomeUnknown}},
		"exec, sent, in a tx":             {&Error{Op: OpExec, Sent: true, InTx: true, Outcome: OutcomeRolledBack}, nil},
		"query, sent, refused":            {&Error{Op: OpQuery, Sent: true, Outcome: OutcomeRolledBack}, []error{driver.ErrBadConn}}, // rejectReadOnly
		"rows":                            {&Error{Op: OpRows, Sent: true, Outcome: OutcomeUnknown}, []error{ErrOutcomeUnknown}},
		"begin, sent":                     {&Error{Op: OpBegin, Sent: true, Outcome: OutcomeRolledBack}, []error{driver.ErrBadConn}},
		"prepare, sent":                   {&Error{Op: OpPrepare, Sent: true, Outcome: OutcomeRolledBack}, []error{driver.ErrBadConn}},
		"prepare, sent, in a tx":          {&Error{Op: OpPrepare, Sent: true, InTx: true, Outcome: OutcomeRolledBack}, nil},
		"ping, sent":                      {&Error{Op: OpPing, Sent: true, Outcome: OutcomeRolledBack}, []error{driver.ErrBadConn}},
		"ping, not sent":                  {&Error{Op: OpPing}, []error{driver.ErrBadConn}},
		"commit, sent":                    {&Error{Op: OpCommit, Sent: true, InTx: true, Outcome: OutcomeUnknown}, []error{ErrOutcomeUnknown}},
		"commit, not sent":                {&Error{Op: OpCommit, InTx: true, Outcome: OutcomeRolledBack}, nil},
		"connect never repeats by itself": {&Error{Op: OpConnect}, nil},
		"connect":                         {&Error{Op: OpConnect, Kind: ErrConnect}, []error{ErrConnect}},
		"failover done, not sent":         {&Error{Op: OpExec, Kind: ErrFailoverSuccess}, []error{ErrFailover, ErrFailoverSuccess}},
		"failover done, sent":             {&Error{Op: OpExec, Sent: true, Outcome: OutcomeUnknown, Kind: ErrFailoverSuccess}, []error{ErrFailover, ErrFailoverSuccess, ErrOutcomeUnknown}},
		"failover failed":                 {&Error{Op: OpConnect, Kind: ErrFailoverFailed}, []error{ErrFailover, ErrFailoverFailed}},
		"tx lost":                         {&Error{Op: OpExec, Sent: true, InTx: true, Outcome: OutcomeRolledBack, Kind: ErrTransactionResolutionUnknown}, []error{ErrFailover, ErrTransactionResolutionUnknown}},
		"tx lost at commit":               {&Error{Op: OpCommit, Sent: true, InTx: true, Outcome: OutcomeUnknown, Kind: ErrTransactionResolutionUnknown}, []error{ErrFailover, ErrTransactionResolutionUnknown, ErrOutcomeUnknown}},
		"closed":                          {&Error{Op: OpConnect, Kind: ErrClosed}, []error{ErrClosed}},
		"splitting":                       {&Error{Op: OpQuery, Kind: ErrReadWriteSplitting, Sent: true}, []error{ErrReadWriteSplitting}},
		"unsupported":                     {&Error{Op: OpConnect, Kind: ErrUnsupported}, []error{ErrUnsupported}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.err.Err = cause
			for form, err := range map[string]error{
				"bare":    test.err,
				"wrapped": fmt.Errorf("save order: %w", fmt.Errorf("insert: %w", test.err)),
				"joined":  errors.Join(errors.New("other"), test.err),
			} {
				for _, sentinel := range allSentinels {
					want := false
					for _, w := range test.want {
						want = want || w == sentinel //nolint:errorlint // identity is meant
					}
					if got := errors.Is(err, sentinel); got != want {
						t.Errorf("%s: errors.Is(%q) is %t", form, sentinel, got)
					}
				}
				if !errors.Is(err, cause) {
					t.Errorf("%s: the cause is lost", form)
				}
				if errors.Is(err, nil) {
					t.Errorf("%s: matches nil", form)
				}
				var e *Error
				if !errors.As(err, &e) || e != test.err {
					t.Errorf("%s: errors.As finds %v", form, e)
				}
			}
		})
	}
}

// The outcome of every call whose connection broke: promise 1 and B98.
func TestOutcome(t *testing.T) {
	for op := OpConnect; op <= OpRows; op++ {
		for _, sent := range []bool{false, true} {
			for _, inTx := range []bool{false, true} {
				want := OutcomeNotSent
				switch {
				case op == OpCommit && sent:
					want = OutcomeUnknown
				case inTx:
					want = OutcomeRolledBack
				case sent && (op == OpConnect || op == OpPrepare || op == OpBegin || op == OpPing):
					want = OutcomeRolledBack
				case sent:
					want = OutcomeUnknown
				}
				if got := outcome(op, sent, inTx, false); got != want {
					t.Errorf("%s, sent %t, in a tx %t: %s, want %s", op, sent, inTx, got, want)
				}
				if got := outcome(op, sent, true, true); got != OutcomeUnknown {
					t.Errorf("%s, sent %t, after an implicit commit: %s", op, sent, got)
				}
			}
		}
	}
}

// The classes of spec 15.1 and 11.6.
func TestClassOf(t *testing.T) {
	tests := []struct {
		err  error
		want Class
	}{
		{nil, ClassNone},
		{io.EOF, ClassNone},
		{driver.ErrBadConn, ClassNone},
		{context.Canceled, ClassNone},
		{stateError("23505"), ClassNone},
		{&Error{Op: OpConnect, Kind: ErrConnect}, ClassOperational},
		{&Error{Op: OpExec, Kind: ErrFailoverSuccess}, ClassOperational},
		{&Error{Op: OpExec, Kind: ErrFailoverFailed}, ClassOperational},
		{&Error{Op: OpExec, Kind: ErrTransactionResolutionUnknown}, ClassOperational},
		{&Error{Op: OpExec, Sent: true, Outcome: OutcomeUnknown}, ClassOperational},
		{&Error{Op: OpExec}, ClassOperational},
		{ErrQueryTimeout, ClassOperational},
		{&Error{Op: OpConnect, Kind: ErrConnect, Err: fmt.Errorf("%w: who are you", ErrQueryTimeout)}, ClassOperational},
		{&Error{Op: OpQuery, Kind: ErrReadWriteSplitting}, ClassInterface},
		{ErrReadWriteSplitting, ClassInterface},
		{&Error{Op: OpConnect, Kind: ErrUnsupported}, ClassNotSupported},
		{ErrUnsupported, ClassNotSupported},
		{configError([]error{errors.New("x")}), ClassDatabase},
		{ErrClosed, ClassDatabase},
		{&Error{Op: OpConnect, Kind: ErrClosed}, ClassDatabase},
	}
	for _, test := range tests {
		if got := ClassOf(test.err); got != test.want {
			t.Errorf("ClassOf(%v) is %q, want %q", test.err, got, test.want)
		}
		if test.err == nil {
			continue
		}
		if got := ClassOf(errors.Join(errors.New("other"), fmt.Errorf("wrapped: %w", test.err))); got != test.want {
			t.Errorf("ClassOf(%v), wrapped, is %q, want %q", test.err, got, test.want)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	lost := &LostError{Host: "w1", Err: io.EOF}
	tests := []struct {
		err  error
		want string
	}{
		{&Error{Op: OpConnect, Host: "db:5432", Kind: ErrConnect, Err: io.EOF}, "awsdb: connect on db:5432: cannot connect: EOF"},
		{&Error{Op: OpExec, Host: "w1", Phase: "reply", Sent: true, Outcome: OutcomeUnknown, Kind: ErrFailoverSuccess, Err: lost}, "awsdb: exec on w1 (reply): connection lost, a new host is ready, outcome unknown: connection to w1 lost: EOF"},
		{&Error{Op: OpCommit, InTx: true, Outcome: OutcomeRolledBack, Kind: ErrTransactionResolutionUnknown}, "awsdb: commit: connection lost inside a transaction, outcome rolled back"},
		{&Error{Op: OpPing, Host: "w1", Phase: "send", Err: &LostError{Host: "w1", Aborted: true, Err: errors.New("no answer")}}, "awsdb: ping on w1 (send), outcome not sent: connection to w1 given up: no answer"},
		{timeoutError(context.Background(), endedContext(), "identify w1", context.DeadlineExceeded), "awsdb: own query timed out: identify w1: context deadline exceeded"},
		{configError([]error{errors.New("a=1: want two"), errors.New("b=1: want two")}), "awsdb: configuration: a=1: want two\nb=1: want two"},
		{configError([]error{configError([]error{errors.New("only one")})}), "awsdb: configuration: only one"},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
	for _, sentinel := range allSentinels[:len(allSentinels)-1] {
		text, found := strings.CutPrefix(sentinel.Error(), "awsdb: ")
		if !found || text == "" || unicode.IsUpper(rune(text[0])) || strings.HasSuffix(text, ".") {
			t.Errorf("%q: want awsdb: and lower-case words without full stop", sentinel)
		}
	}
}

func endedContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// A question of ours that fails while its context is good keeps its own error.
func TestTimeoutErrorOnlyForTimeouts(t *testing.T) {
	if err := timeoutError(context.Background(), context.Background(), "x", io.EOF); err != io.EOF { //nolint:errorlint // identity is meant
		t.Errorf("got %v", err)
	}
	err := timeoutError(context.Background(), endedContext(), "x", context.Canceled)
	if !errors.Is(err, ErrQueryTimeout) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNames(t *testing.T) {
	var got []string
	for op := OpConnect; op <= OpRows; op++ {
		got = append(got, op.String())
	}
	for f := FaultNone; f <= FaultBusy; f++ {
		got = append(got, f.String())
	}
	for c := ClassNone; c <= ClassDatabase; c++ {
		got = append(got, c.String())
	}
	for r := RoleUnknown; r <= RoleReader; r++ {
		got = append(got, r.String())
	}
	want := "connect query exec prepare begin commit rollback ping rows none canceled link shutdown read-only login closed busy " +
		"none operational interface not supported database unknown writer reader"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %q\nwant %q", strings.Join(got, " "), want)
	}
}

// B94: no way of printing shows a secret.
func TestSecretsDoNotPrint(t *testing.T) {
	const secret = "hunter2-s3cr3t"
	target := Target{Host: Host{ID: "w1"}, User: "app", Password: secret}
	values := map[string]any{
		"secret": Secret(secret), "pointer": ptr(Secret(secret)), "target": target, "target pointer": &target,
		"slice": []Target{target}, "map": map[string]Secret{"a": secret}, "nested": struct{ T Target }{target}, "any": []any{target, Secret(secret)},
	}
	hex := fmt.Sprintf("%x", secret)
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%10s", "%.3s", "%c", "%t"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, "hunter") || strings.Contains(strings.ToLower(strings.ReplaceAll(text, " ", "")), hex) {
				t.Errorf("%s with %s: %s", name, verb, text)
			}
		}
		if strings.HasPrefix(name, "target") {
			continue // has a func: encoding/json refuses it
		}
		if text, err := json.Marshal(v); err == nil && bytes.Contains(text, []byte("hunter")) {
			t.Errorf("%s as JSON: %s", name, text)
		}
	}
	for name, handler := range map[string]func(io.Writer) slog.Handler{
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
		"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
	} {
		var b bytes.Buffer
		target := target
		target.Dial = nil
		slog.New(handler(&b)).Info("x", "secret", Secret(secret), "target", target, slog.Group("g", "p", Secret(secret)))
		if strings.Contains(b.String(), "hunter") {
			t.Errorf("%s log: %s", name, b.String())
		}
	}
	if Secret("").String() != "" || fmt.Sprint(Secret(secret)) != "***" {
		t.Error("an empty secret and one that is set must be told apart")
	}
}

func ptr[T any](v T) *T { return &v }

// A cause that comes from another connection, such as a monitoring connection's, must
// not make database/sql repeat a statement that was sent.
func TestCausesAreHarmless(t *testing.T) {
	for name, cause := range map[string]error{
		"bare":    driver.ErrBadConn,
		"wrapped": fmt.Errorf("replaced as the writer: %w", driver.ErrBadConn),
		"joined":  errors.Join(stateError("57P01"), driver.ErrBadConn),
	} {
		lost := &LostError{Host: "w1", Aborted: true, Err: cause}
		for form, err := range map[string]error{
			"lost":  lost,
			"error": &Error{Op: OpExec, Sent: true, Outcome: OutcomeUnknown, Err: lost},
			"plain": &Error{Op: OpExec, Sent: true, Outcome: OutcomeUnknown, Err: cause},
		} {
			if errors.Is(err, driver.ErrBadConn) {
				t.Errorf("%s, %s: database/sql would repeat", name, form)
			}
			if name == "joined" && !errors.As(err, new(stateError)) {
				t.Errorf("%s, %s: the server's error is lost", name, form)
			}
		}
	}
	notSent := &Error{Op: OpExec, Err: &LostError{Err: driver.ErrBadConn}}
	if !errors.Is(notSent, driver.ErrBadConn) {
		t.Error("nothing was sent, and the call is not repeated")
	}
}

// That a question of ours has run into its limit is why a connection is cut, but no
// deadline of the call that is cut.
func TestCauseOfACutIsNoContextError(t *testing.T) {
	cut := fmt.Errorf("read: %w", &LostError{Host: "w1", Aborted: true, Err: fmt.Errorf("%w: %w: %w", errTestCause, context.DeadlineExceeded, context.Canceled)})
	for _, err := range []error{cut, &Error{Op: OpQuery, InTx: true, Outcome: OutcomeRolledBack, Err: cut}} {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || !errors.Is(err, errTestCause) {
			t.Errorf("%v matches the wrong errors", err)
		}
	}
	if !SafeToRepeat(&Error{Op: OpQuery, InTx: true, Outcome: OutcomeRolledBack, Err: cut}) {
		t.Error("a transaction whose connection was cut may be repeated")
	}
	lost := &LostError{Host: "w1", Err: os.ErrDeadlineExceeded} // a limit of the driver's own
	if !errors.Is(lost, os.ErrDeadlineExceeded) {
		t.Errorf("%v has lost its cause", lost)
	}
}
