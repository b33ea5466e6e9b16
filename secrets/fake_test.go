package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

const (
	secretID = "prod/db"
	dsnAddr  = "db.cluster-c9xyz.eu-west-1.rds.amazonaws.com:5432"
)

// manager is Secrets Manager with one secret, as the SDK's own client sees it.
type manager struct {
	mu      sync.Mutex
	stages  map[string]stored
	fails   map[string]answer // what a stage is answered instead
	hangs   bool
	latency time.Duration
	calls   map[string]int // by stage
	hosts   map[string]int // by what was called
}

type stored struct {
	version, text string
	binary        []byte
}

type answer struct {
	status     int
	code, body string
}

var (
	denied      = answer{http.StatusBadRequest, "AccessDeniedException", ""}
	unavailable = answer{http.StatusServiceUnavailable, "InternalServiceError", ""}
)

func newManager(user, password string) *manager {
	m := &manager{stages: map[string]stored{}, fails: map[string]answer{}, calls: map[string]int{}, hosts: map[string]int{}}
	m.put(stageCurrent, "v1", user, password)
	return m
}

// with changes what the manager does.
func (m *manager) with(change func(m *manager)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *manager) put(stage, version, user, password string) {
	text, err := json.Marshal(map[string]any{"username": user, "password": password, "engine": "postgres", "port": 5432})
	if err != nil {
		panic(err)
	}
	m.with(func(m *manager) { m.stages[stage] = stored{version: version, text: string(text)} })
}

// finish is the end of a rotation: the pending version has both stages for a while.
func (m *manager) finish() {
	m.with(func(m *manager) { m.stages[stageCurrent] = m.stages[stagePending] })
}

func (m *manager) called(stage string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[stage]
}

func (m *manager) RoundTrip(r *http.Request) (*http.Response, error) {
	var in struct{ SecretID, VersionStage string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	stage := in.VersionStage
	if stage == "" {
		stage = stageCurrent
	}
	m.mu.Lock()
	m.calls[stage]++
	m.hosts[r.URL.Host]++
	hangs, latency, fails := m.hangs, m.latency, m.fails[stage]
	found, ok := m.stages[stage]
	m.mu.Unlock()
	if hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	time.Sleep(latency)
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue":
		fails = answer{http.StatusBadRequest, "UnrecognizedClientException", ""}
	case fails.status == 0 && (in.SecretID != secretID && !strings.HasSuffix(in.SecretID, ":secret:"+secretID+"-AbCdEf") || !ok):
		fails = answer{http.StatusBadRequest, "ResourceNotFoundException", ""}
	}
	out := map[string]any{"ARN": "arn", "Name": secretID, "VersionId": found.version, "VersionStages": []string{stage}}
	status := http.StatusOK
	switch {
	case fails.body != "":
		return response(r, fails.status, []byte(fails.body)), nil
	case fails.status != 0:
		status, out = fails.status, map[string]any{"__type": fails.code, "message": "the manager's message"}
	case found.binary != nil:
		out["SecretBinary"] = found.binary
	case found.text != "":
		out["SecretString"] = found.text
	}
	body, err := json.Marshal(out)
	return response(r, status, body), err
}

func response(r *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// aws is an SDK configuration that leads here.
func (m *manager) aws() awsauth.Options {
	return awsauth.Options{Config: &aws.Config{
		Region: "us-east-1", HTTPClient: &http.Client{Transport: m},
		Credentials: awscredentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "the-aws-secret-key", ""),
	}}
}

// database is a server with users, and the engine for it.
type database struct {
	mu      sync.Mutex
	users   map[string]core.Secret
	refuses string // host that refuses everybody
	logins  int
	refused int
}

var errRefused = errors.New("fake: password authentication failed")

func newDatabase(user, password string) *database {
	return &database{users: map[string]core.Secret{user: core.Secret(password)}}
}

// set gives a user a password.
func (d *database) set(user, password string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users[user] = core.Secret(password)
}

// counts returns how many logins there were since the last call, and how many of them were
// refused.
func (d *database) counts() (logins, refused int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	logins, refused = d.logins, d.refused
	d.logins, d.refused = 0, 0
	return logins, refused
}

