package federated

import (
	"errors"
	"slices"
	"strconv"
	"time"
)

// What a sign-in can end with, for errors.Is. The error itself is always an [*Error].
var (
	// ErrPassword: the identity provider refused the user name or the password. It
	// is not asked again at once, see [Error.Next].
	ErrPassword = errors.New("user name or password refused")
	// ErrPasswordExpired: the password must be changed first.
	ErrPasswordExpired = errors.New("the password has expired or must be changed")
	// ErrLocked: the account is locked.
	ErrLocked = errors.New("the account is locked")
	// ErrMFA: the identity provider wants a second factor, which no program can give:
	// exempt the account from it.
	ErrMFA = errors.New("a second factor is demanded, which awsdb cannot give")
	// ErrNoAssertion: the sign-in ended without a SAML assertion, though nothing was
	// refused. The account may not be allowed to use the application.
	ErrNoAssertion = errors.New("no SAML assertion in the answer")
	// ErrAnswer: the identity provider answered in a way that the sign-in cannot go
	// on with.
	ErrAnswer = errors.New("unexpected answer")
	// ErrUnavailable: the identity provider or STS could not be reached, or said that
	// it cannot answer now.
	ErrUnavailable = errors.New("unavailable")
	// ErrTimeout: the request took longer than Options.Timeout.
	ErrTimeout = errors.New("no answer in time")
	// ErrRole: STS did not let the user of the assertion assume the role.
	ErrRole = errors.New("the role was refused")
	// ErrAssertionExpired: STS took the assertion for too old. A clock may be wrong.
	ErrAssertionExpired = errors.New("the SAML assertion has expired")
	// ErrAssertionRefused: STS did not accept the assertion: it does not know its
	// issuer, or not its signature, or it is meant for somebody else.
	ErrAssertionRefused = errors.New("the SAML assertion was refused")
)

// Error is why there are no credentials of the role. It holds no password, assertion,
// cookie or page, nor anything else that was sent or received but what it names.
type Error struct {
	// Kind is one of the sentinels above.
	Kind error
	// Step is what was being done, such as "sending the password".
	Step string
	// Host is who was asked.
	Host string
	// Status is the status of the HTTP answer, 0 if it does not matter.
	Status int
	// Code is what Okta or STS calls the failure, "" if it has no name.
	Code string
	// Advice says more, and what to do. It may be empty.
	Advice string
	// Next is when the identity provider will be asked again, after a refusal that counts
	// towards locking the account, or that a setting must end. Zero: within seconds.
	Next time.Time
	// Err is the cause, if there is one besides.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	s := "sign-in at " + e.Host + ", " + e.Step + ": " + e.Kind.Error()
	if e.Status != 0 {
		s += ", HTTP status " + strconv.Itoa(e.Status)
	}
	if e.Code != "" {
		s += ", " + e.Code
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	if !e.Next.IsZero() {
		s += " (not tried again before " + e.Next.UTC().Format(time.RFC3339) + ")"
	}
	return s
}

// Unwrap returns Kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Pause is how long the identity provider must not be asked again. The cache of
// credentials goes by it.
func (e *Error) Pause() time.Duration {
	if e.Next.IsZero() {
		return 0
	}
	return max(0, time.Until(e.Next))
}

// isOne tells that Kind is one of kinds.
func (e *Error) isOne(kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(e.Kind, kind) })
}
