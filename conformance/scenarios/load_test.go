package scenarios

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// loginsAtOnce counts how many logins of the application an instance works on at
// the same time.
type loginsAtOnce struct {
	mu        sync.Mutex
	now, most int
	total     int
}

func (l *loginsAtOnce) add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now += n
	l.most = max(l.most, l.now)
	if n > 0 {
		l.total++
	}
}

// B119, ask 30: two hundred callers wait for the new writer, each hanging in a dial
// or a login to the old one. The new one gets at most 16 logins at a time, and
// everybody is served.
func TestB119_NoStampede(t *testing.T) {
	for _, l := range []loss{losses[3], losses[4], losses[6]} {
		t.Run(l.name, func(t *testing.T) { t.Parallel(); stampede(t, l) })
	}
}

func stampede(t *testing.T, l loss) {
	virtual(t, lab.Options{Latency: 5 * time.Millisecond}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		l.do(c.Writer())
		time.Sleep(3 * time.Second)
		var count loginsAtOnce
		c.Instance("mydb-2").OnLogin(func(user string) error {
			if user == "app" {
				count.add(1)
				time.Sleep(10 * time.Millisecond) // what a login costs the server
				count.add(-1)
			}
			return nil
		})
		calls := make([]<-chan ended, 200)
		for n := range calls {
			calls[n] = async(func() error {
				conn, err := p.Conn(context.Background())
				if err != nil {
					return err
				}
				_, err = conn.ExecContext(context.Background(), "insert into t (id) values (1)")
				time.Sleep(time.Second) // so that everybody needs a connection
				return errors.Join(err, conn.Close())
			})
		}
		time.Sleep(5 * time.Second)
		promote(t, c, "mydb-2")
		for n, call := range calls {
			if e := <-call; e.err != nil && !errors.Is(e.err, core.ErrFailoverSuccess) {
				t.Errorf("call %d: %v", n, e.err)
			}
		}
		if count.most > 16 {
			t.Errorf("%d logins at a time, want at most 16", count.most)
		}
		if count.most < 2 || count.total < 190 {
			t.Errorf("%d logins, %d at a time: nothing was tested", count.total, count.most)
		}
	})
}

// B119: the callers wait because the writer is known to be in doubt, without
// having dialled. The new writer gets at most 16 logins at a time from them, too.
func TestB119_NoStampedeOfThoseWhoWaited(t *testing.T) {
	for _, l := range losses[:3] {
		t.Run(l.name, func(t *testing.T) { t.Parallel(); stampede(t, l) })
	}
}

// B25, B76: idle connections that awsdb itself has cut are no error of Close.
func TestB76_CloseAfterConnectionsWereCut(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		p.fill(t, 5)
		c.Writer().Freeze()
		promote(t, c, "mydb-2")
		time.Sleep(time.Minute) // the monitor finds out, and cuts the idle connections
		if p.cluster().Down("mydb-1") == nil && p.count("host down") == 0 {
			t.Fatal("the frozen writer was not taken for dead")
		}
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// B76: a pool of five hundred connections to a host that has vanished. The
// failover is as fast as ever, and so is Close.
func TestB76_ManyConnectionsToADeadHost(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		p.fill(t, 400)
		busy := p.hold(t, 100)
		c.Writer().Vanish(lab.LosingRequests)
		call := async(func() error { return p.insert(context.Background()) })
		time.Sleep(5 * time.Second)
		promoted := time.Now()
		promote(t, c, "mydb-2")
		e := <-call
		if took := e.at.Sub(promoted); took > firstWriteLimit {
			t.Errorf("released %v after the promotion", took)
		}
		began := time.Now()
		if err := p.insert(t.Context()); err != nil {
			t.Error(err)
		}
		within(t, "the next write", began, atOnce)
		for _, conn := range busy {
			_ = conn.Close()
		}
		began = time.Now()
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		within(t, "Close", began, time.Second)
	})
}

