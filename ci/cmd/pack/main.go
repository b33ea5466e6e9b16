// Command pack packs the modules of the workspace around the current folder
// for a file-system GOPROXY, or lists them.
//
//	pack -out DIR   packs each module as its own version and as the next patch
//	                version; use it with GOPROXY=file://DIR
//	pack -list      prints the modules' folders, dependencies first
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/awsdb/awsdb/ci/internal/pack"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func main() {
	out := flag.String("out", "", "the folder to pack into, made if missing")
	list := flag.Bool("list", false, "print the modules' folders, dependencies first")
	flag.Parse()
	if err := run(*out, *list); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(out string, list bool) error {
	root, err := workspace.Find(".")
	if err != nil {
		return err
	}
	work, err := workspace.Load(root)
	if err != nil {
		return err
	}
	switch {
	case list:
		for _, module := range work.Modules {
			fmt.Println(module.Folder)
		}
		return nil
	case out != "":
		return pack.Write(out, work)
	}
	return errors.New("say what to do: -out DIR or -list")
}
