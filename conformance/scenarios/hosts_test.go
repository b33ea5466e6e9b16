package scenarios

import (
	"strings"
	"testing"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/lab"
)

// PostgreSQL's connection strings may name several hosts: one that refuses at the very
// first use does not keep the others from being tried, neither by the monitor. The one that
// is named is used, whatever its role.
func TestFirstOfSeveralHostsRefuses(t *testing.T) {
	for _, f := range []frontend.Frontend{frontend.PostgreSQL, frontend.PGXPool} {
		t.Run(f.Name(), func(t *testing.T) {
			virtually(t, f, lab.Options{}, func(t *testing.T, c *cluster) {
				c.Instance("mydb-3").Refuse()
				first, second := c.Instance("mydb-3").Addr(), c.Instance("mydb-2").Addr()
				dsn := strings.Replace(c.DSN("first.invalid"), "first.invalid:5432", first+","+second, 1)
				p := openWith(t, c, frontend.Options{DSN: dsn})
				p.lands(t, "mydb-2")
			})
		})
	}
}
