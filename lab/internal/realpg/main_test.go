package realpg

import (
	"context"
	"testing"

	"github.com/awsdb/awsdb/lab/internal/realserver/servertest"
)

func TestMain(m *testing.M) {
	servertest.Main(m, func() ([]int, error) {
		c, err := Start(context.Background(), Options{Instances: 2})
		if err != nil {
			return nil, err
		}
		var ids []int
		for _, n := range c.nodes {
			ids = append(ids, n.server.Running().ID())
		}
		return ids, nil
	})
}
