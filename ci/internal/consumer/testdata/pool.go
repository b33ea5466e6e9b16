// An application of awsdb's pool that follows the cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/pgdriver"
	"github.com/jackc/pgx/v5/pgxpool"
)

const parameters = "&failover_timeout_sec=3&plugins=none"

// open also sees to it that what is misspelt is refused.
func open(ctx context.Context, cfg *pgxpool.Config) (pool, error) {
	wrong := cfg.Copy()
	wrong.ConnConfig.RuntimeParams["failover_timeout_sek"] = "3"
	if _, err := pgdriver.NewPool(ctx, wrong); !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), "failover_timeout_sek") {
		return nil, fmt.Errorf("not refused by an ErrConfig: %w", err)
	}
	return pgdriver.NewPool(ctx, cfg)
}
