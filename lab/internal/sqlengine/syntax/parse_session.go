package syntax

import (
	"strings"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// transaction parses the statements that delimit transactions.
func (p *parser) transaction() Stmt {
	switch first := p.Next().Text; first {
	case "begin", "start":
		if first == "start" {
			p.ExpectWord("transaction")
		} else {
			_ = p.Word("work") || p.Word("transaction")
		}
		b := Begin{Start: first == "start", Options: map[string]string{}}
		b.ReadOnly = p.modes(b.Options)
		return b
	case "commit", "end":
		if p.Peek().Is("prepared") {
			p.failf("0A000", "two-phase commit is not supported")
		}
		return Commit{Chain: p.chain()}
	case "rollback", "abort":
		_ = p.Word("work") || p.Word("transaction")
		if p.Word("to") {
			p.Word("savepoint")
			return RollbackTo{Name: p.Name()}
		}
		if p.Peek().Is("prepared") {
			p.failf("0A000", "two-phase commit is not supported")
		}
		return Rollback{Chain: p.chain()}
	case "savepoint":
		return Savepoint{Name: p.Name()}
	default: // release
		p.Word("savepoint")
		return Release{Name: p.Name()}
	}
}

func (p *parser) chain() bool {
	_ = p.Word("work") || p.Word("transaction")
	if !p.Word("and") {
		return false
	}
	no := p.Word("no")
	p.ExpectWord("chain")
	return !no
}

// modes parses transaction modes into settings, and says whether READ ONLY or READ WRITE was among them.
func (p *parser) modes(options map[string]string) *bool {
	var readOnly *bool
	for {
		switch {
		case p.Word("isolation", "level"):
			level := ""
			switch {
			case p.Word("serializable"):
				level = "serializable"
			case p.Word("repeatable", "read"):
				level = "repeatable read"
			case p.Word("read", "committed"):
				level = "read committed"
			case p.Word("read", "uncommitted"):
				level = "read uncommitted"
			default:
				p.fail()
			}
			options["transaction_isolation"] = level
		case p.Word("read", "only"), p.Word("read", "write"):
			only := p.Tokens[p.At-1].Text == "only"
			readOnly = &only
		case p.Word("not", "deferrable"), p.Word("deferrable"):
		default:
			return readOnly
		}
		p.Op(",")
	}
}

// session parses the statements about the session.
func (p *parser) session() Stmt {
	switch p.Next().Text {
	case "set":
		return p.set()
	case "reset":
		if p.Word("all") {
			return Set{Reset: true}
		}
		return Set{Reset: true, Settings: []Setting{{Name: p.settingName(), Default: true}}}
	case "show":
		return Show{Name: p.settingName()}
	case "discard":
		what := p.AnyWord("all", "plans", "sequences", "temp", "temporary")
		if what == "" {
			p.fail()
		}
		return Discard{What: strings.ToUpper(what)}
	case "deallocate":
		p.Word("prepare")
		if p.Word("all") {
			return Deallocate{}
		}
		return Deallocate{Name: p.Name()}
	case "listen":
		return Listen{Channel: p.Name()}
	case "unlisten":
		if p.Op("*") {
			return Unlisten{}
		}
		return Unlisten{Channel: p.Name()}
	default: // notify
		n := Notify{Channel: p.Name()}
		if p.Op(",") {
			if p.Peek().Kind != token.Text {
				p.fail()
			}
			n.Payload = p.Next().Text
		}
		return n
	}
}

// settingName takes the name of a setting: dotted, TIME ZONE, TRANSACTION ISOLATION LEVEL, SESSION AUTHORIZATION, ALL.
func (p *parser) settingName() string {
	switch {
	case p.Word("time", "zone"):
		return "timezone"
	case p.Word("transaction", "isolation", "level"):
		return "transaction_isolation"
	case p.Word("session", "authorization"):
		return "session_authorization"
	}
	name := p.Label()
	for p.Op(".") {
		name += "." + p.Label()
	}
	return name
}

func (p *parser) set() Stmt {
	s := Set{}
	session := false
	switch {
	case p.Peek().Is("session") && !p.PeekAt(1).Is("authorization"):
		p.Next()
		session = true
	case p.Word("local"):
		s.Local = true
	}
	if characteristics := p.Word("characteristics", "as"); characteristics || p.Peek().Is("transaction") && !session {
		p.ExpectWord("transaction")
		s.Settings = p.transactionSettings(characteristics)
		s.Local = !characteristics
		return s
	}
	zone := p.Peek().Is("time")
	setting := Setting{Name: p.settingName()}
	if !p.Word("to") && !p.Op("=") && !zone && setting.Name != "role" && setting.Name != "names" {
		p.fail()
	}
	if p.Word("default") {
		setting.Default = true
	} else {
		setting.Value = p.settingValue()
	}
	s.Settings = []Setting{setting}
	return s
}

func (p *parser) transactionSettings(characteristics bool) []Setting {
	options := map[string]string{}
	readOnly := p.modes(options)
	prefix := ""
	if characteristics {
		prefix = "default_"
	}
	var list []Setting
	if level, ok := options["transaction_isolation"]; ok {
		list = append(list, Setting{Name: prefix + "transaction_isolation", Value: level})
	}
	if readOnly != nil {
		value := map[bool]string{true: "on", false: "off"}[*readOnly]
		list = append(list, Setting{Name: prefix + "transaction_read_only", Value: value})
	}
	if len(list) == 0 {
		p.fail()
	}
	return list
}

// settingValue takes a value or a list of values.
func (p *parser) settingValue() string {
	var values []string
	for {
		sign := ""
		if p.Op("-") {
			sign = "-"
		}
		t := p.Next()
		switch t.Kind {
		case token.End:
			p.fail()
		case token.Operator, token.Param:
			p.At--
			p.fail()
		}
		value := sign + t.Text
		if t.Kind == token.Number && p.Peek().Kind == token.Word && !reserved[p.Peek().Text] { // 5s without quotes is an error there, too
			p.fail()
		}
		values = append(values, value)
		if !p.Op(",") {
			return strings.Join(values, ", ")
		}
	}
}
