package scenarios

import (
	"sync/atomic"
	"testing"

	"github.com/awsdb/awsdb/lab"
)

// A connection that is lost after the login, while its host is asked what it is, is a host that was lost while
// connecting, and no answer: the next attempt is made, whatever the driver says.
func TestLostWhileVerified(t *testing.T) {
	for name, fate := range map[string]lab.Fate{"before": lab.CutBefore(), "after": lab.CutAfter(), "in a row": lab.CutAfterRows(0)} {
		virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
			questions := 0
			for lost := true; lost; {
				questions++
				lost = loseQuestion(t, c, questions, name, fate)
			}
			if questions < 3 {
				t.Errorf("a new connection's host is asked %d questions", questions-1)
			}
		})
	}
}

// loseQuestion opens two connections, the first of a handle and another one, and tells whether so many of the handle's
// questions were put that the nth could be lost.
func loseQuestion(t *testing.T, c *cluster, nth int, name string, fate lab.Fate) bool {
	t.Helper()
	p := open(t, c, c.Endpoint())
	p.SetMaxIdleConns(0)
	var asked atomic.Int64
	c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
		if s.User == watch || asked.Add(1) != int64(nth) {
			return lab.Run()
		}
		return fate
	})
	defer c.Writer().OnStatement(nil)
	for _, which := range []string{"first", "second"} {
		conn, err := p.Conn(t.Context())
		if err != nil {
			t.Errorf("%s connection, question %d lost %s: %v", which, nth, name, err)
			continue
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	return asked.Load() >= int64(nth)
}
