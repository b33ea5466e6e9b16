package upstream

import "net/url"

// riverSuite runs the tests of River's client: jobs, listeners, leaders.
func riverSuite() Suite {
	return Suite{
		Name:    "river",
		Module:  "github.com/riverqueue/river",
		Beside:  "github.com/riverqueue/river/rivershared",
		Hooks:   folder("river"),
		Package: ".",
		Edits: []Edit{
			{Old: `pgxpool.NewWithConfig(`, New: `redirect.Pool(`, Files: "beside/riversharedtest/riversharedtest.go"},
			{Old: `pgxpool.NewWithConfig(`, New: `redirect.Pool(`, Files: "module/client_test.go"},
			{Old: `riversharedtest.DBPool(ctx, t).Config().Copy()`, New: `redirect.Config(riversharedtest.DBPool(ctx, t))`, Files: "module/client_test.go"},
			{Old: `bundle.dbPool.Config()`, New: `redirect.Config(bundle.dbPool)`, Files: "module/client_test.go"},
			{Old: `"github.com/jackc/pgx/v5/pgxpool"`, New: `"github.com/jackc/pgx/v5/pgxpool"; "awsdb.test/redirect"`, Files: "module/client_test.go"},
			// A copy of our pool's configuration is refused.
			{Old: `dbPool.Config()`, New: `redirect.Config(dbPool)`, Files: "beside/riversharedtest/riversharedtest.go"},
			{Old: `"github.com/jackc/pgx/v5/pgxpool"`, New: `"github.com/jackc/pgx/v5/pgxpool"; "awsdb.test/redirect"`, Files: "beside/riversharedtest/riversharedtest.go"},
		},
		Env: riverEnv,
	}
}

func riverDriverSuite() Suite {
	return Suite{
		Name:    "riverpgxv5",
		Module:  "github.com/riverqueue/river/riverdriver/riverpgxv5",
		Package: ".",
		Edits: []Edit{
			{Old: `pgxpool.NewWithConfig(`, New: `redirect.Pool(`},
			{Old: `"github.com/jackc/pgx/v5/pgxpool"`, New: `"github.com/jackc/pgx/v5/pgxpool"; "awsdb.test/redirect"`},
		},
		Env: riverEnv,
	}
}

func riverEnv(at place) []string {
	at.plugins = "" // redirect.Pool gives them: not every pool of the tests is opened there
	return []string{"TEST_DATABASE_URL=" + at.postgresqlURL(url.Values{"pool_max_conns": {"15"}})}
}