// B94: a password is planted in every form of configuration. It is in no log
// record, no error in any format, no panic.
func TestB94_NoSecretAnywhere(t *testing.T) {
	const password = "pl4nted S3cret/%?@:'\\x"
	secrets := []string{password, url.QueryEscape(password), url.PathEscape(password), url.UserPassword("", password).String()[1:], "pl4nted", "S3cret"}
	clean := func(t *testing.T, what, text string) {
		t.Helper()
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s shows the password: %s", what, text)
				return
			}
		}
	}
	cleanError := func(t *testing.T, what string, err error) {
		t.Helper()
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			clean(t, what, fmt.Sprintf(format, err))
		}
		for _, e := range unwrapAll(err) {
			for _, format := range []string{"%v", "%+v", "%s"} {
				clean(t, what, fmt.Sprintf(format, e))
			}
		}
	}
	forms := map[string]func(c *lab.Cluster, host, password string) string{
		"URL": func(c *lab.Cluster, host, password string) string {
			u := url.URL{Scheme: "postgres", User: url.UserPassword("app", password), Host: host, Path: "/app", RawQuery: "sslmode=disable"}
			return u.String()
		},
		"python scheme": func(c *lab.Cluster, host, password string) string {
			u := url.URL{Scheme: "postgresql+aws_wrapper_psycopg", User: url.UserPassword("app", password), Host: host, Path: "/app", RawQuery: "sslmode=disable"}
			return u.String()
		},
		"keywords": func(c *lab.Cluster, host, password string) string {
			quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(password)
			return "host=" + host + " user=app dbname=app sslmode=disable password='" + quoted + "'"
		},
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{Auth: lab.Cleartext, VerifyPassword: func(_, given string) bool { return given == password }}, func(t *testing.T, c *lab.Cluster) {
				for _, wrong := range []string{"&plugins=iam", "&failover_mode=nobody", "&failover_timeout_sec=x", "&sslmode=never", "&port=abc", "&connect_timeout=-"} {
					dsn := form(c, c.Endpoint(), password)
					if name == "keywords" {
						wrong = strings.Replace(wrong, "&", " ", 1)
					}
					_, err := pgdriver.Driver{}.OpenConnector(dsn + wrong)
					if err == nil {
						t.Errorf("%s was accepted", wrong)
					}
					cleanError(t, "configuration error of "+wrong, err)
				}
				dsn := strings.Replace(form(c, c.Endpoint(), password), "postgresql+aws_wrapper_psycopg", "postgresql", 1)
				p := openURL(t, c, withWatch(t, dsn))
				mustExec(t, p, "create table t (id int8)")
				for _, l := range losses[:5] {
					old, next := c.Writer(), c.Readers()[0]
					l.do(old)
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					cleanError(t, "error of a call", p.insert(ctx))
					cancel()
					promote(t, c, next.ID())
					for range 5 {
						cleanError(t, "error of a call", p.insert(t.Context()))
					}
					time.Sleep(time.Second)
					old.Restart()
				}
				// The same password, refused.
				refused := openURL(t, c, withWatch(t, strings.Replace(form(c, c.Endpoint(), password+"!"), "postgresql+aws_wrapper_psycopg", "postgresql", 1)))
				err := refused.PingContext(t.Context())
				if sqlState(err) != "28P01" {
					t.Errorf("a wrong password was accepted: %v", err)
				}
				cleanError(t, "login error", err)
				c.FailDNS(true)
				p.SetMaxIdleConns(0)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				cleanError(t, "DNS error", p.PingContext(ctx))
				c.FailDNS(false)
				clean(t, "log", p.all()+refused.all())
				for _, value := range []any{p.connector, p.connector.Cluster().Topology(), p.connector.Host(), core.Secret(password)} {
					clean(t, "value", fmt.Sprintf("%v %+v", value, value))
				}
			})
		})
	}
}

func withWatch(t *testing.T, dsn string) string {
	t.Helper()
	if _, err := pgx.ParseConfig(dsn); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(dsn, "://") {
		return dsn + "&topology-monitoring-user=app"
	}
	return dsn + " topology-monitoring-user=app"
}

