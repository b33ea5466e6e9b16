package demo

import (
	"database/sql/driver"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/awsdb/awsdb/lab"
)

// Engine is the kind of database.
type Engine string

// The engines. What differs between them is in a file of each.
const (
	PostgreSQL Engine = "postgresql"
	MySQL      Engine = "mysql"
)

var engines = map[Engine]engine{PostgreSQL: postgresql, MySQL: mysql}

// engine is what a run has to know of its engine.
type engine struct {
	name   string     // the database's proper name
	flavor lab.Flavor // the cluster to start
	// connector is all that a program has to do; only the dialer, the resolver and the
	// detection would be the usual ones.
	connector func(cluster *lab.Cluster, log *slog.Logger) (driver.Connector, error)
	// serverError is what a database server said, in short; "" when err is from
	// elsewhere.
	serverError func(err error) string
	// packages are the beginnings of the names of functions that belong to the
	// driver module and the driver, as stacks of goroutines have them.
	packages []string
	statements
}

// detection are the parameters by which a writer that hangs is noticed after two
// seconds, before another is promoted. By default it takes 45 s: a call may be slow.
var detection = map[string]string{
	"failure_detection_time_ms": "1000", "failure_detection_interval_ms": "300", "failure_detection_count": "3",
}

// The statements that are the same everywhere. payments has no key on purpose: a
// unique one would hide it if something were stored twice.
const (
	createPayments = `create table payments (id varchar(20) not null, attempt varchar(30) not null, amount int not null)`
	createAccounts = `create table accounts (id int primary key, owner varchar(30) not null)`
)

// statements are those with arguments.
type statements struct{ insertAccount, insertPayment, selectPayment, selectAccount string }

// EngineNames are all of them for a sentence.
func EngineNames() string {
	var names []string
	for _, e := range slices.Backward(slices.Sorted(maps.Keys(engines))) { // the default first
		names = append(names, string(e))
	}
	return strings.Join(names, " or ")
}

func (e Engine) validate() error {
	if _, ok := engines[e]; ok {
		return nil
	}
	return fmt.Errorf("engine %q: write %s", string(e), EngineNames())
}
