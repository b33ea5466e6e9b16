package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

// checkCancelledRequest cancels a request in the middle of its statement, which is no failover: the writer is not
// in doubt, and all connections stay but that of the request.
func checkCancelledRequest(t *testing.T, e cluster.Engine, c *lab.Cluster) {
	const shared = "cluster_id=requests"
	const connections = 3
	ctx := cluster.Context(t)
	db := openDB(t, e, c, shared)
	db.SetMaxIdleConns(connections)
	before := sessions(t, e, db, connections)
	view := watch(t, e, c, shared)
	if _, err := view.WaitSettled(ctx); err != nil {
		t.Fatal(err)
	}

	statement := map[cluster.Engine]string{cluster.PostgreSQL: "select pg_sleep(60)", cluster.MySQL: "select sleep(60)"}[e]
	result := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := db.NewRaw(statement).Exec(r.Context())
		result <- err
	}))
	defer server.Close()
	calling, cancel := context.WithCancel(ctx)
	request, err := http.NewRequestWithContext(calling, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			err = errors.Join(errors.New("the request was answered"), response.Body.Close())
		}
		answered <- err
	}()
	cluster.Await(t, "the statement", func() bool {
		return slices.ContainsFunc(c.Writer().Statements(), func(s lab.Statement) bool { return strings.Contains(s.SQL, statement) })
	})
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("the request: %v", err)
	}
	if err := <-result; !errors.Is(err, context.Canceled) || errors.Is(err, core.ErrFailover) {
		t.Errorf("the statement: %v", err)
	}
	for _, id := range sessions(t, e, db, connections-1) {
		if !slices.Contains(before, id) {
			t.Errorf("session %d is new; there were %v", id, before)
		}
	}
	known, _ := view.Topology().Writer()
	if id := c.Writer().ID(); known.ID != id || view.Searching() || view.Down(id) != nil {
		t.Errorf("the writer is %s, known is %s, in doubt: %v, down: %v", id, known.ID, view.Searching(), view.Down(id))
	}
}

// sessions are the server's numbers of n connections of the pool.
func sessions(t *testing.T, e cluster.Engine, db *bun.DB, n int) (ids []int64) {
	t.Helper()
	ask := map[cluster.Engine]string{cluster.PostgreSQL: "select pg_backend_pid()", cluster.MySQL: "select connection_id()"}[e]
	for range n {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() // only now, so that the next is another one
		var id int64
		if err := conn.NewRaw(ask).Scan(t.Context(), &id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// watch returns what is known of the cluster by the handles that share its id.
func watch(t *testing.T, e cluster.Engine, c *lab.Cluster, shared string) *core.Cluster {
	t.Helper()
	var d driver.DriverContext = pgdriver.Driver{}
	if e == cluster.MySQL {
		d = mysqldriver.Driver{}
	}
	opened, err := d.OpenConnector(c.DSN(c.Endpoint(), shared))
	if err != nil {
		t.Fatal(err)
	}
	connector := opened.(*core.Connector)
	t.Cleanup(func() {
		if err := connector.Close(); err != nil {
			t.Error(err)
		}
	})
	return connector.Cluster()
}
