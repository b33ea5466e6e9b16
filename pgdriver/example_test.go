package pgdriver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// A pool on a cluster's endpoint goes on after the writer has crashed.
func Example_failover() {
	cluster, err := lab.Start(lab.Options{}) // instead of a real one
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg, err := pgx.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	follow, err := failover.New(failover.Options{})
	if err != nil {
		log.Fatal(err)
	}
	connector, err := pgdriver.NewConnector(cfg, pgdriver.WithPlugins(follow),
		pgdriver.WithDialer(cluster.DialContext), pgdriver.WithResolver(cluster)) // the lab's network and DNS
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close() //nolint:errcheck // an example

	ctx := context.Background()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	cluster.Writer().Crash()
	if err := cluster.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
		log.Fatal(err)
	}
	_, err = tx.ExecContext(ctx, "create table t (id int)")
	fmt.Println("transaction lost:", errors.Is(err, core.ErrTransactionResolutionUnknown))
	fmt.Println("safe to repeat:", core.SafeToRepeat(err))
	fmt.Println("rollback:", tx.Rollback())

	var instance string
	err = db.QueryRowContext(ctx, "select aurora_db_instance_identifier()").Scan(&instance)
	fmt.Println("now on", instance, err)
	// Output:
	// transaction lost: true
	// safe to repeat: true
	// rollback: <nil>
	// now on mydb-2 <nil>
}

// A reader hangs: it keeps its connections and answers nothing. The call that waits for
// it, without any deadline, is ended, and the next one is on another reader.
func Example_hostMonitor() {
	cluster, err := lab.Start(lab.Options{}) // instead of a real one
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg, err := pgx.ParseConfig(cluster.DSN(cluster.ReaderEndpoint()))
	if err != nil {
		log.Fatal(err)
	}
	monitor, err := hostmonitor.New(hostmonitor.Options{DetectionTime: 200 * time.Millisecond, Interval: 200 * time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	follow, err := failover.New(failover.Options{})
	if err != nil {
		log.Fatal(err)
	}
	connector, err := pgdriver.NewConnector(cfg, pgdriver.WithPlugins(monitor, follow),
		pgdriver.WithDialer(cluster.DialContext), pgdriver.WithResolver(cluster)) // the lab's network and DNS
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close() //nolint:errcheck // an example

	const whereAmI = "select aurora_db_instance_identifier()"
	var hung, instance string
	if err := db.QueryRow(whereAmI).Scan(&hung); err != nil {
		log.Fatal(err)
	}
	cluster.Instance(hung).Freeze()
	err = db.QueryRow(whereAmI).Scan(&instance)
	var lost *core.LostError
	fmt.Println("run it again:", errors.Is(err, core.ErrFailoverSuccess))
	fmt.Println("cut by us:", errors.As(err, &lost) && lost.Aborted && lost.Host == hung)
	err = db.QueryRow(whereAmI).Scan(&instance)
	fmt.Println("on another reader:", instance != hung && instance != cluster.Writer().ID(), err)
	// Output:
	// run it again: true
	// cut by us: true
	// on another reader: true <nil>
}

// RunTx is the retry loop for transactions.
func Example_runTx() {
	cluster, db := start()
	defer cluster.Close()
	defer db.Close() //nolint:errcheck // an example
	ctx := context.Background()
	if _, err := db.ExecContext(ctx, "create table accounts (id int primary key, balance int)"); err != nil {
		log.Fatal(err)
	}
	attempts := 0
	err := core.RunTx(ctx, db, nil, func(tx *sql.Tx) error {
		if attempts++; attempts == 1 { // the writer goes while the transaction is open
			cluster.Writer().Crash()
			if err := cluster.Promote("mydb-3", lab.PromoteOptions{}); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "insert into accounts (id, balance) values (1, 100)")
		return err
	})
	fmt.Println(attempts, "attempts:", err)
	fmt.Println(cluster.Rows("accounts"))
	// Output:
	// 2 attempts: <nil>
	// [[1 100]]
}

func start() (*lab.Cluster, *sql.DB) {
	cluster, err := lab.Start(lab.Options{})
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	follow, err := failover.New(failover.Options{})
	if err != nil {
		log.Fatal(err)
	}
	connector, err := pgdriver.NewConnector(cfg, pgdriver.WithPlugins(follow),
		pgdriver.WithDialer(cluster.DialContext), pgdriver.WithResolver(cluster))
	if err != nil {
		log.Fatal(err)
	}
	return cluster, sql.OpenDB(connector)
}

// The usual form: a blank import and the driver's name. This program never
// connects; every mistake in the connection string is reported at once.
func Example() {
	_, err := sql.Open(pgdriver.Name, "postgres://app@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app"+
		"?failover_timout_sec=60&plugins=failover,iam")
	fmt.Println(err)
	// Output:
	// awsdb: configuration: unknown parameter failover_timout_sec: did you mean failover_timeout_sec?
	// plugin iam is not linked in: import _ "github.com/awsdb/awsdb/iamauth"
}

// COPY and everything else of pgx's own is reached through sql.Conn.Raw.
func ExampleUnwrap() {
	cluster, db := start()
	defer cluster.Close()
	defer db.Close() //nolint:errcheck // an example
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // an example
	err = conn.Raw(func(driverConn any) error {
		c, ok := pgdriver.Unwrap(driverConn)
		if !ok {
			return errors.New("not a connection of pgdriver")
		}
		if _, err := c.Exec(ctx, "create table points (x int, y int)"); err != nil {
			return err
		}
		n, err := c.CopyFrom(ctx, pgx.Identifier{"points"}, []string{"x", "y"}, pgx.CopyFromRows([][]any{{1, 2}, {3, 4}}))
		fmt.Println(n, "rows copied")
		return err
	})
	fmt.Println(err)
	// Output:
	// 2 rows copied
	// <nil>
}
