package demo

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// Engine is the kind of database. Everything that depends on it is in this file.
type Engine string

// The engines.
const (
	PostgreSQL Engine = "postgresql"
)

// engines are all of them, in the order in which they are offered.
var engines = []Engine{PostgreSQL}

// EngineNames are all of them for a sentence.
func EngineNames() string {
	var names []string
	for _, e := range engines {
		names = append(names, string(e))
	}
	return strings.Join(names, " or ")
}

func (e Engine) validate() error {
	if slices.Contains(engines, e) {
		return nil
	}
	return fmt.Errorf("engine %q: write %s", string(e), EngineNames())
}

// String is the database's proper name.
func (e Engine) String() string { return "PostgreSQL" }

// flavor is the cluster to start.
func (e Engine) flavor() lab.Flavor { return lab.AuroraPG }

// connector is all that a program has to do; only the dialer and the resolver
// would be the usual ones.
func (e Engine) connector(cluster *lab.Cluster, log *slog.Logger) (driver.Connector, error) {
	cfg, err := pgx.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		return nil, fmt.Errorf("parse the cluster's own URL: %w", err)
	}
	return pgdriver.NewConnector(cfg,
		pgdriver.WithDialer(cluster.DialContext),
		pgdriver.WithResolver(cluster),
		pgdriver.WithLogger(log),
	)
}

// The statements that are the same everywhere. payments has no key on purpose: a
// unique one would hide it if something were stored twice.
const (
	createPayments = `create table payments (id varchar(20) not null, attempt varchar(30) not null, amount int not null)`
	createAccounts = `create table accounts (id int primary key, owner varchar(30) not null)`
)

// statements are those with arguments.
type statements struct{ insertAccount, insertPayment, selectPayment, selectAccount string }

func (e Engine) statements() statements {
	return statements{
		insertAccount: `insert into accounts (id, owner) values ($1, $2)`,
		insertPayment: `insert into payments (id, attempt, amount) values ($1, $2, $3)`,
		selectPayment: `select count(*) from payments where id = $1`,
		selectAccount: `select owner from accounts where id = $1`,
	}
}

// serverError is what a database server said, in short; "" when err is from
// elsewhere.
func serverError(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return "SQLSTATE " + pg.Code
	}
	return ""
}

// driverPackages are the beginnings of the names of functions that belong to the
// library and the drivers, as stacks of goroutines have them.
func driverPackages() []string {
	return []string{
		"awsdb/awsdb/core.", "awsdb/awsdb/failover.", "database/sql.",
		"awsdb/awsdb/pgdriver.", "jackc/pgx/v5/pgconn.",
	}
}
