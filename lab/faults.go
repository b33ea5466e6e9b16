package lab

import (
	"time"

	"github.com/awsdb/awsdb/lab/internal/gate"
)

// Loss says what a black hole does with requests already sent when it opens.
type Loss int

// The losses.
const (
	LosingRequests Loss = iota // they do not arrive, and are not executed unless Heal brings the network back
	LosingAnswers              // they are executed; their answers do not arrive
)

// Crash kills the instance's process: live connections are reset, what they had not committed is gone, new
// connections are refused until Restart. A real server gets SIGKILL.
func (i *Instance) Crash() {
	i.quiet()
	i.backend().crash()
}

// Vanish makes the host a black hole, without a reset or any other sign: nothing sent to it arrives, nothing
// comes from it, not even the end of a connection. Dials wait until their context ends, or 127 seconds, as
// Linux does. Requests the instance has received are executed; loss says what happens to those on their way.
// For a statement at hand that is not executed although it was received, let an OnStatement function return
// HangBefore.
func (i *Instance) Vanish(loss Loss) {
	i.quiet()
	if loss == LosingAnswers {
		i.gate.Vanish(gate.Answers)
		return
	}
	i.gate.Vanish(gate.Requests)
}

// Freeze stops the process, as SIGSTOP would: connects succeed, nothing is answered. A real server and all its
// children do get SIGSTOP.
func (i *Instance) Freeze() {
	i.quiet()
	i.backend().freeze()
}

// Refuse refuses new connections; live ones go on.
func (i *Instance) Refuse() { i.gate.Refuse() }

// ResetConnections resets all live connections; new ones are welcome.
func (i *Instance) ResetConnections() { i.gate.Reset() }

// Slow makes each answer take d longer; 0 ends it.
func (i *Instance) Slow(d time.Duration) { i.gate.Slow(d) }

// HangAfter lets n more bytes out on each connection, and then nothing: answers stop in the middle. With n = 0
// requests are executed and never answered. New connections get n bytes each, too.
func (i *Instance) HangAfter(n int) { i.gate.HangAfter(n) }

// Heal ends every fault but a dead process: connections go on where they were, and what was held back arrives.
// A real server that was the writer before the last Promote still thinks it is, but acknowledges no write any
// more; it becomes a reader with Restart.
func (i *Instance) Heal() {
	i.backend().heal()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.gate.Healthy() {
		i.quietSince = time.Time{}
	}
}

// Restart replaces the process by a new one, and ends every fault: connections of before are reset, new ones
// accepted. Its role is what the control plane says: a crashed writer that restarts before anybody else was
// promoted is still the writer. A real reader can only restart while the writer runs; it is back when Restart
// returns, and if its data have left the writer's history it is a new copy of the writer's.
func (i *Instance) Restart() { i.backend().restart() }

// Shutdown ends the process in an orderly way, as a planned restart does; new connections are refused until Restart.
// With PostgreSQL each session gets FATAL 57P01. With MySQL a running statement gets error 1053, and idle sessions are
// closed without a word; a real MariaDB closes all of them so.
func (i *Instance) Shutdown() {
	i.quiet()
	i.backend().shutdown()
}

// quiet notes the time, for the status rows: the others no longer hear of the instance.
func (i *Instance) quiet() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.quietSince.IsZero() {
		i.quietSince = time.Now()
	}
}