func (d *database) Open(ctx context.Context, t core.Target) (core.Native, *core.Link, error) {
	c, err := t.Dial(ctx, "tcp", t.Host.Addr)
	if err != nil {
		return nil, nil, err
	}
	link := c.(*core.Link)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logins++
	if password, ok := d.users[t.User]; !ok || password != t.Password || t.Host.Addr == d.refuses {
		d.refused++
		_ = link.Close() // never used
		return nil, nil, errors.Join(errors.New("fake: connect failed"), fmt.Errorf("attempt 1: %w", errRefused))
	}
	return &native{link: link}, link, nil
}

func (d *database) Detect(context.Context, core.Native, core.Endpoint) (core.Dialect, error) {
	return dialect{}, nil
}

func (d *database) Classify(err error, _ core.Dialect) core.Fault {
	if errors.Is(err, errRefused) {
		return core.FaultLogin
	}
	return core.FaultNone
}

type dialect struct{ core.Dialect } // only Clustered is asked for

func (dialect) Clustered() bool { return false }
func (dialect) Code() string    { return "fake" }

// native is the fake driver's connection.
type native struct {
	core.Native // what is missing must not be called
	link        *core.Link
}

func (n *native) Close() error { return n.link.Close() }

// world is a handle with what is around it.
type world struct {
	*core.Connector
	manager  *manager
	database *database
	plugin   *plugin
	log      *journal
}

// newWorld opens a handle whose database and secret agree on "app" and "first password".
func newWorld(t *testing.T, change func(o *Options)) *world {
	t.Helper()
	w := &world{manager: newManager("app", "first password"), database: newDatabase("app", "first password"), log: &journal{}}
	o := Options{SecretID: secretID, AWS: w.manager.aws()}
	if change != nil {
		change(&o)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.plugin = p.(*plugin)
	w.Connector = w.handle(t)
	return w
}

// handle opens another handle with the plugin.
func (w *world) handle(t *testing.T) *core.Connector {
	t.Helper()
	settings, err := core.TakeSettings(map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := core.NewConnector(core.Config{
		Engine: w.database, Family: "fake", Addr: dsnAddr, User: "dsn user", Password: "dsn password", Settings: settings,
		Plugins: []core.Plugin{w.plugin}, Dial: dialNowhere,
		Log: slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), w.log), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() }) // never fails
	return k
}

// journal is what was logged, by several handles.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func dialNowhere(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	return client, server.Close()
}

// connect logs in once and returns how long that took.
func (w *world) connect(ctx context.Context) (took time.Duration, err error) {
	began := time.Now()
	c, err := w.Open(ctx)
	if err == nil {
		err = c.Close()
	}
	return time.Since(began), err
}

// mustConnect logs in, in no more than the time given.
func (w *world) mustConnect(t *testing.T, within time.Duration) {
	t.Helper()
	took, err := w.connect(t.Context())
	if err != nil {
		t.Fatalf("not connected: %v", err)
	}
	if took > within {
		t.Errorf("connecting took %s, want at most %s", took, within)
	}
}

// crowd connects n times at once, and returns the errors and the longest time.
func (w *world) crowd(ctx context.Context, n int) (longest time.Duration, problems []error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			took, err := w.connect(ctx)
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, took)
			if err != nil {
				problems = append(problems, err)
			}
		})
	}
	all.Wait()
	return longest, problems
}

// expectCalls checks what Secrets Manager was asked since the last time.
func (w *world) expectCalls(t *testing.T, want map[string]int) {
	t.Helper()
	w.manager.mu.Lock()
	defer w.manager.mu.Unlock()
	if !maps.Equal(w.manager.calls, want) {
		t.Errorf("Secrets Manager was asked %v, want %v", w.manager.calls, want)
	}
	clear(w.manager.calls)
}

// expectLogins checks what the database was asked since the last time.
func (w *world) expectLogins(t *testing.T, logins, refused int) {
	t.Helper()
	if gotLogins, gotRefused := w.database.counts(); gotLogins != logins || gotRefused != refused {
		t.Errorf("%d logins, %d of them refused, want %d and %d", gotLogins, gotRefused, logins, refused)
	}
}
