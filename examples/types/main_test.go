package main

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/pgdriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTypesAreKnownAfterAFailover(t *testing.T) {
	c := cluster.StartReal(t)
	ctx := cluster.Context(t)
	cfg := cluster.Config(t, c)
	for range 2 { // as the next run of the program does
		if err := prepare(ctx, cfg, pgdriver.WithDialer(c.DialContext), pgdriver.WithResolver(c)); err != nil {
			t.Fatal(err)
		}
	}
	var registered atomic.Int64 // connections
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		registered.Add(1)
		return registerTypes(ctx, conn)
	}
	pool := cluster.Pool(t, c, cfg)

	customers := []customer{
		{ID: 1, Home: address{Street: "1 Main Street, \"East\"", Zip: "(98109)"}},
		{
			ID: 2, Home: address{Street: "2 Main Street"}, Previous: []address{{"a", "b"}, {"c, d", ""}},
			Interests: []interest{"books", "music"},
		},
	}
	check := func(when string) {
		t.Helper()
		for _, want := range customers {
			got, err := load(ctx, pool, want.ID)
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
	}
	for _, want := range customers {
		if err := want.store(ctx, pool); err != nil {
			t.Fatal(err)
		}
	}
	check("before the failover")
	before := registered.Load()

	cluster.FailOver(t, c, "mydb-2")
	check("after the failover")
	customers = append(customers, customer{ID: 3, Home: address{"3", "4"}, Interests: []interest{"sports"}})
	if err := customers[2].store(ctx, pool); err != nil {
		t.Fatal(err)
	}
	check("after writing to the new writer")
	if registered.Load() == before {
		t.Error("no new connection was told the types")
	}
}
