package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/examples/sqlc/bank"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNoTransferIsLostOrMadeTwice(t *testing.T) {
	c := cluster.Start(t)
	pool := cluster.Pool(t, c, cluster.Config(t, c))
	ctx := cluster.Context(t)
	if err := prepare(ctx, pool); err != nil {
		t.Fatal(err)
	}

	var made atomic.Int64
	var told sync.Map // ids of the transfers that were said to be made
	var all sync.WaitGroup
	working, stop := context.WithCancel(ctx)
	defer stop()
	for range workers {
		all.Go(func() {
			for working.Err() == nil {
				next := randomTransfer()
				if err := transfer(ctx, pool, next); err != nil {
					t.Errorf("transfer: %v", err)
					return
				}
				told.Store(next.ID, true)
				made.Add(1)
			}
		})
	}
	for _, next := range []string{"mydb-2", "mydb-3"} {
		goOn := made.Load() + 100
		cluster.Await(t, "100 more transfers", func() bool { return made.Load() >= goOn })
		cluster.FailOver(t, c, next)
	}
	goOn := made.Load() + 100
	cluster.Await(t, "100 transfers after the last failover", func() bool { return made.Load() >= goOn })
	stop()
	all.Wait()

	queries := bank.New(pool)
	transfers, err := queries.ListTransfers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(transfers)) != made.Load() {
		t.Errorf("%d transfers are in the table, and %d were told to be made", len(transfers), made.Load())
	}
	want := map[int64]int64{}
	for id := range int64(accounts) {
		want[id] = capital
	}
	for _, row := range transfers {
		if _, ok := told.Load(row.ID); !ok {
			t.Errorf("transfer %s was not told to be made", row.ID)
		}
		want[row.FromAccount] -= row.Amount
		want[row.ToAccount] += row.Amount
	}
	if diff := cmp.Diff(want, balances(t, queries)); diff != "" {
		t.Errorf("balances are not what the transfers make them (-want +got):\n%s", diff)
	}
	if sum, err := total(ctx, pool.Pool); sum != accounts*capital || err != nil {
		t.Errorf("total %d, %v, want %d", sum, err, accounts*capital)
	}
}

// What becomes of a transfer whose statement is cut off, wherever that is.
func TestTransferSurvivesTheLossOf(t *testing.T) {
	c := cluster.Start(t)
	pool := cluster.Pool(t, c, cluster.Config(t, c))
	ctx := cluster.Context(t)
	if err := prepare(ctx, pool); err != nil {
		t.Fatal(err)
	}
	queries := bank.New(pool)
	for statement, fate := range map[string]func() lab.Fate{
		"begin":            lab.CutAfter,
		"INSERT INTO":      lab.CutAfter,
		"UPDATE accounts":  lab.CutBefore,
		"commit":           lab.CutAfter,
		"commit, not sent": lab.CutBefore,
	} {
		t.Run(statement, func(t *testing.T) {
			var cut atomic.Bool
			c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
				text, _, _ := strings.Cut(statement, ",")
				if !strings.Contains(s.SQL, text) || cut.Swap(true) {
					return lab.Run()
				}
				return fate()
			})
			before := balances(t, queries)
			next := randomTransfer()
			if err := transfer(ctx, pool, next); err != nil {
				t.Error(err)
			}
			c.Writer().OnStatement(nil)
			if !cut.Load() {
				t.Error("nothing was cut")
			}
			before[next.FromAccount] -= next.Amount
			before[next.ToAccount] += next.Amount
			if diff := cmp.Diff(before, balances(t, queries)); diff != "" {
				t.Errorf("balances (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBarePoolTellsTheCause(t *testing.T) {
	c := cluster.Start(t)
	pool := cluster.Pool(t, c, cluster.Config(t, c))
	ctx := cluster.Context(t)
	if err := prepare(ctx, pool); err != nil {
		t.Fatal(err)
	}
	c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
		if strings.Contains(s.SQL, "FROM accounts") {
			return lab.CutAfter()
		}
		return lab.Run()
	})
	_, err := bank.New(pool.Pool).ListAccounts(ctx)
	if errors.Is(err, core.ErrFailover) || !errors.Is(pgdriver.Cause(err), core.ErrFailover) {
		t.Errorf("error %v, cause %v", err, pgdriver.Cause(err))
	}
	if _, err := total(ctx, pool.Pool); !errors.Is(err, core.ErrFailover) {
		t.Errorf("total: %v", err)
	}
}

func balances(t *testing.T, queries *bank.Queries) map[int64]int64 {
	t.Helper()
	all, err := queries.ListAccounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]int64{}
	for _, a := range all {
		got[a.ID] = a.Balance
	}
	return got
}
