package mysqldriver_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/mysqldriver"
)

// The usual form: a blank import and the driver's name. This program never
// connects; every mistake in the DSN is reported at once.
func Example() {
	_, err := sql.Open(mysqldriver.Name, "app@tcp(mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com)/app"+
		"?parseTime=true&failover_timout_sec=60&plugins=failover,iam")
	fmt.Println(err)
	// Output:
	// awsdb: configuration: unknown parameter failover_timout_sec: did you mean failover_timeout_sec?
	// plugin iam is not linked in: import _ "github.com/awsdb/awsdb/iamauth"
}

// A pool on a cluster's endpoint goes on after the writer has crashed.
func Example_failover() {
	cluster, db := start()
	defer cluster.Close()
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
	_, err = tx.ExecContext(ctx, "delete from orders")
	fmt.Println("transaction lost:", errors.Is(err, core.ErrTransactionResolutionUnknown))
	fmt.Println("safe to repeat:", core.SafeToRepeat(err))
	fmt.Println("rollback:", tx.Rollback())

	var instance string
	err = db.QueryRowContext(ctx, "select @@aurora_server_id").Scan(&instance)
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
	cluster, err := lab.Start(lab.Options{Flavor: lab.AuroraMySQL}) // instead of a real one
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg, err := mysql.ParseDSN(cluster.DSN(cluster.ReaderEndpoint()))
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
	connector, err := mysqldriver.NewConnector(cfg, mysqldriver.WithPlugins(monitor, follow),
		mysqldriver.WithDialer(cluster.DialContext), mysqldriver.WithResolver(cluster)) // the lab's network and DNS
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close() //nolint:errcheck // an example

	const whereAmI = "select @@aurora_server_id"
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
		_, err := tx.ExecContext(ctx, "insert into accounts (id, balance) values (?, ?)", 1, 100)
		return err
	})
	fmt.Println(attempts, "attempts:", err)
	fmt.Println(cluster.Rows("accounts"))
	// Output:
	// 2 attempts: <nil>
	// [[1 100]]
}

// start opens a pool on a cluster in this process, instead of a real one.
func start() (*lab.Cluster, *sql.DB) {
	cluster, err := lab.Start(lab.Options{Flavor: lab.AuroraMySQL})
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := mysql.ParseDSN(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	follow, err := failover.New(failover.Options{})
	if err != nil {
		log.Fatal(err)
	}
	connector, err := mysqldriver.NewConnector(cfg, mysqldriver.WithPlugins(follow),
		mysqldriver.WithDialer(cluster.DialContext), mysqldriver.WithResolver(cluster)) // the lab's network and DNS
	if err != nil {
		log.Fatal(err)
	}
	return cluster, sql.OpenDB(connector)
}

// A *mysql.Config, TLS with one's own authorities in it, instead of a DSN. The
// certificate is checked for the instance that a connection goes to.
func ExampleNewConnector() {
	cluster, err := lab.Start(lab.Options{Flavor: lab.AuroraMySQL, TLS: lab.TLSRequired}) // instead of a real one
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = "app", "secret", "app"
	cfg.Net, cfg.Addr = "tcp", cluster.Endpoint()
	cfg.TLS = &tls.Config{RootCAs: cluster.RootCAs()} // nothing is registered with the driver
	follow, err := failover.New(failover.Options{Mode: failover.StrictReader})
	if err != nil {
		log.Fatal(err)
	}
	connector, err := mysqldriver.NewConnector(cfg, mysqldriver.WithPlugins(follow),
		mysqldriver.WithDialer(cluster.DialContext), mysqldriver.WithResolver(cluster)) // the lab's network and DNS
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close() //nolint:errcheck // an example
	var readOnly bool
	var unused, cipher string
	if err := db.QueryRow("select @@innodb_read_only").Scan(&readOnly); err != nil {
		log.Fatal(err)
	}
	if err := db.QueryRow("show status like 'Ssl_cipher'").Scan(&unused, &cipher); err != nil {
		log.Fatal(err)
	}
	fmt.Println("reader:", readOnly)
	fmt.Println("encrypted:", strings.HasPrefix(cipher, "TLS_"))
	// Output:
	// reader: true
	// encrypted: true
}

// What every connection needs, also those that are opened after a failover.
func ExampleWithOnConnect() {
	cluster, err := lab.Start(lab.Options{Flavor: lab.AuroraMySQL}) // instead of a real one
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg, err := mysql.ParseDSN(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	connector, err := mysqldriver.NewConnector(cfg,
		mysqldriver.WithOnConnect(func(ctx context.Context, conn driver.Conn) error {
			_, err := conn.(driver.ExecerContext).ExecContext(ctx, "set @tenant = 'blue'", nil)
			return err
		}),
		mysqldriver.WithDialer(cluster.DialContext), mysqldriver.WithResolver(cluster)) // the lab's network and DNS
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close() //nolint:errcheck // an example
	var tenant string
	err = db.QueryRow("select @tenant").Scan(&tenant)
	fmt.Println(tenant, err)
	// Output:
	// blue <nil>
}

// The driver's own results, and what else its connection can do, are reached
// through sql.Conn.Raw.
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
		c, ok := mysqldriver.Unwrap(driverConn)
		if !ok {
			return errors.New("not a connection of mysqldriver")
		}
		execer := c.(driver.ExecerContext)
		if _, err := execer.ExecContext(ctx, "create table points (id int auto_increment primary key, x int)", nil); err != nil {
			return err
		}
		result, err := execer.ExecContext(ctx, "insert into points (x) values (10), (20)", nil)
		if err != nil {
			return err
		}
		ids := result.(mysql.Result).AllLastInsertIds()
		fmt.Println(len(ids), "statement, the first id is", ids[0])
		return nil
	})
	fmt.Println(err)
	// Output:
	// 1 statement, the first id is 1
	// <nil>
}
