package pgxpool

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// What a batch does in a transaction that it has begun itself is rolled back when the
// connection is lost, unless it holds a COMMIT, although pgx knows of the transaction at
// the end of the batch only.
func TestErrorsOfABatchThatBegins(t *testing.T) {
	for name, test := range map[string]struct {
		more    []string
		cut     string
		after   bool // the loss comes when the batch has been read
		unknown bool
	}{
		"insert":          {cut: "insert"},
		"select after it": {more: []string{"select 1"}, cut: "select 1"},
		"with a COMMIT":   {more: []string{"commit", "select 1"}, cut: "select 1", unknown: true},
		"afterwards":      {cut: "select 2", after: true},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				p := writable(t, c)
				c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
					if strings.HasPrefix(s.SQL, test.cut) {
						return lab.CutAfter()
					}
					return lab.Run()
				})
				b := &pgx.Batch{}
				b.BeginTx(pgx.TxOptions{})
				for _, statement := range append([]string{"insert into t (id) values (1)"}, test.more...) {
					b.Queue(statement)
				}
				r := p.SendBatch(t.Context(), b)
				tx := r.Tx()
				err := r.Close()
				if test.after {
					if err != nil {
						t.Fatal(err)
					}
					_, err = tx.Exec(t.Context(), "select 2")
				}
				demand.Is(t, name, err, core.ErrTransactionResolutionUnknown)
				if got := errors.Is(err, core.ErrOutcomeUnknown); got != test.unknown {
					t.Errorf("outcome unknown: %v: %v", got, err)
				}
				_ = tx.Rollback(t.Context()) // of what is lost
				c.Writer().OnStatement(nil)
				time.Sleep(time.Second) // the connection is closed beside
				if n := len(c.Rows("t")); (n > 0) != test.unknown {
					t.Errorf("%d rows", n)
				}
				if n := p.Stat().AcquiredConns(); n != 0 {
					t.Errorf("%d connections were not given back", n)
				}
			})
		})
	}
}
