package syntax

import "strings"

// transaction parses the statements that delimit transactions.
func (p *parser) transaction() Stmt {
	switch first := p.next().text; first {
	case "begin", "start":
		if first == "start" {
			p.expectWord("transaction")
		} else {
			_ = p.word("work") || p.word("transaction")
		}
		b := Begin{Start: first == "start", Options: map[string]string{}}
		b.ReadOnly = p.modes(b.Options)
		return b
	case "commit", "end":
		if p.peek().is("prepared") {
			p.failf("0A000", "two-phase commit is not supported")
		}
		return Commit{Chain: p.chain()}
	case "rollback", "abort":
		_ = p.word("work") || p.word("transaction")
		if p.word("to") {
			p.word("savepoint")
			return RollbackTo{Name: p.name()}
		}
		if p.peek().is("prepared") {
			p.failf("0A000", "two-phase commit is not supported")
		}
		return Rollback{Chain: p.chain()}
	case "savepoint":
		return Savepoint{Name: p.name()}
	default: // release
		p.word("savepoint")
		return Release{Name: p.name()}
	}
}

func (p *parser) chain() bool {
	_ = p.word("work") || p.word("transaction")
	if !p.word("and") {
		return false
	}
	no := p.word("no")
	p.expectWord("chain")
	return !no
}

// modes parses transaction modes into settings, and says whether READ ONLY or READ WRITE was among them.
func (p *parser) modes(options map[string]string) *bool {
	var readOnly *bool
	for {
		switch {
		case p.word("isolation", "level"):
			level := ""
			switch {
			case p.word("serializable"):
				level = "serializable"
			case p.word("repeatable", "read"):
				level = "repeatable read"
			case p.word("read", "committed"):
				level = "read committed"
			case p.word("read", "uncommitted"):
				level = "read uncommitted"
			default:
				p.fail()
			}
			options["transaction_isolation"] = level
		case p.word("read", "only"), p.word("read", "write"):
			only := p.tokens[p.at-1].text == "only"
			readOnly = &only
		case p.word("not", "deferrable"), p.word("deferrable"):
		default:
			return readOnly
		}
		p.op(",")
	}
}

// session parses the statements about the session.
func (p *parser) session() Stmt {
	switch p.next().text {
	case "set":
		return p.set()
	case "reset":
		if p.word("all") {
			return Set{Reset: true}
		}
		return Set{Reset: true, Settings: []Setting{{Name: p.settingName(), Default: true}}}
	case "show":
		return Show{Name: p.settingName()}
	case "discard":
		what := p.anyWord("all", "plans", "sequences", "temp", "temporary")
		if what == "" {
			p.fail()
		}
		return Discard{What: strings.ToUpper(what)}
	case "deallocate":
		p.word("prepare")
		if p.word("all") {
			return Deallocate{}
		}
		return Deallocate{Name: p.name()}
	case "listen":
		return Listen{Channel: p.name()}
	case "unlisten":
		if p.op("*") {
			return Unlisten{}
		}
		return Unlisten{Channel: p.name()}
	default: // notify
		n := Notify{Channel: p.name()}
		if p.op(",") {
			if p.peek().kind != text {
				p.fail()
			}
			n.Payload = p.next().text
		}
		return n
	}
}

// settingName takes the name of a setting: dotted, TIME ZONE, TRANSACTION ISOLATION LEVEL, SESSION AUTHORIZATION, ALL.
func (p *parser) settingName() string {
	switch {
	case p.word("time", "zone"):
		return "timezone"
	case p.word("transaction", "isolation", "level"):
		return "transaction_isolation"
	case p.word("session", "authorization"):
		return "session_authorization"
	}
	name := p.label()
	for p.op(".") {
		name += "." + p.label()
	}
	return name
}

func (p *parser) set() Stmt {
	s := Set{}
	session := false
	switch {
	case p.peek().is("session") && !p.peekAt(1).is("authorization"):
		p.next()
		session = true
	case p.word("local"):
		s.Local = true
	}
	if characteristics := p.word("characteristics", "as"); characteristics || p.peek().is("transaction") && !session {
		p.expectWord("transaction")
		s.Settings = p.transactionSettings(characteristics)
		s.Local = !characteristics
		return s
	}
	zone := p.peek().is("time")
	setting := Setting{Name: p.settingName()}
	if !p.word("to") && !p.op("=") && !zone && setting.Name != "role" && setting.Name != "names" {
		p.fail()
	}
	if p.word("default") {
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
		if p.op("-") {
			sign = "-"
		}
		t := p.next()
		switch t.kind {
		case end:
			p.fail()
		case operator, param:
			p.at--
			p.fail()
		}
		value := sign + t.text
		if t.kind == number && p.peek().kind == word && !reserved[p.peek().text] { // 5s without quotes is an error there, too
			p.fail()
		}
		values = append(values, value)
		if !p.op(",") {
			return strings.Join(values, ", ")
		}
	}
}
