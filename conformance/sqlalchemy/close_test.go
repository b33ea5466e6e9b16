package sqlalchemy

import (
	"testing"

	"github.com/awsdb/awsdb/core"
)

// TestCloseOrder: closing the *sql.DB is the whole shutdown. core.ReleaseResources may come before, after, not at all, or often. The
// bubble does not end while a goroutine is left, nor does the test pass while a server still has a client.
func TestCloseOrder(t *testing.T) {
	orders := map[string]func(t *testing.T, h session){
		"close alone": closeDB,
		"release before": func(t *testing.T, h session) {
			core.ReleaseResources()
			closeDB(t, h)
		},
		"release after": func(t *testing.T, h session) {
			closeDB(t, h)
			core.ReleaseResources()
		},
		"both twice": func(t *testing.T, h session) {
			for range 2 {
				closeDB(t, h)
				core.ReleaseResources()
			}
		},
	}
	for name, end := range orders {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, s *stage) {
				h := s.create(t, plugins, "cluster_id=close-order")
				s.works(t, h)
				begun := s.Writer().Connections()
				if begun < 2 {
					t.Errorf("%d connections: there is no monitor that could be left", begun)
				}
				end(t, h)
				none(t, s.Cluster)
				if err := h.Exec(t.Context(), "select 1"); err == nil {
					t.Error("a call after the end succeeds")
				}
				next, err := s.tryCreate(t, plugins, "cluster_id=close-order") // with the id of what has ended
				if err != nil {
					t.Fatal(err)
				}
				s.lands(t, next, "mydb-1")
			})
		})
	}
}

func closeDB(t *testing.T, h session) {
	t.Helper()
	if err := h.DB().Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
