package lab

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/awsdb/awsdb/lab/internal/fate"
	"github.com/awsdb/awsdb/lab/internal/gate"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// process is one life of an instance, from its start to its crash or the next restart: a wire server over the
// cluster's store. It is a sqlengine.Host; a dead one can commit nothing, whatever its sessions were about to
// do.
type process struct {
	*Instance
	server wireServer
	die    sync.Once
	dead   chan struct{} // closed by kill
}

func newProcess(i *Instance) *process {
	p := &process{Instance: i, dead: make(chan struct{})}
	p.server = newWireServer(p)
	return p
}

func (p *process) serve(conn *gate.Conn) { p.server.ServeConn(conn) }

func (p *process) drop() { p.server.Terminate() }

func (p *process) crash() {
	p.kill()
	p.gate.Kill()
}

func (p *process) shutdown() {
	p.gate.Stop()
	p.drop()
}

func (p *process) freeze() { p.gate.Freeze() }

func (p *process) heal() { p.gate.Heal() }

func (p *process) restart() {
	p.replace(newProcess(p.Instance))
	p.kill()
	p.gate.Restart()
}

func (p *process) close() { p.kill() }

func (p *process) logins() int { return int(p.admitted.Load()) }

func (p *process) statements() []Statement {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.Instance.statements)
}

func (p *process) kill() { p.die.Do(func() { close(p.dead) }) }

func (p *process) isDead() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// Writable implements sqlengine.Host.
func (p *process) Writable() bool { return !p.isDead() && p.Writer() }

// Status implements sqlengine.Host.
func (p *process) Status() []sqlengine.InstanceStatus { return p.cluster.status(p.Instance) }

// Flavor implements sqlengine.Host.
func (p *process) Flavor() sqlengine.Flavor { return sqlengine.Flavor(p.cluster.options.Flavor) }

// login counts a login, or refuses it.
func (p *process) login(user string) error {
	p.mu.Lock()
	onLogin := p.onLogin
	p.mu.Unlock()
	if onLogin != nil {
		if err := onLogin(user); err != nil {
			var refused *LoginError
			if errors.As(err, &refused) {
				return p.server.failure(failure{refused.Code, refused.Message, true})
			}
			return err
		}
	}
	p.admitted.Add(1)
	return nil
}

// statement records a statement and decides its fate.
func (p *process) statement(s fate.Statement) fate.Fate {
	p.gate.Thawed(p.dead) // it may have been read, in a batch, before the process froze
	if p.isDead() {
		return fate.CutBefore()
	}
	received := Statement{
		Conn: s.Conn, User: s.User, SQL: s.SQL, Args: s.Args, InTx: s.InTx, Writer: s.Writable, At: s.At,
	}
	if received.At.IsZero() {
		received.At = time.Now()
	}
	p.mu.Lock()
	index := len(p.Instance.statements)
	p.Instance.statements = append(p.Instance.statements, received)
	onStatement := p.onStatement
	p.mu.Unlock()
	var decided Fate
	if onStatement != nil {
		decided = onStatement(received)
		p.gate.Thawed(p.dead)
	}
	if p.isDead() {
		decided = CutBefore()
	}
	if decided.runs() {
		p.mu.Lock()
		if index < len(p.Instance.statements) && p.Instance.statements[index].At.Equal(received.At) {
			p.Instance.statements[index].Ran = true
		}
		p.mu.Unlock()
	}
	if decided.fate.Action == fate.ActionFail {
		decided.fate.Err = p.server.failure(decided.failure)
	}
	return decided.fate
}
