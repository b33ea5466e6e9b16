package consumer

import (
	_ "embed"
	"fmt"

	"github.com/awsdb/awsdb/ci/internal/pack"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// Module paths that the applications require.
const (
	core     = "github.com/awsdb/awsdb/core"
	pgdriver = "github.com/awsdb/awsdb/pgdriver"
	failover = "github.com/awsdb/awsdb/failover"
	pgx      = "github.com/jackc/pgx/v5"
)

var (
	//go:embed testdata/bare/main.go
	bareSource string
	//go:embed testdata/driver/main.go
	driverSource string
	//go:embed testdata/following/main.go
	followingSource string
)

// Application is a program to build from the packed modules.
type Application struct {
	// Name says what is special about it, in a few words.
	Name string
	// Source is the text of its main.go.
	Source string
	// Requires maps module paths to the versions in its go.mod. The build must
	// end up with exactly these.
	Requires map[string]string
	// Baseline makes its size the one that the others are compared with. It
	// comes first.
	Baseline bool
}

// Applications returns what users of the workspace's modules may build: with
// and without plugins, and with modules of different ages.
func Applications(work *workspace.Workspace) ([]Application, error) {
	older := make(map[string]string)
	newer := make(map[string]string)
	for _, path := range []string{core, pgdriver, failover} {
		module, ok := work.Module(path)
		if !ok {
			return nil, fmt.Errorf("the workspace has no module %s", path)
		}
		next, err := pack.NextPatch(module.Version)
		if err != nil {
			return nil, err
		}
		older[path], newer[path] = module.Version, next
	}
	pgxVersion, err := pgxVersion(work)
	if err != nil {
		return nil, err
	}
	following := func(name, newerPath string) Application {
		requires := map[string]string{core: older[core], pgdriver: older[pgdriver], failover: older[failover]}
		if newerPath != "" {
			requires[newerPath] = newer[newerPath]
		}
		return Application{Name: name, Source: followingSource, Requires: requires}
	}
	return []Application{
		{Name: "bare pgx", Source: bareSource, Requires: map[string]string{pgx: pgxVersion}, Baseline: true},
		{Name: "pgdriver", Source: driverSource, Requires: map[string]string{core: older[core], pgdriver: older[pgdriver]}},
		following("pgdriver and failover", ""),
		following("newer failover, older core", failover),
		following("newer core, older failover", core),
		following("newer pgdriver, older core", pgdriver),
	}, nil
}

// pgxVersion returns the version of pgx that pgdriver asks for, so that sizes
// are compared like with like.
func pgxVersion(work *workspace.Workspace) (string, error) {
	driver, _ := work.Module(pgdriver)
	for _, requirement := range driver.File.Require {
		if requirement.Mod.Path == pgx {
			return requirement.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require %s", pgdriver, pgx)
}
