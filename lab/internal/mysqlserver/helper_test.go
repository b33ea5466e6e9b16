package mysqlserver

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"database/sql"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/lab/internal/memnet"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serverKey is one key for all servers, as making it takes long.
var serverKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		panic(err)
	}
	return key
})

// host is a Host under the test's control.
type host struct {
	id       string
	writable atomic.Bool
	flavor   sqlengine.Flavor
	status   []sqlengine.InstanceStatus
}

func newHost(id string, writable bool) *host {
	h := &host{id: id, flavor: sqlengine.AuroraMySQL}
	h.writable.Store(writable)
	h.status = []sqlengine.InstanceStatus{
		{ID: "mydb-1", Region: "eu-west-1", Endpoint: "mydb-1.x.eu-west-1.rds.amazonaws.com", Port: 3306, Writer: true, CPU: 12.5, LastUpdate: time.Unix(1e9, 0)},
		{ID: "mydb-2", Region: "eu-west-1", Endpoint: "mydb-2.x.eu-west-1.rds.amazonaws.com", Port: 3306, LagMillis: 20.5},
	}
	return h
}

func (h *host) ID() string                         { return h.id }
func (h *host) Writable() bool                     { return h.writable.Load() }
func (h *host) Status() []sqlengine.InstanceStatus { return h.status }
func (h *host) Flavor() sqlengine.Flavor           { return h.flavor }

// instance is a server with in-memory connections.
type instance struct {
	*Server
	serving sync.WaitGroup

	mu     sync.Mutex
	closed bool
}

// start serves config; what is missing and needed is filled in. Everything ends with the test.
func start(t testing.TB, config Config) *instance {
	t.Helper()
	if config.Account == nil {
		config.Account = accounts(CachingSHA2, map[string]string{"app": "secret"})
	}
	return trusting(t, config)
}

// accounts are users with passwords that are checked in one way.
func accounts(auth Auth, passwords map[string]string) func(string) Account {
	return func(user string) Account {
		password, ok := passwords[user]
		return Account{Auth: auth, Password: password, Unknown: !ok}
	}
}

// verified is everybody, whose passwords f checks.
func verified(auth Auth, f func(password string) bool) func(string) Account {
	return func(string) Account { return Account{Auth: auth, Verify: f} }
}

// trusting is start with a server that takes everybody.
func trusting(t testing.TB, config Config) *instance {
	t.Helper()
	if config.Store == nil {
		config.Store = sqlengine.NewStore()
	}
	if config.Host == nil {
		config.Host = newHost("mydb-1", true)
	}
	config.Database = "shop"
	in := &instance{Server: New(config)}
	t.Cleanup(func() {
		in.mu.Lock()
		in.closed = true
		in.mu.Unlock()
		in.serving.Wait()
	})
	return in
}

func (in *instance) dial(context.Context, string, string) (net.Conn, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil, errors.New("connection refused")
	}
	client, server := memnet.Pipe(address("10.0.0.9", 4000), address("10.0.0.1", 3306), 0)
	in.serving.Add(1)
	go func() {
		defer in.serving.Done()
		in.ServeConn(server)
	}()
	return client, nil
}

func address(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }

// configFor makes a client configuration of parameters like "parseTime=true".
func (in *instance) configFor(t testing.TB, parameters string) *mysql.Config {
	t.Helper()
	config, err := mysql.ParseDSN("app:secret@tcp(mydb-1:3306)/shop?" + parameters)
	if err != nil {
		t.Fatal(err)
	}
	config.DialFunc = in.dial
	config.Logger = &mysql.NopLogger{}
	return config
}

// database is a pool of connections with a configuration.
func database(t testing.TB, config *mysql.Config) *sql.DB {
	t.Helper()
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// client is one connection.
type client struct {
	*sql.Conn
	t testing.TB
}

// connect opens one connection that ends with the test.
func (in *instance) connect(t testing.TB, parameters string) client {
	t.Helper()
	return connection(t, database(t, in.configFor(t, parameters)))
}

func connection(t testing.TB, db *sql.DB) client {
	t.Helper()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return client{conn, t}
}

// must runs statements that have to succeed.
func (c client) must(statements ...string) {
	c.t.Helper()
	for _, s := range statements {
		if _, err := c.ExecContext(context.Background(), s); err != nil {
			c.t.Fatalf("%s: %v", s, err)
		}
	}
}

// exec runs one statement that has to succeed.
func (c client) exec(statement string, args ...any) (affected, id int64) {
	c.t.Helper()
	r, err := c.ExecContext(context.Background(), statement, args...)
	if err != nil {
		c.t.Fatalf("%s: %v", statement, err)
	}
	affected, _ = r.RowsAffected()
	id, _ = r.LastInsertId()
	return affected, id
}

// refused runs statements that have to fail with a number.
func (c client) refused(number uint16, statements ...string) {
	c.t.Helper()
	for _, s := range statements {
		_, err := c.ExecContext(context.Background(), s)
		if got := numberOf(err); got != number {
			c.t.Errorf("%s: got %v, want error %d", s, err, number)
		}
	}
}

func numberOf(err error) uint16 {
	var failure *mysql.MySQLError
	if errors.As(err, &failure) {
		return failure.Number
	}
	return 0
}

// table runs a query and gives its rows, fields separated by | and NULL for NULL.
func (c client) table(query string, args ...any) []string {
	c.t.Helper()
	rows, err := c.QueryContext(context.Background(), query, args...)
	if err != nil {
		c.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		c.t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		fields := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range fields {
			into[i] = &fields[i]
		}
		if err := rows.Scan(into...); err != nil {
			c.t.Fatalf("%s: %v", query, err)
		}
		parts := make([]string, len(fields))
		for i, f := range fields {
			if parts[i] = f.String; !f.Valid {
				parts[i] = "NULL"
			}
		}
		out = append(out, strings.Join(parts, "|"))
	}
	if err := rows.Err(); err != nil {
		c.t.Fatalf("%s: %v", query, err)
	}
	return out
}
