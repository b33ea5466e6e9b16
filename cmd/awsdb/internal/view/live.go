package view

import (
	"io"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

// liveEvery is the time between two frames.
const liveEvery = 100 * time.Millisecond

// Live shows the run on a terminal until done is closed. The user's wish to quit
// calls stop, which must lead to done being closed; the view stays until then.
func Live(source Source, done <-chan struct{}, stop func(), in io.Reader, out io.Writer) error {
	program := tea.NewProgram(&live{source: source, done: done, stop: stop},
		tea.WithInput(in), tea.WithOutput(out),
		tea.WithoutSignalHandler(), // signals end the run, and that ends the program
	)
	_, err := program.Run()
	return err
}

// live is the bubbletea model.
type live struct {
	source Source
	done   <-chan struct{}
	stop   func()

	width, height int
	stopping      bool
	snapshot      demo.Snapshot
	events        []demo.Event // all so far
}

type (
	frame    struct{} // it is time to look again
	finished struct{} // the run is over
)

// Init implements tea.Model.
func (l *live) Init() tea.Cmd {
	return tea.Batch(nextFrame(), func() tea.Msg {
		<-l.done
		return finished{}
	})
}

func nextFrame() tea.Cmd { return tea.Tick(liveEvery, func(time.Time) tea.Msg { return frame{} }) }

// Update implements tea.Model.
func (l *live) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch m := message.(type) {
	case tea.WindowSizeMsg:
		l.width, l.height = m.Width, m.Height
	case tea.KeyPressMsg:
		if key := m.String(); key == "q" || key == "ctrl+c" || key == "esc" {
			l.stopping = true
			l.stop()
		}
	case frame:
		l.look()
		return l, nextFrame()
	case finished:
		return l, tea.Quit
	}
	return l, nil
}

func (l *live) look() {
	l.snapshot = l.source.Snapshot()
	l.events = append(l.events, l.source.Events(len(l.events))...)
}

// View implements tea.Model.
func (l *live) View() tea.View {
	v := tea.NewView(l.render())
	v.AltScreen = true
	v.WindowTitle = "awsdb demo"
	return v
}
