package consumer

import (
	"embed"
	"fmt"
	"slices"

	"github.com/awsdb/awsdb/ci/internal/pack"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// Module paths that the applications require, or must not hold.
const (
	core        = "github.com/awsdb/awsdb/core"
	pgdriver    = "github.com/awsdb/awsdb/pgdriver"
	mysqldriver = "github.com/awsdb/awsdb/mysqldriver"
	failover    = "github.com/awsdb/awsdb/failover"
	hostmonitor = "github.com/awsdb/awsdb/hostmonitor"
	awsauth     = "github.com/awsdb/awsdb/awsauth"
	iamauth     = "github.com/awsdb/awsdb/iamauth"
	secrets     = "github.com/awsdb/awsdb/secrets"
	federated   = "github.com/awsdb/awsdb/federated"
	pgx         = "github.com/jackc/pgx/v5"
	goSQLDriver = "github.com/go-sql-driver/mysql"
)

// sources are the files that the applications are put together from: main.go, or pgxpool.go,
// one that says what to do with a database, and one for each driver and plugin.
//
//go:embed testdata/*.go
var sources embed.FS

// Application is a program to build from the packed modules.
type Application struct {
	// Name says what is special about it, in a few words.
	Name string
	// Files are the texts of its Go files, by name.
	Files map[string]string
	// Requires maps module paths to the versions in its go.mod. The build must
	// end up with exactly these.
	Requires map[string]string
	// Excludes are the paths of modules that it must hold nothing of.
	Excludes []string
	// Services are those whose clients in the AWS SDK it may hold. None: it must hold
	// nothing of the SDK.
	Services []string
	// Baseline is the name of an earlier application that its size is compared
	// with; "" for none.
	Baseline string
	// Limit is how many bytes larger than that it may be. 0: MaxGrowth.
	Limit int64
	// Bare is another one, of which the difference is printed only.
	Bare string
}

// Applications returns what users of the workspace's modules may build: for
// PostgreSQL, for MySQL and for both, with and without plugins, and with modules
// of different ages.
func Applications(work *workspace.Workspace) ([]Application, error) {
	v, err := readVersions(work)
	if err != nil {
		return nil, err
	}
	postgresql := family{
		versions: v, baseline: "bare pgx",
		drivers: []string{"pgx"}, wrappers: []string{"pgdriver"}, excludes: []string{goSQLDriver, mysqldriver},
	}
	mysql := family{
		versions: v, baseline: "go-sql-driver, log, certificates", bareName: "bare go-sql-driver",
		drivers: []string{"gosqldriver", "standard"}, wrappers: []string{"mysqldriver"}, excludes: []string{pgx, pgdriver},
	}
	native := family{versions: v, baseline: "bare pgxpool", excludes: []string{goSQLDriver, mysqldriver}}
	both := family{
		versions: v, baseline: "both, log, certificates",
		drivers: []string{"pgx", "gosqldriver", "standard"}, wrappers: []string{"pgdriver", "mysqldriver"},
	}
	// log/slog and the reading of certificates are three quarters of a megabyte of
	// the standard library, which programs of some size have and go-sql-driver
	// alone has not. They are not counted as ours, but shown: in a row of their
	// own, and by the difference from the driver alone in every row.
	bareMySQL := family{versions: v, baseline: mysql.bareName, drivers: []string{"gosqldriver"}, excludes: mysql.excludes}.bare()
	loggingMySQL := mysql.bare()
	loggingMySQL.Baseline = bareMySQL.Name
	return []Application{
		postgresql.bare(),
		postgresql.driver("pgdriver"),
		postgresql.following("pgdriver and failover", ""),
		postgresql.following("newer failover, older core", failover),
		postgresql.following("newer core, older failover", core),
		postgresql.following("newer pgdriver, older core", pgdriver),
		postgresql.monitoring("pgdriver, failover, hostmonitor", "", "pgdriver and failover", "following"),
		postgresql.monitoring("newer hostmonitor, older core", hostmonitor, "pgdriver and failover", "following"),
		postgresql.monitoring("newer core, older hostmonitor", core, "pgdriver and failover", "following"),
		postgresql.monitoring("pgdriver and hostmonitor", "", "pgdriver"),
		native.application(native.baseline, "", []string{"pgxpool", "barepool"}),
		native.pool("NewPool and failover"),
		native.poolMonitoring("NewPool, failover, hostmonitor", "NewPool and failover"),
		bareMySQL,
		loggingMySQL,
		mysql.driver("mysqldriver"),
		mysql.following("mysqldriver and failover", ""),
		mysql.following("mysqldriver, newer failover", failover),
		mysql.following("mysqldriver, newer core", core),
		mysql.following("newer mysqldriver, older core", mysqldriver),
		mysql.monitoring("mysqldriver, failover, hostmonitor", "", "mysqldriver and failover", "following"),
		mysql.monitoring("mysqldriver, newer hostmonitor", hostmonitor, "mysqldriver and failover", "following"),
		both.bare(),
		both.following("both drivers and failover", ""),
		both.monitoring("both drivers and both plugins", "", "both drivers and failover", "following"),
		both.following("newer mysqldriver, older pgdriver", mysqldriver),
		postgresql.credentials("pgdriver and iamauth", "pgdriver", "iam"),
		postgresql.credentials("pgdriver and secrets", "pgdriver", "secrets"),
		postgresql.credentials("pgdriver and federated/adfs", "pgdriver", "adfs"),
		postgresql.credentials("pgdriver and federated/okta", "pgdriver", "okta"),
		postgresql.credentials("pgdriver, all credentials", "pgdriver and iamauth", "iam", "secrets", "adfs", "okta"),
		mysql.credentials("mysqldriver and iamauth", "mysqldriver", "iam"),
		mysql.credentials("mysqldriver and secrets", "mysqldriver", "secrets"),
	}, nil
}

// modules are those that each of the files testdata/*.go needs.
var modules = map[string][]string{
	"config":      {core},
	"following":   {failover},
	"monitoring":  {hostmonitor},
	"watching":    {hostmonitor},
	"pgx":         {pgx},
	"pgxpool":     {pgx},
	"barepool":    {pgx},
	"pool":        {core, pgdriver, failover},
	"gosqldriver": {goSQLDriver},
	"iam":         {iamauth},
	"secrets":     {secrets},
	"adfs":        {federated},
	"okta":        {federated},
	"pgdriver":    {pgdriver},
	"mysqldriver": {mysqldriver},
}

// family is the applications of the same databases.
type family struct {
	versions
	baseline string // the name of the one without awsdb
	bareName string // of the one without what the baseline has besides the drivers; "" when there is none
	drivers  []string
	wrappers []string // of ours
	excludes []string
}

func (f family) bare() Application {
	return f.application(f.baseline, "", append([]string{"bare"}, f.drivers...))
}

func (f family) driver(name string) Application {
	return f.application(name, "", append([]string{"config", "driver"}, f.wrappers...))
}

// following has the failover plugin, and newer is the module that has a version
// more than the rest.
func (f family) following(name, newer string) Application {
	return f.application(name, newer, append([]string{"config", "following"}, f.wrappers...))
}

// monitorGrowth is how many bytes the host monitor may add.
const monitorGrowth = 125_000

// monitoring has the host monitor besides the other parts, and is compared with
// the application that has not.
func (f family) monitoring(name, newer, without string, others ...string) Application {
	a := f.application(name, newer, slices.Concat([]string{"config", "monitoring"}, others, f.wrappers))
	a.Baseline, a.Limit, a.Bare = without, monitorGrowth, f.baseline
	return a
}

// credentialGrowth is how many bytes plugins for credentials may add: nearly all of it is the
// AWS SDK and net/http.
const credentialGrowth = 7_000_000

// chainServices are those that the SDK's default chain of credentials may ask.
var chainServices = []string{"sso", "ssooidc", "signin", "sts"}

// credentials has plugins that log in with what AWS knows.
func (f family) credentials(name, without string, plugins ...string) Application {
	a := f.application(name, "", slices.Concat([]string{"config"}, plugins, f.wrappers))
	a.Baseline, a.Limit, a.Bare = without, credentialGrowth, f.baseline
	a.Services = slices.Clone(chainServices)
	if slices.Contains(plugins, "secrets") {
		a.Services = append(a.Services, "secretsmanager")
	}
	return a
}

// poolGrowth is how many bytes an application of pgx's own pool may grow by: it gets
// core as it is for database/sql, which pgxpool has no use for, and the pool as well.
const poolGrowth = 1_100_000

// pool follows the cluster with pgx's own interface.
func (f family) pool(name string) Application {
	a := f.application(name, "", []string{"pgxpool", "pool"})
	a.Limit = poolGrowth
	return a
}

// poolMonitoring has the host monitor as well.
func (f family) poolMonitoring(name, without string) Application {
	a := f.application(name, "", []string{"pgxpool", "pool", "watching"})
	a.Baseline, a.Limit, a.Bare = without, monitorGrowth, f.baseline
	return a
}

func (f family) application(name, newer string, parts []string) Application {
	a := Application{
		Name: name, Files: map[string]string{}, Requires: map[string]string{}, Excludes: slices.Clone(f.excludes),
	}
	if name != f.baseline {
		a.Baseline, a.Bare = f.baseline, f.bareName
	}
	if !slices.Contains(parts, "pgxpool") {
		parts = append(parts, "main")
	}
	for _, part := range parts {
		text, err := sources.ReadFile("testdata/" + part + ".go")
		if err != nil {
			panic(err) // it is in this program
		}
		a.Files[part+".go"] = string(text)
		for _, path := range modules[part] {
			a.Requires[path] = f.older[path]
		}
	}
	if newer != "" {
		a.Requires[newer] = f.newer[newer]
	}
	for _, plugin := range []string{failover, hostmonitor, iamauth, secrets, federated} {
		if a.Requires[plugin] == "" {
			a.Excludes = append(a.Excludes, plugin)
		}
	}
	return a
}

// versions are those of modules, by path.
type versions struct{ older, newer map[string]string }

// readVersions returns those of the workspace's modules, and of the drivers
// those that they ask for, so that sizes are compared like with like.
func readVersions(work *workspace.Workspace) (versions, error) {
	v := versions{map[string]string{}, map[string]string{}}
	for _, path := range []string{core, pgdriver, mysqldriver, failover, hostmonitor, awsauth, iamauth, secrets, federated} {
		module, ok := work.Module(path)
		if !ok {
			return v, fmt.Errorf("the workspace has no module %s", path)
		}
		next, err := pack.NextPatch(module.Version)
		if err != nil {
			return v, err
		}
		v.older[path], v.newer[path] = module.Version, next
	}
	for wrapper, driver := range map[string]string{pgdriver: pgx, mysqldriver: goSQLDriver} {
		module, _ := work.Module(wrapper)
		for _, requirement := range module.File.Require {
			if requirement.Mod.Path == driver {
				v.older[driver] = requirement.Mod.Version
			}
		}
		if v.older[driver] == "" {
			return v, fmt.Errorf("%s does not require %s", wrapper, driver)
		}
	}
	return v, nil
}
