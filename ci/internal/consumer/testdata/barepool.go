// An application of pgx's own pool: what the size of others is compared with.
package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

const parameters = ""

func open(ctx context.Context, cfg *pgxpool.Config) (pool, error) {
	return pgxpool.NewWithConfig(ctx, cfg)
}
