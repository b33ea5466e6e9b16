package core

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What an attempt can end with, and which of it the two functions repeat.
func TestRetryIdempotent(t *testing.T) {
	var (
		unsent  = &Error{Op: OpExec, Kind: ErrFailoverSuccess, Outcome: OutcomeNotSent}
		rolled  = &Error{Op: OpExec, Kind: ErrTransactionResolutionUnknown, Sent: true, InTx: true, Outcome: OutcomeRolledBack}
		doubt   = &Error{Op: OpCommit, Kind: ErrTransactionResolutionUnknown, Sent: true, InTx: true, Outcome: OutcomeUnknown}
		late    = &Error{Op: OpExec, Kind: ErrFailoverFailed, Sent: true, Outcome: OutcomeUnknown}
		connect = &Error{Op: OpConnect, Kind: ErrFailoverFailed, Outcome: OutcomeNotSent}
		other   = errors.New("duplicate key")
	)
	tests := map[string]struct {
		attempts   []error
		want       int     // attempts made
		matches    []error // nothing: no error
		mustNot    error
		retryMakes int // attempts that Retry makes
	}{
		"success":                        {[]error{nil}, 1, nil, nil, 1},
		"what is safe":                   {[]error{unsent, rolled, nil}, 3, nil, nil, 3},
		"in doubt":                       {[]error{doubt, doubt, nil}, 3, nil, nil, 1},
		"an error of the work":           {[]error{other, nil}, 1, []error{other}, ErrOutcomeUnknown, 1},
		"no writer in time":              {[]error{late, nil}, 1, []error{ErrFailoverFailed, ErrOutcomeUnknown}, nil, 1},
		"a doubt is not forgotten":       {[]error{doubt, connect}, 2, []error{ErrFailoverFailed, ErrOutcomeUnknown, doubt}, nil, 1},
		"nor behind what is safe":        {[]error{doubt, unsent, other}, 3, []error{other, ErrOutcomeUnknown}, nil, 1},
		"what was safe leaves no doubt":  {[]error{unsent, other}, 2, []error{other}, ErrOutcomeUnknown, 2},
		"a later doubt is the one named": {[]error{doubt, late}, 2, []error{ErrFailoverFailed, ErrOutcomeUnknown}, nil, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				made := 0
				work := func() error { made++; return test.attempts[made-1] }
				err := RetryIdempotent(t.Context(), work)
				if made != test.want || (err == nil) != (test.matches == nil) || (test.mustNot != nil && errors.Is(err, test.mustNot)) {
					t.Errorf("%d attempts, want %d: %v", made, test.want, err)
				}
				for _, want := range test.matches {
					if !errors.Is(err, want) {
						t.Errorf("error %v, want a match with %v", err, want)
					}
				}
				if err != nil && SafeToRepeat(err) {
					t.Errorf("%v is said to be safe to repeat", err)
				}
				made = 0
				_ = Retry(t.Context(), work)
				if diff := cmp.Diff(test.retryMakes, made); diff != "" {
					t.Errorf("attempts of Retry (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// The doubt outlives the context, too, which may end in a pause between attempts.
func TestRetryIdempotentEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // less than the first pause
		defer cancel()
		doubt := &Error{Op: OpExec, Kind: ErrFailoverSuccess, Sent: true, Outcome: OutcomeUnknown}
		err := RetryIdempotent(ctx, func() error { return doubt })
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("error %v, want both the deadline and the doubt", err)
		}
	})
}
