package realmaria

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The template cache is the only thing that outlives a cluster, and it is to be built by this run's code at least once.
	cache, err := os.MkdirTemp("", "realmaria-test-cache-")
	if err != nil {
		panic(err)
	}
	if err := os.Setenv("XDG_CACHE_HOME", cache); err != nil {
		panic(err)
	}
	if os.Getenv(victimVariable) != "" {
		victim()
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(cache); err != nil && code == 0 {
			code = 1
		}
		os.Exit(code)
	}))
}
