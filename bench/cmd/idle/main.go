// Command idle measures what idle connections cost: goroutines and heap, with
// the bare driver and with awsdb.
//
// The server is a simulated cluster in a process of its own, and every
// measurement is made by a fresh process: the program starts itself again for
// both.
package main

import (
	"cmp"
	"fmt"
	"os"
)

func main() {
	var err error
	switch role := cmp.Or(append(os.Args[1:], "")[0], "compare"); role {
	case "compare":
		err = compare()
	case "serve":
		err = serve()
	case "measure":
		err = measure(os.Args[2:])
	default:
		err = fmt.Errorf("unknown argument %q: want none", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}
