package syntax

import (
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// administration parses the statements about the session and the server.
func (p *parser) administration(keyword string) sql.Stmt {
	switch keyword {
	case "set":
		p.next()
		return p.set()
	case "show":
		p.next()
		return p.show()
	case "describe", "desc", "explain":
		p.next()
		if t := p.peek(); keyword == "explain" && (t.is("select") || !p.isName()) {
			p.unsupported("EXPLAIN")
		}
		return p.showColumns(p.table(), false)
	case "use":
		p.next()
		return Use{Database: p.name()}
	case "do":
		p.next()
		q := &sql.Select{}
		p.items(q)
		return Do{Query: q}
	case "kill":
		p.next()
		only := p.word("query")
		if !only {
			p.word("connection")
		}
		return Kill{StatementOnly: only, ID: p.selection()}
	case "analyze", "optimize", "flush", "grant", "revoke", "check", "repair", "unlock":
		return p.accept(strings.ToUpper(keyword))
	case "prepare", "execute", "deallocate", "call", "lock", "handler", "xa", "rename", "install", "uninstall", "reset", "change",
		"purge", "backup", "help", "signal", "resignal", "get", "import", "clone", "restart", "shutdown", "binlog", "cache":
		p.unsupported(strings.ToUpper(keyword))
	}
	p.fail()
	return nil
}

// selection takes a value as a query of it.
func (p *parser) selection() *sql.Select {
	return &sql.Select{Items: []sql.Item{{X: p.value(), Alias: "value"}}}
}

// set parses SET.
func (p *parser) set() sql.Stmt {
	if t, ok := p.setTransaction(); ok {
		return t
	}
	s := Set{}
	for {
		s.Assignments = append(s.Assignments, p.setOne()...)
		if !p.op(",") {
			return s
		}
	}
}

func (p *parser) setTransaction() (SetTransaction, bool) {
	mark := p.at
	s := SetTransaction{Scope: p.anyWord("global", "session", "local")}
	if s.Scope == "local" {
		s.Scope = "session"
	}
	if !p.word("transaction") {
		p.at = mark
		return s, false
	}
	for {
		switch {
		case p.word("isolation", "level"):
			switch {
			case p.word("serializable"):
				s.Isolation = "SERIALIZABLE"
			case p.word("repeatable", "read"):
				s.Isolation = "REPEATABLE-READ"
			case p.word("read", "committed"):
				s.Isolation = "READ-COMMITTED"
			case p.word("read", "uncommitted"):
				s.Isolation = "READ-UNCOMMITTED"
			default:
				p.fail()
			}
		case p.word("read", "only"), p.word("read", "write"):
			only := p.tokens[p.at-1].lower == "only"
			s.ReadOnly = &only
		default:
			p.fail()
		}
		if !p.op(",") {
			return s, true
		}
	}
}

// setOne takes one assignment, or NAMES and its kind, which are several.
func (p *parser) setOne() []Assignment {
	switch {
	case p.word("names"):
		return p.setNames()
	case p.word("character", "set"), p.word("charset"):
		charset := p.charsetName()
		return []Assignment{literal("character_set_client", charset), literal("character_set_results", charset)}
	case p.peek().is("password"), p.peek().is("role"), p.peek().is("default") && p.peekAt(1).is("role"):
		p.unsupported("SET " + strings.ToUpper(p.peek().text))
	}
	a := Assignment{}
	switch t := p.peek(); {
	case t.kind == userVariable:
		p.next()
		a.Scope, a.Name = "user", t.text
	case p.op("@@"):
		a.Scope, a.Name = p.scopedName()
	default:
		if a.Scope = p.anyWord("global", "session", "local", "persist", "persist_only"); a.Scope == "local" {
			a.Scope = "session"
		}
		a.Name = strings.ToLower(p.name())
		for p.op(".") { // a component's variable
			a.Name += "." + strings.ToLower(p.label())
		}
	}
	if !p.op("=") {
		p.expect(":=")
	}
	if a.Scope != "user" && p.word("default") {
		return []Assignment{a}
	}
	if t := p.peek(); a.Scope != "user" && t.kind == word && !p.peekAt(1).isOp("(") && bareValue(t.lower) {
		p.next()
		a.Query = &sql.Select{Items: []sql.Item{{X: sql.String{Text: t.text}, Alias: "value"}}}
		return []Assignment{a}
	}
	a.Query = p.selection()
	return []Assignment{a}
}

// bareValue reports whether a word is the value of a variable, as in SET sql_mode = ansi, rather than an expression.
func bareValue(word string) bool {
	switch word {
	case "null", "true", "false", "case", "not", "exists", "current_timestamp", "binary", "interval":
		return false
	}
	return true
}

func literal(name, text string) Assignment {
	return Assignment{Name: name, Query: &sql.Select{Items: []sql.Item{{X: sql.String{Text: text}, Alias: "value"}}}}
}

func (p *parser) charsetName() string {
	if p.peek().kind == text {
		return p.next().text
	}
	return p.label()
}

func (p *parser) setNames() []Assignment {
	charset := p.charsetName()
	list := []Assignment{literal("character_set_client", charset), literal("character_set_connection", charset),
		literal("character_set_results", charset)}
	if p.word("collate") {
		list = append(list, literal("collation_connection", p.charsetName()))
	}
	return list
}

// show parses SHOW.
func (p *parser) show() sql.Stmt {
	scope := p.anyWord("global", "session", "local")
	full := p.word("full")
	prefix := ""
	if scope == "global" {
		prefix = "global_"
	}
	switch {
	case p.word("variables"):
		return p.shown(prefix+"variables", "Variable_name")
	case p.word("status"):
		return p.shown(prefix+"status", "Variable_name")
	case p.word("replica", "status"), p.word("slave", "status"):
		name := p.tokens[p.at-2].lower + "_status"
		if p.word("for") {
			p.expectWord("channel")
			p.text()
		}
		return p.shown(name, "")
	case p.anyWord("tables") != "":
		return p.showTables(full)
	case p.anyWord("columns", "fields") != "":
		if p.anyWord("from", "in") == "" {
			p.fail()
		}
		table := p.table()
		if p.anyWord("from", "in") != "" {
			p.name()
		}
		return p.showColumns(table, full)
	case p.anyWord("databases", "schemas") != "":
		return p.shown("databases", "Database")
	case p.word("warnings"), p.word("errors"):
		_, _ = p.limit()
		return p.shown("warnings", "")
	case p.word("processlist"):
		return p.shown("processlist", "")
	case p.word("engines"), p.word("storage", "engines"):
		return p.shown("engines", "")
	case p.word("collation"):
		return p.shown("collation", "Collation")
	case p.word("character", "set"), p.word("charset"):
		return p.shown("character_set", "Charset")
	}
	if t := p.peek(); t.kind == word {
		p.unsupported("SHOW " + strings.ToUpper(t.text))
	}
	p.fail()
	return nil
}

// shown is SHOW of a view, with LIKE on the named column or WHERE.
func (p *parser) shown(view, likeColumn string) Show {
	q := &sql.Select{Items: []sql.Item{{X: sql.Star{}}}, From: []sql.From{{Table: sql.Name{Schema: ShowSchema, Name: view}}}}
	p.filter(q, likeColumn)
	return Show{Query: q}
}

func (p *parser) filter(q *sql.Select, likeColumn string) {
	switch {
	case likeColumn != "" && p.word("like"):
		q.Where = both(q.Where, sql.Like{X: sql.Column{Name: likeColumn}, Pattern: sql.String{Text: p.text()}, Fold: true})
	case p.word("where"):
		q.Where = both(q.Where, p.condition())
	}
}

// showTables is a query of information_schema.
func (p *parser) showTables(full bool) Show {
	schema := sql.Expr(sql.Call{Name: "database"})
	name := p.options.Database
	if p.anyWord("from", "in") != "" {
		name = p.name()
		schema = sql.String{Text: name}
	}
	q := &sql.Select{
		Items: []sql.Item{{X: sql.Column{Name: "table_name"}, Alias: "Tables_in_" + name}},
		From:  []sql.From{{Table: sql.Name{Schema: "information_schema", Name: "tables"}}},
		Where: sql.Binary{Op: "=", L: sql.Column{Name: "table_schema"}, R: schema},
	}
	if full {
		q.Items = append(q.Items, sql.Item{X: sql.Column{Name: "table_type"}, Alias: "Table_type"})
	}
	p.aliases = map[string]sql.Expr{"tables_in_" + strings.ToLower(name): sql.Column{Name: "table_name"}}
	p.filter(q, "table_name")
	p.aliases = nil
	first := true
	q.OrderBy = []sql.Order{{X: sql.Column{Name: "table_name"}, NullsFirst: &first}}
	return Show{Query: q}
}

// showColumns is a query of the view of columns of all tables.
func (p *parser) showColumns(table sql.Name, full bool) Show {
	_ = full // more columns about privileges and comments, which there are none of
	items := []sql.Item{}
	for _, name := range []string{"Field", "Type", "Null", "Key", "Default", "Extra"} {
		items = append(items, sql.Item{X: sql.Column{Name: name}, Alias: name})
	}
	q := &sql.Select{
		Items: items,
		From:  []sql.From{{Table: sql.Name{Schema: ShowSchema, Name: "columns"}}},
		Where: sql.Binary{Op: "=", L: sql.Column{Name: "Table"}, R: sql.String{Text: table.Name}},
	}
	p.filter(q, "Field")
	return Show{Query: q, Table: &table}
}
