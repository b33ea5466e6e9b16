// Command idle measures what idle connections cost: goroutines and heap, with
// the bare driver and with awsdb.
//
// The server is a simulated cluster in a process of its own, and every
// measurement is made by a fresh process: the program starts itself again for
// both.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/bench/internal/remote"
	"github.com/awsdb/awsdb/lab"
)

func main() {
	engine := flag.String("engine", database.PostgreSQL.Name, "kind of database: "+database.Names())
	flag.Parse()
	d, err := database.ByName(*engine)
	if err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(2)
	}
	switch role := cmp.Or(flag.Arg(0), "compare"); role {
	case "compare":
		err = compare(d)
	case "serve":
		err = serve(d)
	case "measure":
		err = measure(d, flag.Args()[1:])
	default:
		err = fmt.Errorf("unknown argument %q: want none", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

func serve(d database.Database) error {
	cluster, err := lab.Start(lab.Options{Flavor: d.Flavor})
	if err != nil {
		return err
	}
	return remote.Serve(cluster, (*lab.Instance).ListenAddr)
}
