//go:build unix

package frozen

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/lab"
)

// TestMain is also the application's main function.
func TestMain(m *testing.M) {
	if text := os.Getenv(ordersVariable); text != "" {
		if err := application(text); err != nil {
			fmt.Fprintln(os.Stderr, "application:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil { // the tests do little but wait
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// All times that the application is given are far below frozen.
const (
	frozen = 8 * time.Second
	// patience is how long anything may take. Only a test that fails waits so long.
	patience = 60 * time.Second

	// mostLogins are the first dial's and, where their questions were under way, one for each monitor; and one more
	// that was under way itself, and that the server takes for good.
	mostLogins = 4

	ready  = "ready"
	rounds = 2
)

// watch is the user of awsdb's own connections.
const watch = "watch"

var detection = frontend.Detection{Time: 400 * time.Millisecond, Interval: 300 * time.Millisecond, Count: 3}

// mostQuestions is twice what the topology monitor (two statements five times) and the host monitor (one, every
// interval) ask in a second. If all that was missed were made up for it would be several times as much.
var mostQuestions = 2 * (10 + int(time.Second/detection.Interval))

var params = detection.Params(
	"topology_refresh_ms=200", "cluster_topology_connect_timeout_ms=2000", "cluster_topology_socket_timeout_ms=2000",
	"failover_timeout_sec=2", "auxiliary_query_timeout_sec=2",
	"topology-monitoring-user="+watch, "monitoring-user="+watch,
)

// process is a running application.
type process struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Scanner
	errors  *bytes.Buffer
}

func launch(t *testing.T, o orders) *process {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{command: exec.Command(os.Args[0]), errors: &bytes.Buffer{}}
	p.command.Env = append(os.Environ(), ordersVariable+"="+string(text))
	p.command.Stderr = p.errors
	if p.input, err = p.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.output = bufio.NewScanner(output)
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.signal(t, syscall.SIGCONT)
		limit := time.AfterFunc(patience, func() { _ = p.command.Process.Kill() })
		defer limit.Stop()
		_ = p.input.Close() // the application ends with its input
		if err := p.command.Wait(); err != nil {
			t.Errorf("the application: %v\n%s", err, p.errors)
		}
	})
	return p
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		t.Errorf("%v: %v", s, err)
	}
}

// line is the next thing that the application says.
func (p *process) line(t *testing.T) []byte {
	t.Helper()
	if !p.output.Scan() {
		t.Fatalf("the application says no more: %v\n%s", p.output.Err(), p.errors)
	}
	return p.output.Bytes()
}

// freeze has the application make its calls, and stops it in the middle of them. What is given is done just before and
// after, and before it is continued.
func (p *process) freeze(t *testing.T, before, after, thaw func()) *report {
	t.Helper()
	if _, err := io.WriteString(p.input, "\n"); err != nil {
		t.Fatal(err)
	}
	if said := p.line(t); string(said) != ready {
		t.Fatalf("the application says %q", said)
	}
	before()
	p.signal(t, syscall.SIGSTOP)
	after()
	time.Sleep(frozen)
	thaw()
	p.signal(t, syscall.SIGCONT)
	var r report
	if err := json.Unmarshal(p.line(t), &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// ordersFor are the orders of an application that uses the cluster.
func ordersFor(c *lab.Cluster, f frontend.Frontend, calls []order) orders {
	o := orders{
		Frontend: f.Name(), DSN: c.DSN(c.Endpoint(), params...), Calls: calls,
		Names: map[string]string{c.Endpoint(): c.Writer().IP()}, Routes: map[string]string{},
	}
	for _, i := range c.Instances() {
		o.Names[i.Host()], o.Routes[i.IP()] = i.IP(), i.ListenAddr()
	}
	return o
}

// TestFrozen covers B83: for an application that was stopped, all goes on as if nothing had happened, whether it was idle
// or in the middle of calls and questions.
func TestFrozen(t *testing.T) {
	answered, waiting := frozen/2, frozen+4*detection.Total() // they begin somewhat before
	for name, test := range map[string]struct {
		calls []order
		asked bool // it is stopped while awsdb's own questions are under way
	}{
		"idle":               {},
		"idle and questions": {asked: true},
		"calls": {calls: []order{
			{Name: "answered meanwhile", Sleep: answered},
			{Name: "goes on", Sleep: waiting},
			{Name: "deadline", Sleep: waiting, Limit: frozen / 2},
		}},
		"calls and questions": {asked: true, calls: []order{
			{Name: "answered meanwhile", Sleep: answered},
			{Name: "goes on", Sleep: waiting},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
				t.Parallel()
				c, err := lab.Start(lab.Options{Flavor: f.Flavors().Aurora, Auth: lab.Trust})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Close)
				p := launch(t, ordersFor(c, f, test.calls))
				for range rounds {
					thawed(t, c, p, test.asked)
				}
			})
		})
	}
}

func thawed(t *testing.T, c *lab.Cluster, p *process, asked bool) {
	logins := map[string]int{}
	var thaw time.Time
	before, after := func() {}, func() {}
	if asked {
		before = func() {
			c.Writer().Slow(time.Second)
			time.Sleep(2 * detection.Interval) // every question is under way now
		}
		after = func() { c.Writer().Slow(0) }
	}
	r := p.freeze(t, before, after, func() {
		for _, i := range c.Instances() {
			logins[i.ID()] = i.Logins()
			i.ResetStatements()
		}
		thaw = time.Now()
	})
	for _, call := range r.Calls {
		if call.Name == "deadline" {
			if !call.Expired {
				t.Errorf("%s: %s", call.Name, call.Error)
			}
		} else if call.Error != "" {
			t.Errorf("%s: %s", call.Name, call.Error)
		}
	}
	if r.Cut > 0 {
		t.Errorf("%d connections were cut", r.Cut)
	}
	if diff := cmp.Diff([]string(nil), r.Log); diff != "" {
		t.Errorf("the application has something to say of its hosts:\n%s", diff)
	}
	for _, i := range c.Instances() {
		soon := 0
		for _, s := range i.Statements() {
			if s.User == watch && s.At.Sub(thaw) < time.Second {
				soon++
			}
		}
		n := i.Logins() - logins[i.ID()]
		t.Logf("%s: %d logins, %d questions in the first second", i.ID(), n, soon)
		switch {
		case i != c.Writer() && n+soon > 0:
			t.Errorf("%s: %d logins and %d questions: nobody had reason to doubt the writer", i.ID(), n, soon)
		case n > mostLogins:
			t.Errorf("%s: %d logins, want at most %d", i.ID(), n, mostLogins)
		case soon > mostQuestions:
			t.Errorf("%s: %d questions in the first second, want at most %d", i.ID(), soon, mostQuestions)
		}
	}
}
