//go:build unix

package frozen

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
)

// orders are what the application is started with, in the variable of that name.
type orders struct {
	Frontend string
	DSN      string
	Names    map[string]string // the DNS: IP addresses by name
	Routes   map[string]string // where there is really somebody, by IP address
	Calls    []order
}

const ordersVariable = "AWSDB_FROZEN_ORDERS"

// order is a call that is under way when the application is stopped.
type order struct {
	Name  string
	Sleep time.Duration // how long it takes on the server
	Limit time.Duration // its caller's deadline; 0: none
}

// report is what the application says when it has been stopped and continued.
type report struct {
	Calls []call   // those of the orders, and what came after
	Log   []string // messages at level Info and above since the application was stopped
	Cut   int      // connections that awsdb has cut
}

type call struct {
	Name    string
	Error   string // "" if there was none
	Expired bool   // the error is that of the caller's deadline
}

// dial and LookupHost are the network.
func (o *orders) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip, ok := o.Names[host]; ok {
		host = ip
	}
	return new(net.Dialer).DialContext(ctx, network, o.Routes[host])
}

func (o *orders) LookupHost(_ context.Context, name string) ([]string, error) {
	ip, ok := o.Names[name]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return []string{ip}, nil
}

// messages keeps what is logged.
type messages struct {
	mu   sync.Mutex
	list []string
}

func (m *messages) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (m *messages) WithAttrs([]slog.Attr) slog.Handler               { return m }
func (m *messages) WithGroup(string) slog.Handler                    { return m }
func (m *messages) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, text)
	return nil
}

// take returns what was logged since the last time.
func (m *messages) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.list
	m.list = nil
	return list
}

const idleConns = 3

// application does as the orders say. For each line on its input it makes its calls, says "ready" when they wait, and
// prints a report when, after it was stopped and continued, they have ended and others have been made.
func application(text string) error {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	front, err := frontend.Named(o.Frontend)
	if err != nil {
		return err
	}
	log := &messages{}
	db, err := front.Open(frontend.Options{DSN: o.DSN, Dial: o.dial, Resolver: &o, Logger: slog.New(log)})
	if err != nil {
		return err
	}
	db.SetMaxIdleConns(idleConns)
	input, output := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for input.Scan() {
		r, err := round(db, front, &o, log)
		if err != nil {
			return err
		}
		if err := output.Encode(r); err != nil {
			return err
		}
	}
	return errors.Join(input.Err(), db.Close())
}

func round(db *frontend.Handle, front frontend.Frontend, o *orders, log *messages) (*report, error) {
	ctx := context.Background()
	links, err := idle(ctx, db)
	if err != nil {
		return nil, err
	}
	r := &report{}
	var mu sync.Mutex
	ended := func(name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		c := call{Name: name, Expired: errors.Is(err, context.DeadlineExceeded)}
		if err != nil {
			c.Error = err.Error()
		}
		r.Calls = append(r.Calls, c)
	}
	var calls sync.WaitGroup
	for _, c := range o.Calls {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, fmt.Errorf("before the stop: %w", err)
		}
		link, err := db.Link(conn)
		if err != nil {
			return nil, err
		}
		links = append(links, link)
		calls.Go(func() {
			defer conn.Close() //nolint:errcheck // the call's error matters
			ctx := ctx
			if c.Limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.Limit)
				defer cancel()
			}
			_, err := conn.ExecContext(ctx, front.SQL().Sleep(c.Sleep))
			ended(c.Name, err)
		})
	}
	time.Sleep(2 * detection.Total()) // so that the host is being asked
	log.take()
	goesOn := make(chan os.Signal, 1)
	signal.Notify(goesOn, syscall.SIGCONT)
	fmt.Println(ready)
	<-goesOn
	signal.Stop(goesOn)

	ended("first query", ask(ctx, db, front))
	ended("first dial", dial(ctx, db))
	calls.Wait()
	time.Sleep(2 * detection.Total()) // for what the monitors conclude
	for _, link := range links {
		if lost := link.Lost(); lost != nil && lost.Aborted {
			r.Cut++
		}
	}
	r.Log = log.take()
	return r, nil
}

// idle leaves connections in the pool, and returns the sockets under them.
func idle(ctx context.Context, db *frontend.Handle) ([]*core.Link, error) {
	var links []*core.Link
	for range idleConns {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Close() //nolint:errcheck // it goes back to the pool
		link, err := db.Link(conn)
		if err != nil {
			return nil, err
		}
		links = append(links, link)
	}
	return links, nil
}

func ask(ctx context.Context, db *frontend.Handle, front frontend.Frontend) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return db.QueryRowContext(ctx, front.SQL().InstanceID).Scan(new(string))
}

// dial opens a new connection, whatever the pool has.
func dial(ctx context.Context, db *frontend.Handle) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return db.Dial(ctx)
}
