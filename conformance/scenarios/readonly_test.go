package scenarios

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// B43: what is read-only by the application's own will is the driver's plain
// error, and no host is doubted for longer than it takes to ask it.
func TestB43_ReadOnlyByWill(t *testing.T) {
	cases := []struct {
		name        string
		transaction bool // it is the transaction that is read-only, not the server
		write       func(t *testing.T, c *cluster) (*pool, error)
	}{
		{"read-only transaction", true, func(t *testing.T, c *cluster) (*pool, error) {
			p := writable(t, c)
			tx, err := p.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			_, err = tx.ExecContext(t.Context(), "insert into t (id) values (1)")
			return p, errors.Join(err, tx.Rollback())
		}},
		{"START TRANSACTION READ ONLY in SQL", true, func(t *testing.T, c *cluster) (*pool, error) {
			p := writable(t, c)
			conn := p.hold(t, 1)[0]
			defer conn.Close() //nolint:errcheck // not what is tested
			if _, err := conn.ExecContext(t.Context(), "start transaction read only"); err != nil {
				t.Fatal(err)
			}
			_, err := conn.ExecContext(t.Context(), "insert into t (id) values (1)")
			return p, err
		}},
		{"read-only by the connection string", true, func(t *testing.T, c *cluster) (*pool, error) {
			writable(t, c)
			p := open(t, c, c.Endpoint(), c.params.ReadOnly)
			return p, p.insert(t.Context())
		}},
		{"reader endpoint", false, func(t *testing.T, c *cluster) (*pool, error) {
			writable(t, c)
			p := open(t, c, c.ReaderEndpoint())
			return p, p.insert(t.Context())
		}},
		{"strict reader", false, func(t *testing.T, c *cluster) (*pool, error) {
			writable(t, c)
			p := open(t, c, c.Endpoint(), "failover_mode=strict-reader")
			return p, p.insert(t.Context())
		}},
		{"instance that is a reader", false, func(t *testing.T, c *cluster) (*pool, error) {
			writable(t, c)
			p := open(t, c, c.Instance("mydb-3").Host())
			return p, p.insert(t.Context())
		}},
	}
	for _, r := range cases {
		t.Run(r.name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p, err := r.write(t, c)
				code := c.codes.ReadOnly
				if r.transaction {
					code = c.codes.ReadOnlyTransaction
				}
				c.says(t, "the write", err, code)
				demand.IsNot(t, "the write", err, core.ErrFailover)
				for _, i := range c.Instances() {
					if err := p.Cluster().Down(i.ID()); err != nil {
						t.Errorf("%s is taken for dead: %v", i.ID(), err)
					}
				}
				if w, _ := p.Cluster().Topology().Writer(); w.ID != "mydb-1" {
					t.Errorf("the writer is %q", w.ID)
				}
				if _, err := p.ExecContext(t.Context(), "select 1"); err != nil {
					t.Errorf("reading afterwards: %v", err)
				}
			})
		})
	}
}

// The same error on a handle for the writer whose host was demoted is a failover.
func TestB43_ReadOnlyByDemotion(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		promote(t, c, "mydb-3", lab.PromoteOptions{StatusLag: 2 * time.Second, DNSLag: 20 * time.Second})
		began := time.Now()
		err := p.insert(t.Context())
		demand.Is(t, "the write", err, core.ErrFailoverSuccess)
		demand.IsNot(t, "the write", err, core.ErrOutcomeUnknown)
		c.says(t, "the write", err, c.codes.ReadOnly)
		if err := p.insert(t.Context()); err != nil {
			t.Errorf("its repetition: %v", err)
		}
		within(t, "both", began, firstWriteLimit)
	})
}
