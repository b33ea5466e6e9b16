package view

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

func TestPlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, done := &fake{}, make(chan struct{})
		source.set(demo.Snapshot{Elapsed: time.Second, DNS: "mydb-1"})
		source.add(time.Millisecond, demo.FromCluster, "3 instances are up")
		var out strings.Builder
		var err error
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			err = Plain(source, done, &out)
		}()
		time.Sleep(1050 * time.Millisecond)
		source.add(1050*time.Millisecond, demo.FromWorkload, "first write")
		source.set(amid())
		time.Sleep(time.Second)
		source.add(12*time.Second, demo.FromDemo, "the end")
		close(done)
		<-finished
		if err != nil {
			t.Fatal(err)
		}
		want := Caution + `
  0.001  cluster   3 instances are up
  1.000  status    pool's writer searching, dns mydb-1, 0 writes/s, 0 reads/s, in flight 0 and 0, errors: none
  1.050  workload  first write
 12.000  status    pool's writer mydb-1, dns mydb-1, 60 writes/s, 125 reads/s, in flight 8 and 4, errors: ErrFailoverSuccess 9, ErrTransactionResolutionUnknown 2
 12.000  demo      the end
`
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	})
}

// broken is an output that is gone after some writes, such as a pipe to head.
type broken struct{ left int }

var errGone = errors.New("gone")

func (b *broken) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, errGone
	}
	return len(p), nil
}

func TestPlainOutputGone(t *testing.T) {
	for left := range 3 {
		synctest.Test(t, func(t *testing.T) {
			source := &fake{}
			source.add(0, demo.FromDemo, "an event")
			if err := Plain(source, nil, &broken{left}); !errors.Is(err, errGone) {
				t.Errorf("after %d writes: %v", left, err)
			}
		})
	}
}
