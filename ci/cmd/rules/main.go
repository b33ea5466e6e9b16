// Command rules prints every violation of the house rules in the workspace
// around the current folder, and fails when there is one.
package main

import (
	"fmt"
	"os"

	"github.com/awsdb/awsdb/ci/internal/rules"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func main() {
	violations, err := check()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(2)
	}
	for _, violation := range violations {
		fmt.Println(violation)
	}
	if len(violations) > 0 {
		os.Exit(1)
	}
}

func check() ([]string, error) {
	root, err := workspace.Find(".")
	if err != nil {
		return nil, err
	}
	work, err := workspace.Load(root)
	if err != nil {
		return nil, err
	}
	return rules.Check(work)
}
