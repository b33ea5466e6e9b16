package pgxpool

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// losing gives rows without an end, and loses the writer in the middle.
func losing(t *testing.T, c *lab.Cluster) pgx.CopyFromSource {
	n := 0
	row := bytes.Repeat([]byte("x"), 1000)
	return pgx.CopyFromFunc(func() ([]any, error) {
		if n++; n == 500 {
			c.Writer().Crash()
			promote(t, c, "mydb-2")
		}
		return []any{int64(n), string(row)}, nil
	})
}

// A COPY whose server is lost ends, with an error as any other call.
func TestErrorsOfCopy(t *testing.T) {
	for name, test := range map[string]struct {
		do    func(ctx context.Context, p *pool, source pgx.CopyFromSource) error
		wants []error
		bare  bool
	}{
		"Pool": {func(ctx context.Context, p *pool, source pgx.CopyFromSource) error {
			_, err := p.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"id", "name"}, source)
			return err
		}, []error{core.ErrFailoverSuccess, core.ErrOutcomeUnknown}, false},
		"Tx": {func(ctx context.Context, p *pool, source pgx.CopyFromSource) error {
			return inTransaction(ctx, p, func(tx pgx.Tx) error {
				_, err := tx.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"id", "name"}, source)
				return err
			})
		}, []error{core.ErrTransactionResolutionUnknown}, false},
		"bare pool": {func(ctx context.Context, p *pool, source pgx.CopyFromSource) error {
			_, err := p.Pool.Pool.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"id", "name"}, source)
			return err
		}, []error{core.ErrFailover, core.ErrOutcomeUnknown}, true},
		"acquired": {func(ctx context.Context, p *pool, source pgx.CopyFromSource) error {
			return p.Acquired(ctx, func(c *pgxpool.Conn) error {
				_, err := c.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"id", "name"}, source)
				return err
			})
		}, []error{core.ErrFailover, core.ErrOutcomeUnknown}, true},
	} {
		t.Run(name, func(t *testing.T) {
			loopback(t, func(t *testing.T, c *lab.Cluster) {
				p := writable(t, c)
				err := test.do(t.Context(), p, losing(t, c))
				demand.IsNot(t, name, err, context.Canceled, context.DeadlineExceeded)
				if !test.bare && pgconn.SafeToRetry(err) { // pgx knows that a COPY without an end has no effect
					t.Errorf("pgconn calls it safe to repeat: %v", err)
				}
				if test.bare {
					err = pgdriver.Cause(err)
				}
				demand.Is(t, name, err, test.wants...)
				if name == "Tx" && errors.Is(err, core.ErrOutcomeUnknown) {
					t.Errorf("the transaction is rolled back: %v", err)
				}
				lands(t, p, "mydb-2")
				if n := len(c.Rows("t")); n != 0 {
					t.Errorf("%d rows", n)
				}
			})
		})
	}
}
