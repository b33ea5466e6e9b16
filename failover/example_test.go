package failover_test

import (
	"fmt"
	"time"

	"github.com/awsdb/awsdb/failover"
)

// For a pool that shall read from replicas alone, each connection from the next of them. The
// plugin is for WithPlugins of the driver modules; give each handle one of its own.
func ExampleNew() {
	follow, err := failover.New(failover.Options{
		Mode:           failover.StrictReader,
		ReaderSelector: "round_robin",
		Timeout:        time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(follow.Code())
	// Output:
	// failover
}
