// Command postgresql runs a PostgreSQL server for pgx's tests until its input
// ends. It prints the variable that tells them where it is, and an empty line.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/awsdb/awsdb/lab"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	cluster, err := lab.StartReal(context.Background(), lab.Options{Flavor: lab.PG, Instances: 1})
	if err != nil {
		return err
	}
	defer cluster.Close()
	host, port, err := net.SplitHostPort(cluster.Writer().ListenAddr())
	if err != nil {
		return err
	}
	fmt.Printf("PGX_TEST_DATABASE=host=%s port=%s user=app password=secret dbname=app sslmode=disable\n\n", host, port)
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return cluster.Err()
}
