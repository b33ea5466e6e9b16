package credentials

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/awsdb/awsdb/conformance/attempt"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/iamauth"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
	"github.com/awsdb/awsdb/secrets"
)

// Failovers under load for half an hour, with credentials that last a quarter of it: no login is
// refused, no statement is doubled, and no acknowledged write is lost.
func TestFailoversUnderLoadWithTokens(t *testing.T) {
	virtual(t, lab.Options{Auth: lab.IAM}, func(t *testing.T, s *stage) {
		r := s.role("app", 7*time.Minute)
		r.takes = 300 * time.Millisecond
		p := s.open(t, s.Endpoint(), r.iam(t, iamauth.Options{}))
		failovers(t, s, p, nil)
		if n := p.refused.take(); n > 0 {
			t.Errorf("%d logins were refused", n)
		}
		s.refusedNone(t)
		if _, n := r.gave(""); n < 4 || r.take() > 20 {
			t.Errorf("%d identities in half an hour", n)
		}
		signedForTheirHosts(t, p.take())
	})
}

// The same with a secret that is rotated every few minutes, as AWS does it: in between the password of the
// database is not the current one.
func TestFailoversUnderLoadWithRotations(t *testing.T) {
	rotating(t, lab.Options{}, func(t *testing.T, s *stage) {
		p := s.open(t, s.Endpoint(), s.keeper(t, secrets.Options{}))
		version := 1
		rotate := func() {
			version++
			next := s.password(version)
			s.aws.StageSecret(secretID, secretText(app, next))
			time.Sleep(2 * time.Second)
			s.SetPassword(app, next)
			time.Sleep(8 * time.Second)
			s.aws.FinishRotation(secretID)
		}
		failovers(t, s, p, rotate)
		if n := s.asked(); n > 600 {
			t.Errorf("Secrets Manager was called %d times for %d versions", n, version)
		}
	})
}

// failovers lets 20 workers write for half an hour of failovers. meanwhile is called every
// four minutes, if there is one.
func failovers(t *testing.T, s *stage, p *pool, meanwhile func()) {
	t.Helper()
	if err := p.exec(t.Context(), "create table writes (id varchar(40))"); err != nil {
		t.Fatal(err)
	}
	p.SetConnMaxLifetime(90 * time.Second)
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	workers := make([]*writer, 20)
	for n := range workers {
		workers[n] = &writer{pool: p, id: n, rng: rand.New(rand.NewPCG(uint64(n), 1)), acked: map[string]bool{}}
		group.Go(func() { workers[n].loop(ctx, t) })
	}
	if meanwhile != nil {
		group.Go(func() {
			for ctx.Err() == nil {
				meanwhile()
				select {
				case <-time.After(4 * time.Minute):
				case <-ctx.Done():
				}
			}
		})
	}
	for n := range 10 {
		time.Sleep(3*time.Minute - 13*time.Second)
		<-s.Failover(lab.FailoverOptions{
			After: time.Duration(1+n%3*4) * time.Second, RestartAfter: 5 * time.Second,
			Promote: lab.PromoteOptions{DNSLag: 20 * time.Second, DropSessions: n%2 == 0},
		})
		s.Writer().Heal()
	}
	stop()
	group.Wait()
	written := map[string]int{}
	for _, row := range s.Rows("writes") {
		written[row[0].(string)]++
	}
	acked := 0
	for _, w := range workers {
		acked += len(w.acked)
		for id := range w.acked {
			if written[id] == 0 {
				t.Errorf("the acknowledged write %s is lost", id)
			}
		}
	}
	delivered := map[string]int{}
	for _, i := range s.Instances() {
		for _, statement := range i.Statements() {
			if strings.HasPrefix(statement.SQL, "insert") && statement.Ran {
				delivered[attempt.Of(statement)]++
			}
		}
	}
	for id, n := range written {
		if n > 1 {
			t.Errorf("%s was written %d times", id, n)
		}
	}
	for id, n := range delivered {
		if n > 1 {
			t.Errorf("%s was delivered %d times", id, n)
		}
	}
	if acked < 1000 || len(delivered) < acked {
		t.Errorf("%d writes, %d deliveries: nothing was tested", acked, len(delivered))
	}
}

// writer is a worker that writes.
type writer struct {
	pool  *pool
	id    int
	rng   *rand.Rand
	acked map[string]bool
}

func (w *writer) loop(ctx context.Context, t *testing.T) {
	insert := w.pool.stage.sql.Bind("insert into writes (id) values (?)")
	for n := 0; ctx.Err() == nil; n++ {
		time.Sleep(time.Duration(1+w.rng.IntN(8_000_000)) * time.Microsecond)
		for try := range 4 {
			id := fmt.Sprintf("%sw%d-%d-%d", attempt.Prefix, w.id, n, try)
			_, err := w.pool.ExecContext(context.Background(), insert, id)
			if err == nil {
				w.acked[id] = true
				break
			}
			if w.pool.stage.front.Code(w.pool.err(err)) == w.pool.stage.refusal() {
				t.Errorf("at %v: %v", elapsed(), err)
			}
			if !core.SafeToRepeat(err) {
				break
			}
		}
	}
}

// B24: ten thousand logins over a week leave nothing behind, in the plugin nor anywhere else.
func TestB24_ManyTokensOverTime(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) { // one after the other: there is one heap
		virtually(t, f, lab.Options{Auth: lab.IAM, Instances: 1}, manyTokens)
	})
}

func manyTokens(t *testing.T, s *stage) {
	r := &forgetful{cloud: s.aws}
	config := s.config(r)
	config.Config.HTTPClient = nil // nobody takes notes
	plugin, err := iamauth.New(iamauth.Options{AWS: config})
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.front.Open(frontend.Options{Lab: s.Cluster, DSN: s.DSN(s.Endpoint()), Plugins: []core.Plugin{plugin}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close() //nolint:errcheck // not what is tested
	heap := func(logins int) uint64 {
		t.Helper()
		for n := range logins {
			if _, password, err := h.Connector.Credentials(t.Context()); err != nil || password == "" {
				t.Fatal(err)
			}
			if n%100 == 0 {
				if err := h.Dial(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
		}
		s.Writer().ResetStatements()
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	heap(2000)
	before := heap(10)
	after := heap(8000)
	if after > before+200_000 { // 25 bytes for each login; there are some 550 tokens of 1 kB
		t.Errorf("the heap grew by %d bytes in 8000 logins", after-before)
	}
	if n := r.retrieved.Load(); n < 100 {
		t.Errorf("%d identities: nothing was tested", n)
	}
}

// forgetful is where credentials are from that last an hour, and that the cloud forgets when
// they have ended.
type forgetful struct {
	cloud     *cloud.Cloud
	given     []cloud.Identity // the last two
	retrieved atomic.Int64
}

// Retrieve implements aws.CredentialsProvider. One goroutine at a time calls it.
func (f *forgetful) Retrieve(context.Context) (aws.Credentials, error) {
	i := f.cloud.AddSession("app", time.Hour, cloud.Policy{})
	f.given = append(f.given, i)
	f.retrieved.Add(1)
	if len(f.given) > 2 {
		f.cloud.RemoveIdentity(f.given[0].AccessKeyID)
		f.given = slices.Delete(f.given, 0, 1)
	}
	return aws.Credentials{
		AccessKeyID: i.AccessKeyID, SecretAccessKey: i.SecretAccessKey, SessionToken: i.SessionToken, CanExpire: true, Expires: i.Expires,
	}, nil
}
