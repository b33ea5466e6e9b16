package pgdriver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/core"
)

func serverError(severity, code string) *pgconn.PgError {
	return &pgconn.PgError{Severity: severity, SeverityUnlocalized: severity, Code: code, Message: "broken pipe 28000 bad connection read-only"}
}

// B37-B41, B99: faults by type and code, whatever lies around them.
func TestClassify(t *testing.T) {
	network := func(err error) error {
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
	}
	tests := map[string]struct {
		err  error
		want core.Fault
	}{
		"reset":                 {network(syscall.ECONNRESET), core.FaultLink},
		"broken pipe":           {network(syscall.EPIPE), core.FaultLink},
		"refused":               {network(syscall.ECONNREFUSED), core.FaultLink},
		"host unreachable":      {network(syscall.EHOSTUNREACH), core.FaultLink},
		"net unreachable":       {network(syscall.ENETUNREACH), core.FaultLink},
		"timed out":             {network(syscall.ETIMEDOUT), core.FaultLink},
		"bare reset":            {syscall.ECONNRESET, core.FaultLink},
		"EOF, TLS close-notify": {io.EOF, core.FaultLink},
		"unexpected EOF":        {io.ErrUnexpectedEOF, core.FaultLink},
		"net closed":            {net.ErrClosed, core.FaultLink},
		"no such host":          {&net.DNSError{Err: "no such host", IsNotFound: true}, core.FaultLink},
		"cut by us":             {&core.LostError{Host: "w1", Aborted: true, Err: errors.New("x")}, core.FaultLink},
		"cut at a deadline":     {&core.LostError{Host: "w1", Aborted: true, Err: context.DeadlineExceeded}, core.FaultLink},
		"B35: own close":        {pgconn.ErrConnClosed, core.FaultClosed},
		"B32: cancelled":        {context.Canceled, core.FaultCanceled},
		"B33: deadline":         {context.DeadlineExceeded, core.FaultCanceled},

		"57P01": {serverError("FATAL", "57P01"), core.FaultShutdown},
		"57P02": {serverError("FATAL", "57P02"), core.FaultShutdown},
		"57P03": {serverError("FATAL", "57P03"), core.FaultShutdown},
		"25006": {serverError("ERROR", "25006"), core.FaultReadOnly},
		"53300": {serverError("FATAL", "53300"), core.FaultBusy},
		"28P01": {serverError("FATAL", "28P01"), core.FaultLogin},
		"28000": {serverError("FATAL", "28000"), core.FaultLogin},

		"B38: XX000":                         {serverError("ERROR", "XX000"), core.FaultNone},
		"B38: text only":                     {errors.New("read: broken pipe; SQLSTATE 28000; driver: bad connection"), core.FaultNone},
		"syntax error":                       {serverError("ERROR", "42601"), core.FaultNone},
		"unique violation":                   {serverError("ERROR", "23505"), core.FaultNone},
		"serialization failure":              {serverError("ERROR", "40001"), core.FaultNone},
		"08006 of a foreign server":          {serverError("ERROR", "08006"), core.FaultNone},
		"58P01, a missing file":              {serverError("ERROR", "58P01"), core.FaultNone},
		"57014, cancelled by the server":     {serverError("ERROR", "57014"), core.FaultNone},
		"0A000, read-write during recovery":  {serverError("ERROR", "0A000"), core.FaultNone}, // the code says no more; the role does
		"fatal in a session":                 {serverError("FATAL", "08P01"), core.FaultShutdown},
		"idle session timeout":               {serverError("FATAL", "57P05"), core.FaultShutdown},
		"panic in a session":                 {serverError("PANIC", "XX000"), core.FaultShutdown},
		"localised":                          {&pgconn.PgError{Severity: "FATAL", SeverityUnlocalized: "ERROR", Code: "08006"}, core.FaultNone},
		"old server without the other field": {&pgconn.PgError{Severity: "FATAL", Code: "57P04"}, core.FaultShutdown},
		"no code":                            {&pgconn.PgError{Severity: "ERROR"}, core.FaultNone},

		"wrong certificate":       {x509.UnknownAuthorityError{}, core.FaultNone},
		"certificate, by TLS":     {&tls.CertificateVerificationError{Err: x509.HostnameError{}}, core.FaultNone},
		"no rows":                 {pgx.ErrNoRows, core.FaultNone},
		"driver.ErrBadConn (B34)": {driver.ErrBadConn, core.FaultNone},
		"nil":                     {nil, core.FaultNone},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			forms := map[string]error{"bare": test.err}
			if test.err != nil {
				forms["wrapped twice"] = fmt.Errorf("outer: %w", fmt.Errorf("inner: %w", test.err))
				forms["joined"] = errors.Join(errors.New("broken pipe"), test.err)
				forms["joined and wrapped"] = fmt.Errorf("x: %w", errors.Join(test.err, errors.New("28P01")))
			}
			for form, err := range forms {
				if got := classify(err, nil); got != test.want {
					t.Errorf("%s: %s, want %s", form, got, test.want)
				}
			}
		})
	}
}

// A Multi-AZ instance that reboots refuses logins with 28000 for a moment.
func TestClassifyMultiAZ(t *testing.T) {
	for _, d := range dialects {
		want := core.FaultLogin
		if d == multiAZ {
			want = core.FaultShutdown
		}
		if got := classify(serverError("FATAL", "28000"), d); got != want {
			t.Errorf("%s: 28000 is %s, want %s", d.code, got, want)
		}
		if got := classify(serverError("FATAL", "28P01"), d); got != core.FaultLogin {
			t.Errorf("%s: 28P01 is %s", d.code, got)
		}
	}
}

// The errors of pgx's own connect.
func TestClassifyConnectErrors(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().(*net.TCPAddr)
	connect := func(ctx context.Context) error {
		_, err := pgx.Connect(ctx, fmt.Sprintf("postgres://app:secret@127.0.0.1:%d/x?sslmode=disable", addr.Port))
		if !errors.As(err, new(*pgconn.ConnectError)) {
			t.Fatalf("no ConnectError: %v", err)
		}
		return err
	}
	accepted := make(chan struct{})
	go func() { // hangs up before a word is said
		defer close(accepted)
		if c, err := listener.Accept(); err == nil {
			_ = c.Close()
		}
	}()
	if err := connect(t.Context()); classify(err, nil) != core.FaultLink {
		t.Errorf("hung up: %s: %v", classify(err, nil), err)
	}
	<-accepted
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := connect(ended); classify(err, nil) != core.FaultCanceled {
		t.Errorf("cancelled: %s: %v", classify(err, nil), err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := connect(t.Context()); classify(err, nil) != core.FaultLink {
		t.Errorf("refused: %s: %v", classify(err, nil), err)
	}
}
