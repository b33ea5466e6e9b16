package secrets

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

func pointer[T any](v T) *T { return &v }

// The secret is fetched once, served for ever, and renewed in the background.
func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.manager.with(func(m *manager) { m.latency = time.Second })
		w.mustConnect(t, time.Second)
		w.mustConnect(t, 0)
		w.expectCalls(t, map[string]int{stageCurrent: 1})
		time.Sleep(3 * time.Hour)
		w.expectCalls(t, map[string]int{stageCurrent: 1}) // it had been used
		w.mustConnect(t, 0)
		time.Sleep(2 * time.Second)
		w.expectCalls(t, map[string]int{stageCurrent: 1})
		w.expectLogins(t, 3, 0)
	})
}

// A crowd that comes when the secret is old, or not there yet, makes one fetch (B90).
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.manager.with(func(m *manager) { m.latency = time.Second })
		for _, want := range []time.Duration{time.Second, 0} {
			longest, problems := w.crowd(t.Context(), 500)
			if longest > want || len(problems) > 0 {
				t.Errorf("took %s, want %s; %d problems: %v", longest, want, len(problems), errors.Join(problems...))
			}
			time.Sleep(2 * time.Second)
			w.expectCalls(t, map[string]int{stageCurrent: 1})
			time.Sleep(10 * time.Hour) // it is renewed once, as it had been used
			w.expectCalls(t, map[string]int{stageCurrent: 1})
		}
	})
}

// An outage of Secrets Manager does not matter while the secret still logs in (B90), even
// when a host has refused it for reasons of its own.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.mustConnect(t, 0)
		w.manager.with(func(m *manager) { m.fails[stageCurrent], m.fails[stagePending] = unavailable, unavailable })
		for range 50 {
			time.Sleep(time.Hour)
			w.mustConnect(t, 0)
		}
		if got := strings.Count(w.log.String(), "level=WARN"); got != 1 {
			t.Errorf("%d warnings, want 1: %s", got, w.log)
		}
		w.database.refuses = dsnAddr
		if _, err := w.connect(t.Context()); err == nil {
			t.Fatal("the host should refuse")
		}
		w.database.refuses = ""
		for range 3 {
			w.mustConnect(t, fetchLimit)
			time.Sleep(time.Minute)
		}
		w.manager.with(func(m *manager) { clear(m.fails) })
		time.Sleep(time.Minute)
		w.mustConnect(t, fetchLimit)
		if !strings.Contains(w.log.String(), "can be fetched again") {
			t.Errorf("no word of the end of the outage: %s", w.log)
		}
	})
}

// Without an expiration every login has a new secret, and an outage is one.
func TestNoExpiration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.Expiration = pointer(time.Duration(0)) })
		for range 3 {
			w.mustConnect(t, 0)
		}
		w.expectCalls(t, map[string]int{stageCurrent: 3})
		w.manager.put(stageCurrent, "v2", "other", "second password")
		w.database.set("other", "second password")
		w.database.set("app", "closed")
		w.mustConnect(t, 0)
		w.expectLogins(t, 4, 0)
		w.manager.with(func(m *manager) { m.fails[stageCurrent] = unavailable })
		if _, err := w.connect(t.Context()); err == nil {
			t.Error("connected with an old secret")
		}
		w.expectLogins(t, 0, 0)
	})
}

// A cached secret that is refused is fetched anew once (B88, B93), user and all. The
// database's error may be deep inside another (B41).
func TestChangedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.mustConnect(t, 0)
		w.database.set("app", "second password")
		w.manager.put(stageCurrent, "v2", "app", "second password")
		w.mustConnect(t, 100*time.Millisecond)
		w.expectCalls(t, map[string]int{stageCurrent: 2})
		w.expectLogins(t, 3, 1)

		time.Sleep(time.Hour)
		w.expectCalls(t, map[string]int{stageCurrent: 1})
		w.database.set("app", "closed")
		w.database.set("other", "third password")
		w.manager.put(stageCurrent, "v3", "other", "third password")
		_, problems := w.crowd(t.Context(), 500)
		if len(problems) > 0 {
			t.Errorf("%d problems: %v", len(problems), problems[0])
		}
		if n := w.manager.called(stageCurrent); n > 2 || w.manager.called(stagePending) > 0 { // 2: renewed for its age as well
			t.Errorf("Secrets Manager was asked %v", w.manager.calls)
		}
	})
}

// A wrong password is refused at once, however often it is tried: one look for a rotation,
// which reads both versions, and no other fetch if it was fresh (B88).
func TestWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.database.set("app", "second password")
		took, err := w.connect(t.Context())
		if took != 0 || !errors.Is(err, errRefused) {
			t.Errorf("took %s: %v", took, err)
		}
		w.expectCalls(t, map[string]int{stageCurrent: 2, stagePending: 1})
		w.expectLogins(t, 1, 1)

		for range 30 { // from the cache
			if took, err := w.connect(t.Context()); took > pace || !errors.Is(err, errRefused) {
				t.Errorf("took %s: %v", took, err)
			}
		}
		w.expectLogins(t, 30, 30) // what was refused is not sent a second time
		if n := w.manager.called(stageCurrent) + w.manager.called(stagePending); n > 30 {
			t.Errorf("Secrets Manager was asked %v", w.manager.calls)
		}

		w.manager.put(stageCurrent, "v2", "app", "second password")
		time.Sleep(lookServed)
		w.mustConnect(t, 500*time.Millisecond)
	})
}