func unwrapAll(err error) []error {
	var all []error
	switch e := err.(type) { //nolint:errorlint // walks the tree itself
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			all = append(append(all, inner), unwrapAll(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(append(all, inner), unwrapAll(inner)...)
		}
	}
	return all
}

// B11: what an application gives us to call calls back into the library.
func TestB11_CallbacksCallBack(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		var p *pool
		ask := func() {
			if p == nil {
				return
			}
			cl := p.cluster()
			cl.Topology().Writer()
			_ = cl.Down("mydb-1")
			cl.Searching()
			for range cl.Links() {
			}
			_ = p.Stats()
		}
		back := func() {
			if p == nil {
				return
			}
			ask()
			p.cluster().Look("mydb-1")
			p.cluster().MarkUp("mydb-9")
		}
		hook := func(context.Context, *pgx.Conn) error { back(); return nil }
		p = openURL(t, c, c.URL(c.Endpoint()), pgdriver.WithOnConnect(hook), pgdriver.WithResolver(callingResolver{c, back}))
		p.journal.hook = func(slog.Record) { ask() } // what logs by itself would come here again
		mustExec(t, p, "create table t (id int8)")
		p.fill(t, 5)
		for _, id := range []string{"mydb-2", "mydb-3", "mydb-1"} {
			c.Writer().Crash()
			promote(t, c, id)
			arrived(t, c, p, []string{id})
			for _, i := range c.Instances() {
				if i.ID() != id {
					i.Restart()
				}
			}
			time.Sleep(time.Second)
		}
	})
}

type callingResolver struct {
	lab  *lab.Cluster
	back func()
}

func (r callingResolver) LookupHost(ctx context.Context, host string) ([]string, error) {
	r.back()
	return r.lab.LookupHost(ctx, host)
}

func (r callingResolver) LookupCNAME(ctx context.Context, host string) (string, error) {
	r.back()
	return r.lab.LookupCNAME(ctx, host)
}

// Ask 16, B101: run-time parameters of the DSN and the
// hook apply to every connection, also to those after a failover, and to none of
// the monitor's.
func TestSessionSettingsOnEveryConnection(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		var hooked atomic.Int64
		hook := func(ctx context.Context, conn *pgx.Conn) error {
			hooked.Add(1)
			_, err := conn.Exec(ctx, "set statement_timeout = 12345")
			return err
		}
		p := openURL(t, c, c.URL(c.Endpoint(), "search_path=mine", "application_name=shop"), pgdriver.WithOnConnect(hook))
		p.SetMaxIdleConns(0)
		for n := range 9 {
			var path, timeout, name string
			row := p.QueryRowContext(t.Context(), "select current_setting('search_path'), current_setting('statement_timeout'), current_setting('application_name')")
			if err := row.Scan(&path, &timeout, &name); err != nil {
				t.Fatal(err)
			}
			if path != "mine" || name != "shop" || !strings.HasPrefix(timeout, "12345") {
				t.Errorf("connection %d: search_path %q, statement_timeout %q, application_name %q", n, path, timeout, name)
			}
			if next := map[int]string{2: "mydb-2", 5: "mydb-3"}[n]; next != "" {
				promote(t, c, next)
				time.Sleep(31 * time.Second)
			}
		}
		if got := hooked.Load(); got != 9 {
			t.Errorf("the hook ran %d times, want once for each connection", got)
		}
	})
}

// Loopback, in real time: crash and promotion under load, with sockets of the
// kernel.
func TestLoopbackFailover(t *testing.T) {
	t.Parallel()
	c := start(t, lab.Options{})
	p := writable(t, c)
	p.fill(t, 8)
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := core.RunTx(context.Background(), p.DB, nil, func(tx *sql.Tx) error {
					_, err := tx.Exec("insert into t (id) values (1)")
					return err
				})
				if err != nil && !errors.Is(err, core.ErrOutcomeUnknown) {
					t.Error(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for n, l := range losses[:5] {
		time.Sleep(50 * time.Millisecond)
		old, next := c.Writer(), c.Readers()[n%2]
		l.do(old)
		time.Sleep(50 * time.Millisecond)
		promote(t, c, next.ID())
		if _, err := p.settled(t.Context()); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
		old.Restart()
	}
	close(stop)
	workers.Wait()
}

// B79: the socket under the connection can be reached for its options.
func TestB79_SyscallConn(t *testing.T) {
	c := start(t, lab.Options{})
	p := open(t, c, c.Endpoint())
	conn := p.hold(t, 1)[0]
	defer conn.Close() //nolint:errcheck // not what is tested
	raw, err := coreConn(t, conn).Link().SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(uintptr) {}); err != nil {
		t.Error(err)
	}
}
