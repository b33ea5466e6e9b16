package recipes

import (
	"database/sql"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

// database is a cluster of the lab in virtual time, with an open pool and empty tables.
// The column id is unique in both.
type database struct {
	*sql.DB
	front frontend.Frontend
	lab   *lab.Cluster
}

func overSQL() []frontend.Frontend { return []frontend.Frontend{frontend.PostgreSQL, frontend.MySQL} }

// watch is who awsdb's own connections log in as.
const watch = "watch"

// virtual runs a test on a database of its own.
func virtual(t *testing.T, front frontend.Frontend, test func(t *testing.T, db database)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, err := lab.Start(lab.Options{Flavor: front.Flavors().Aurora, Network: lab.Memory, Auth: lab.Trust, Latency: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		own := map[string]string{"monitoring-user": watch, "topology-monitoring-user": watch}
		h, err := front.Open(frontend.Options{Lab: c, DSN: c.DSN(c.Endpoint()), Params: own})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := h.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}()
		for _, statement := range []string{Table, "create unique index writes_id on writes (id)", KeyedTable} {
			if _, err := h.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		test(t, database{h.DB, front, c})
	})
}

// open is the program of a tool.
func (db database) open(t *testing.T, tool Tool) Program {
	t.Helper()
	p, err := tool.Open(db.front, db.DB)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// meet has the first of the application's statements which begins with a verb meet its fate,
// until recover is called, which gives that statement; nil if there was none.
func (db database) meet(verb string, fate lab.Fate) (recover func() *lab.Statement) {
	var met atomic.Pointer[lab.Statement]
	writer := db.lab.Writer()
	writer.OnStatement(func(s lab.Statement) lab.Fate {
		first, _, _ := strings.Cut(s.SQL, " ")
		if s.User != watch && strings.EqualFold(first, verb) && met.CompareAndSwap(nil, &s) {
			return fate
		}
		return lab.Run()
	})
	return func() *lab.Statement {
		writer.OnStatement(nil)
		return met.Load()
	}
}

// rows counts the rows with an identifier.
func (db database) rows(id string) int {
	n := 0
	for _, row := range append(db.lab.Rows("writes"), db.lab.Rows("keyed")...) {
		if row[0] == id {
			n++
		}
	}
	return n
}