// Errors of Secrets Manager are told, with what to do.
func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		answer answer
		want   string
	}{
		"denied":         {denied, "kms:Decrypt"},
		"not found":      {answer{400, "ResourceNotFoundException", ""}, "secrets_manager_region"},
		"key disabled":   {answer{400, "DecryptionFailure", ""}, "kms:Decrypt"},
		"being deleted":  {answer{400, "InvalidRequestException", ""}, "deletion"},
		"throttled":      {answer{400, "ThrottlingException", ""}, "ThrottlingException"},
		"out of order":   {unavailable, "InternalServiceError"},
		"no such format": {answer{200, "", `{"SecretString": "{\"password\": \"hidden 1`}, "cannot be read"},
		"a web page":     {answer{200, "", "<html>hidden 1</html>"}, "cannot be read"},
		"an error page":  {answer{502, "", "<html>hidden 1</html>"}, "status 502"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.manager.with(func(m *manager) { m.fails[stageCurrent] = test.answer })
				_, err := w.connect(t.Context())
				if err == nil || !errors.Is(err, core.ErrConnect) {
					t.Fatalf("error is %v", err)
				}
				for _, want := range []string{secretID, "eu-west-1", test.want} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q is not in %v", want, err)
					}
				}
				if _, ok := advice[test.answer.code]; ok != lasting(err) {
					t.Errorf("lasting is %v for %v", lasting(err), err)
				}
				w.expectNoSecret(t, err)
				w.expectLogins(t, 0, 0)
			})
		})
	}
}

// What is found stays an error of the SDK, for programs.
func TestErrorTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.SecretID = "prod/other" })
		_, err := w.connect(t.Context())
		if !errors.As(err, new(*types.ResourceNotFoundException)) {
			t.Errorf("error is %v", err)
		}
	})
}

// A Secrets Manager that does not answer keeps nobody beyond his own time, nor anybody for
// ever.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.manager.with(func(m *manager) { m.hangs = true })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if took, err := w.connect(ctx); took != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("took %s: %v", took, err)
		}
		if took, err := w.connect(t.Context()); took > fetchLimit || err == nil {
			t.Errorf("took %s: %v", took, err)
		}
		w.manager.with(func(m *manager) { m.hangs = false })
		time.Sleep(time.Second)
		w.mustConnect(t, time.Second)
		// The secret that it has is renewed behind everybody's back.
		w.manager.with(func(m *manager) { m.hangs = true })
		time.Sleep(time.Hour)
		w.mustConnect(t, 0)
	})
}

// Several handles with one plugin share the secret, and live on when one is closed.
func TestTwoHandles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		first := w.Connector
		w.mustConnect(t, 0)
		w.Connector = w.handle(t)
		w.mustConnect(t, 0)
		w.expectCalls(t, map[string]int{stageCurrent: 1})
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		w.mustConnect(t, 0)
		synctest.Wait()
		w.expectCalls(t, map[string]int{stageCurrent: 2}) // renewed by the first handle, and now
	})
}

// The region is the parameter's, the ARN's, the host's or the SDK's, in this order.
func TestRegion(t *testing.T) {
	arn := "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:" + secretID + "-AbCdEf"
	for name, test := range map[string]struct {
		change func(o *Options)
		host   string
		want   string
	}{
		"option":       {func(o *Options) { o.Region = "us-gov-west-1" }, "db.cluster-c9xyz.eu-west-1.rds.amazonaws.com", "secretsmanager.us-gov-west-1.amazonaws.com"},
		"ARN":          {func(o *Options) { o.SecretID = arn }, "db.cluster-c9xyz.eu-west-1.rds.amazonaws.com", "secretsmanager.cn-north-1.amazonaws.com.cn"},
		"same":         {func(o *Options) { o.SecretID, o.Region = arn, "cn-north-1" }, "", "secretsmanager.cn-north-1.amazonaws.com.cn"},
		"host":         {func(o *Options) {}, "db.cluster-c9xyz.eu-west-1.rds.amazonaws.com", "secretsmanager.eu-west-1.amazonaws.com"},
		"SDK":          {func(o *Options) {}, "db.example.com", "secretsmanager.us-east-1.amazonaws.com"},
		"none":         {func(o *Options) { o.AWS.Config.Region = "" }, "db.example.com", ""},
		"own endpoint": {func(o *Options) { o.Endpoint = "http://localhost:4566" }, "", "localhost:4566"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, test.change)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { w.plugin.Run(ctx, w.Connector); close(done) }()
				target := core.Target{Login: core.Login{Host: test.host, Own: true}}
				got, err := w.plugin.Authenticate(t.Context(), target)
				if test.want == "" {
					if err == nil || !strings.Contains(err.Error(), "secrets_manager_region") {
						t.Errorf("error is %v", err)
					}
				} else if err != nil || got.User != "app" || w.manager.hosts[test.want] != 1 {
					t.Errorf("asked %v, want %s: %v", w.manager.hosts, test.want, err)
				}
				// An instance in another region of a global database changes nothing.
				target.Login = core.Login{Host: "i2.c9xyz.ap-south-1.rds.amazonaws.com"}
				if _, err := w.plugin.Authenticate(t.Context(), target); test.host != "db.example.com" && test.host != "" && (err != nil || len(w.manager.hosts) != 1) {
					t.Errorf("asked %v: %v", w.manager.hosts, err)
				}
				cancel()
				<-done
			})
		})
	}
}

// A profile that does not exist is named.
func TestProfile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Setenv("AWS_CONFIG_FILE", "/dev/null")
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
		w := newWorld(t, func(o *Options) { o.AWS = awsauth.Options{Profile: "nobody"} })
		if _, err := w.connect(t.Context()); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
			t.Errorf("error is %v", err)
		}
	})
}
