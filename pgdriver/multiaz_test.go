package pgdriver

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
)

// A Multi-AZ cluster refuses a token with the code of an instance that reboots. If it does so while
// the monitor sees it alive, no other host and no patience helps.
func TestRefusedByMultiAZ(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		follow, err := failover.New(failover.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o := lab.Options{Flavor: lab.MultiAZPG, Auth: lab.IAM, TLS: lab.TLSRequired, Cloud: cloud.New(cloud.Options{}), Users: map[string]string{"monitor": "watching"}}
		p, cluster := handoverPool(t, o, func(cfg *pgxpool.Config) { cfg.ConnConfig.User, cfg.ConnConfig.Password = "app", "no token" },
			WithPlugins(follow), WithParams(map[string]string{"topology-monitoring-user": "monitor", "topology-monitoring-password": "watching"}))
		began := time.Now()
		err = p.Ping(t.Context())
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != stateInvalidAuthorization || time.Since(began) > 10*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		for _, i := range cluster.Instances() {
			if n := len(i.Refusals()); n > 20 {
				t.Errorf("%s refused %d logins", i.ID(), n)
			}
		}
	})
}
