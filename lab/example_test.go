package lab_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/lab"
)

// An unmodified pgx under database/sql writes, loses its writer, and follows the cluster endpoint to the next one.
func Example() {
	cluster, err := lab.Start(lab.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()

	cfg, err := pgx.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	cfg.DialFunc, cfg.LookupFunc = cluster.DialContext, cluster.LookupHost
	db := stdlib.OpenDB(*cfg)
	defer db.Close()

	if _, err := db.Exec("create table orders (id serial primary key, item text)"); err != nil {
		log.Fatal(err)
	}
	insert := func(item string) (host string, err error) {
		err = db.QueryRow("insert into orders (item) values ($1) returning aurora_db_instance_identifier()", item).Scan(&host)
		return host, err
	}
	host, err := insert("book")
	fmt.Println("written by", host, err)

	<-cluster.Failover(lab.FailoverOptions{}) // the writer crashes, a reader is promoted

	for host, err = insert("lamp"); err != nil; host, err = insert("lamp") {
	}
	fmt.Println("written by", host)
	fmt.Println(len(cluster.Rows("orders")), "rows")
	// Output:
	// written by mydb-1 <nil>
	// written by mydb-2
	// 2 rows
}

// An unmodified go-sql-driver, and a MySQL cluster.
func Example_mySQL() {
	cluster, err := lab.Start(lab.Options{Flavor: lab.AuroraMySQL})
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()

	cfg, err := mysql.ParseDSN(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	cfg.DialFunc = cluster.DialContext
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if _, err := db.Exec("create table orders (id int auto_increment primary key, item varchar(20))"); err != nil {
		log.Fatal(err)
	}

	cluster.Writer().OnStatement(func(s lab.Statement) lab.Fate {
		if strings.HasPrefix(s.SQL, "insert") {
			return lab.Fail("1213", "Deadlock found when trying to get lock")
		}
		return lab.Run()
	})
	_, err = db.Exec("insert into orders (item) values (?)", "book")
	fmt.Println(err)

	if err := cluster.Promote("mydb-2", lab.PromoteOptions{}); err != nil { // the connection still leads to mydb-1
		log.Fatal(err)
	}
	var host string
	var readOnly bool
	if err := db.QueryRow("select @@aurora_server_id, @@innodb_read_only").Scan(&host, &readOnly); err != nil {
		log.Fatal(err)
	}
	fmt.Println(host, "read-only:", readOnly)
	// Output:
	// Error 1213 (40001): Deadlock found when trying to get lock
	// mydb-1 read-only: true
}

// A statement is executed, but its answer never arrives: the test sees what the application makes of it.
func ExampleInstance_OnStatement() {
	cluster, err := lab.Start(lab.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg, err := pgxpool.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	cfg.ConnConfig.DialFunc, cfg.ConnConfig.LookupFunc = cluster.DialContext, cluster.LookupHost
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(context.Background(), "create table payments (amount int)"); err != nil {
		log.Fatal(err)
	}

	cluster.Writer().OnStatement(func(s lab.Statement) lab.Fate {
		if s.SQL == "insert into payments values ($1)" {
			return lab.CutAfter()
		}
		return lab.Run()
	})
	cluster.Writer().ResetStatements()
	_, err = pool.Exec(context.Background(), "insert into payments values ($1)", 100)
	fmt.Println("failed:", err != nil)
	fmt.Println("deliveries:", len(cluster.Writer().Statements()))
	fmt.Println("committed:", cluster.Rows("payments"))
	// Output:
	// failed: true
	// deliveries: 1
	// committed: [[100]]
}

// A host disappears without a word. Nothing but the context of the caller ends the call. In a testing/synctest
// bubble, with Network: lab.Memory, the timeout could as well be an hour.
func ExampleInstance_Vanish() {
	cluster, err := lab.Start(lab.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg, err := pgx.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	cfg.DialFunc, cfg.LookupFunc = cluster.DialContext, cluster.LookupHost
	db := sql.OpenDB(stdlib.GetConnector(*cfg))
	defer db.Close()
	if err := db.Ping(); err != nil {
		log.Fatal(err)
	}

	cluster.Writer().Vanish(lab.LosingRequests)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = db.ExecContext(ctx, "select 1")
	fmt.Println("timeout:", errors.Is(err, context.DeadlineExceeded))
	// Output:
	// timeout: true
}
