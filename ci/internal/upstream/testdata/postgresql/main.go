// Command postgresql runs a PostgreSQL server for public tests until its input
// ends, with a database of each name among its arguments. It prints where the
// server listens.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(databases []string) error {
	ctx := context.Background()
	cluster, err := lab.StartReal(ctx, lab.Options{Flavor: lab.PG, Instances: 1, User: "gotest"})
	if err != nil {
		return err
	}
	defer cluster.Close()
	statements := []string{
		"alter role gotest createrole",
		"grant pg_signal_backend to gotest",
		// golang-migrate's tests have this user and its database in their SQL.
		"create role postgres login createdb createrole password 'postgres'",
		"alter database postgres owner to postgres",
		"grant postgres to gotest",
	}
	for _, database := range databases {
		statements = append(statements, "create database "+pgx.Identifier{database}.Sanitize()+" owner gotest")
	}
	for _, statement := range statements {
		if err := cluster.AdminExec(ctx, cluster.Writer().ID(), statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	fmt.Println(cluster.Writer().ListenAddr())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return cluster.Err()
}
