package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/examples/sqlc/databasesql/mysql"
	"github.com/awsdb/awsdb/examples/sqlc/databasesql/postgresql"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFailover: each transfer is made once, and balances are what the transfers make them.
func TestFailover(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		opened(t, e, c) // as an earlier run of the program has done
		b := opened(t, e, c)
		outcome := cluster.FailOverDuring(t, c, func(ctx context.Context, n int64) error {
			return b.transfer(ctx, transfer{ID: strconv.FormatInt(n, 10), FromAccount: n % accounts, ToAccount: (n + 1) % accounts, Amount: n})
		})
		found, want := map[int64]int{}, map[int64]int64{}
		for id := range int64(accounts) {
			want[id] = capital
		}
		for _, row := range c.Rows("transfers") {
			n, err := strconv.ParseInt(fmt.Sprint(row[0]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			found[n]++
			want[n%accounts] -= n
			want[(n+1)%accounts] += n
		}
		outcome.ExactlyOnce(t, found)
		got := map[int64]int64{}
		for _, row := range c.Rows("accounts") {
			got[row[0].(int64)] = row[2].(int64)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("balances are not what the transfers make them (-want +got):\n%s", diff)
		}
		if sum, err := b.queries.Total(t.Context()); sum != accounts*capital || err != nil {
			t.Errorf("total %d, %v, want %d", sum, err, accounts*capital)
		}
	})
}

// TestLosses: a transfer whose COMMIT got no answer is made once, and a :many query that was cut off is no shorter list.
func TestLosses(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		b := opened(t, e, c)
		ctx := cluster.Context(t)
		lost := cluster.LoseCommit(c)
		for n := range int64(3) {
			if err := b.transfer(ctx, transfer{ID: strconv.FormatInt(n, 10), FromAccount: 1, ToAccount: 2, Amount: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(c.Rows("transfers")); n != 3 || !lost() {
			t.Errorf("%d transfers, want 3; a COMMIT was lost: %v", n, lost())
		}
		cluster.Strike(c, "FROM transfers", lab.CutAfterRows(2))
		if n, err := listTransfers(ctx, b); n != 0 || !errors.Is(err, core.ErrFailoverSuccess) {
			t.Errorf("%d transfers and %v, want none and %q", n, err, core.ErrFailoverSuccess)
		}
	})
}

func listTransfers(ctx context.Context, b *bank) (n int, err error) {
	switch q := b.queries.(type) {
	case onMySQL:
		var all []mysql.Transfer
		all, err = q.ListTransfers(ctx)
		n = len(all)
	case onPostgreSQL:
		var all []postgresql.Transfer
		all, err = q.ListTransfers(ctx)
		n = len(all)
	}
	return n, err
}

func TestProgram(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, _ cluster.Engine, c *lab.Cluster) {
		cluster.Program(t, c, c.DSN(c.Endpoint()), "transfers", run)
	})
}

func opened(t *testing.T, e cluster.Engine, c *lab.Cluster) *bank {
	t.Helper()
	b, err := open(t.Context(), c.DSN(c.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
