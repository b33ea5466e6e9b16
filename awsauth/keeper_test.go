package awsauth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// retrieve returns the access key that p gives, or the error's text.
func retrieve(t *testing.T, p aws.CredentialsProvider) string {
	t.Helper()
	c, err := p.Retrieve(t.Context())
	if err != nil {
		return err.Error()
	}
	return c.AccessKeyID
}

func TestKeepCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &role{life: time.Hour}
		p := KeepCredentials(r)
		expect := func(want string) {
			t.Helper()
			if got := retrieve(t, p); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		expect("AK1")
		time.Sleep(time.Hour - renewAhead - time.Nanosecond)
		expect("AK1")
		r.set(func(r *role) { r.err = errors.New("out of order") })
		time.Sleep(time.Nanosecond)
		expect("AK1") // good for five minutes more
		if r.asked() != 2 {
			t.Errorf("%d retrievals, want 2", r.asked())
		}
		expect("AK1")
		if r.asked() != 2 {
			t.Errorf("%d retrievals: none is due before %s are over", r.asked(), renewPause)
		}
		time.Sleep(renewAhead)
		expect("out of order")
		r.set(func(r *role) { r.err = nil })
		expect("AK4")
	})
}

// Credentials that do not last for five minutes are not retrieved by every call.
func TestKeepCredentialsOfShortLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &role{life: time.Minute}
		p := KeepCredentials(r)
		for range 60 {
			retrieve(t, p)
			time.Sleep(time.Second)
		}
		if r.asked() != 6 {
			t.Errorf("%d retrievals in a minute, want 6", r.asked())
		}
	})
}

func TestKeepCredentialsForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &role{takes: time.Second}
		p := KeepCredentials(r)
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if got := retrieve(t, p); got != "AK1" {
					t.Error(got)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if _, err := p.Retrieve(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller's own deadline: %v", err)
		}
		callers.Wait()
	})
}

func TestKeepCredentialsWithBadProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := retrieve(t, KeepCredentials(&role{panicky: true})); got != "awsauth: the credentials provider panicked with a string" {
			t.Error(got)
		}
		empty := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil })
		if got := retrieve(t, KeepCredentials(empty)); !strings.Contains(got, "empty keys") {
			t.Error(got)
		}
		start := time.Now()
		if got := retrieve(t, KeepCredentials(&role{takes: time.Hour})); got != context.DeadlineExceeded.Error() || time.Since(start) != retrieveLimit {
			t.Errorf("%s after %s", got, time.Since(start))
		}
	})
}

func TestKeepCredentialsOnce(t *testing.T) {
	kept := KeepCredentials(&role{})
	if KeepCredentials(kept) != kept {
		t.Error("what is kept is kept again")
	}
	cached := aws.NewCredentialsCache(&role{})
	if KeepCredentials(cached) != aws.CredentialsProvider(discreet{cached}) || KeepCredentials(discreet{cached}) != aws.CredentialsProvider(discreet{cached}) {
		t.Error("what the SDK caches is kept again")
	}
}
