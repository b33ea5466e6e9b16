package lab_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/lab"
)

// Any SQL will do against real servers. Not run here: it needs PostgreSQL's server programs.
func ExampleStartReal() {
	cluster, err := lab.StartReal(context.Background(), lab.Options{TLS: lab.TLSRequired})
	if errors.Is(err, lab.ErrNotInstalled) {
		fmt.Println(err) // it says which package to install; a test would be skipped, or fail
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()

	cfg, err := pgx.ParseConfig(cluster.DSN(cluster.Endpoint())) // with verify-full
	if err != nil {
		log.Fatal(err)
	}
	cfg.DialFunc, cfg.LookupFunc = cluster.DialContext, cluster.LookupHost
	db := stdlib.OpenDB(*cfg)
	defer db.Close()

	cluster.Writer().Crash() // SIGKILL
	if err := cluster.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
		log.Fatal(err)
	}
	var host string
	query := "with recursive r(n) as (values (1) union all select n + 1 from r where n < 10) " +
		"select aurora_db_instance_identifier() from r limit 1"
	if err := db.QueryRow(query).Scan(&host); err != nil {
		log.Fatal(err)
	}
	fmt.Println(host) // mydb-2
}

// The same over MariaDB, with TLS for a driver that knows no ssl_ca.
func ExampleStartReal_mariaDB() {
	cluster, err := lab.StartReal(context.Background(), lab.Options{Flavor: lab.AuroraMySQL, TLS: lab.TLSRequired})
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()

	cfg, err := mysql.ParseDSN(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	delete(cfg.Params, "ssl_ca")
	cfg.TLS = &tls.Config{RootCAs: cluster.RootCAs(), ServerName: cluster.Endpoint()}
	cfg.DialFunc = cluster.DialContext
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()

	cluster.Writer().Freeze() // SIGSTOP
	if err := cluster.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
		log.Fatal(err)
	}
	var host string
	var total int
	query := "with recursive r as (select 1 as n union all select n + 1 from r where n < 10) select @@aurora_server_id, sum(n) from r"
	if err := db.QueryRow(query).Scan(&host, &total); err != nil {
		log.Fatal(err)
	}
	fmt.Println(host, total) // mydb-2 55
}
