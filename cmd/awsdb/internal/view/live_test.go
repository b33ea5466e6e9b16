package view

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

func crowded() *fake {
	f := &fake{}
	s := amid()
	for n := 4; n <= demo.MaxInstances; n++ {
		s.Instances = append(s.Instances, demo.Instance{ID: fmt.Sprintf("mydb-%d", n), Role: "reader", Believed: "reader", State: "ok", Connections: 99})
	}
	f.set(s)
	for n := range 30 {
		f.add(time.Duration(n)*time.Second, demo.FromPool, fmt.Sprintf("event %d %s", n, strings.Repeat("long ", 40)))
	}
	return f
}

func calm() *fake {
	f := &fake{}
	f.set(amid())
	f.add(11*time.Second, demo.FromCluster, "writer mydb-1 vanishes")
	f.add(12*time.Second, demo.FromPool, "searching for the writer")
	return f
}

func TestRenderFits(t *testing.T) {
	sources := map[string]*fake{"empty": {}, "calm": calm(), "crowded": crowded()}
	for name, source := range sources {
		for _, width := range []int{0, 1, 20, 60, 80, 120, 300} {
			for _, height := range []int{0, 1, 5, 24, 60} {
				l := &live{source: source, stop: func() {}}
				l.Update(tea.WindowSizeMsg{Width: width, Height: height})
				l.Update(frame{})
				screen := l.View().Content
				if screen == "" {
					continue
				}
				lines := strings.Split(screen, "\n")
				if len(lines) > max(height, 1) {
					t.Errorf("%s, %dx%d: %d lines", name, width, height, len(lines))
				}
				for _, line := range lines {
					if ansi.StringWidth(line) > width {
						t.Errorf("%s, %dx%d: %d columns: %q", name, width, height, ansi.StringWidth(line), line)
					}
				}
			}
		}
	}
}

func TestRender(t *testing.T) {
	l := &live{source: calm(), stop: func() {}}
	l.Update(tea.WindowSizeMsg{Width: 84, Height: 26})
	l.Update(frame{})
	want := `awsdb demo  failover 2 of 3: black hole
Endpoint       mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com
DNS leads to   mydb-1 (out of date)
Pool believes  writer is mydb-1 (out of date)  (topology 7)

Instance       role     pool believes  state        connections
mydb-1         reader   writer         black hole    13  ▪▪▪▪▪▪▪▪▪▪▪▪▪
mydb-2         writer   reader         ok             1  ▪
mydb-3         reader   reader         ok             1  ▪

Writes/s          60 ██▄··▁
Reads/s          125 ██▄·
Calls in flight    8 writes, 4 reads
Writes          5123 acknowledged, 4 repeated, 3 of unknown outcome (1 were done)
Errors         ErrFailoverSuccess 9, ErrTransactionResolutionUnknown 2

Events
 11.000  cluster   writer mydb-1 vanishes
 12.000  pool      searching for the writer

` + Caution + `
█████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 12 of 30 s  q quits`
	if diff := cmp.Diff(want, ansi.Strip(l.render())); diff != "" {
		t.Error(diff)
	}
}

// In a small window a large cluster is shortened, but never by what matters, and
// the latest events can be seen.
func TestRenderSmall(t *testing.T) {
	source := crowded()
	source.snapshot.Instances[11].State = "restarting"
	l := &live{source: source, stop: func() {}}
	l.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	l.Update(frame{})
	screen := ansi.Strip(l.render())
	for _, part := range []string{"black hole ", "mydb-2 ", "mydb-12 ", "and 12 more readers", "Writes/s", "event 27", "event 29", "q quits"} {
		if !strings.Contains(screen, part) {
			t.Errorf("%q is missing in\n%s", part, screen)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, test := range []struct {
		key   tea.KeyPressMsg
		stops bool
	}{
		{tea.KeyPressMsg{Code: 'q', Text: "q"}, true},
		{tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}, true},
		{tea.KeyPressMsg{Code: tea.KeyEscape}, true},
		{tea.KeyPressMsg{Code: 'x', Text: "x"}, false},
	} {
		stopped := false
		l := &live{source: calm(), stop: func() { stopped = true }}
		l.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
		_, command := l.Update(test.key)
		if stopped != test.stops || command != nil {
			t.Errorf("%s: stopped %t, command %v; the run must end before the view does", test.key, stopped, command)
		}
		if shown := strings.Contains(l.render(), "stopping…"); shown != test.stops {
			t.Errorf("%s: stopping is shown: %t", test.key, shown)
		}
	}
}

// The whole program, with a pipe for the keyboard: q stops the run, and the end
// of the run stops the view.
func TestLive(t *testing.T) {
	keyboard, typist := io.Pipe()
	done := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = typist.Write([]byte("q")) })
	err := Live(calm(), done, func() { once.Do(func() { close(done) }) }, keyboard, io.Discard)
	_ = keyboard.Close()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	default:
		t.Error("the view ended before the run")
	}
}
