package syntax

import (
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// administration parses the statements about the session and the server.
func (p *parser) administration(keyword string) sql.Stmt {
	switch keyword {
	case "set":
		p.Next()
		return p.set()
	case "show":
		p.Next()
		return p.show()
	case "describe", "desc", "explain":
		p.Next()
		if t := p.Peek(); keyword == "explain" && (t.Is("select") || !p.IsName()) {
			p.unsupported("EXPLAIN")
		}
		return p.showColumns(p.table(), false)
	case "use":
		p.Next()
		return Use{Database: p.Name()}
	case "do":
		p.Next()
		q := &sql.Select{}
		p.items(q)
		return Do{Query: q}
	case "kill":
		p.Next()
		only := p.Word("query")
		if !only {
			p.Word("connection")
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
		if !p.Op(",") {
			return s
		}
	}
}

func (p *parser) setTransaction() (SetTransaction, bool) {
	mark := p.At
	s := SetTransaction{Scope: p.AnyWord("global", "session", "local")}
	if s.Scope == "local" {
		s.Scope = "session"
	}
	if !p.Word("transaction") {
		p.At = mark
		return s, false
	}
	for {
		switch {
		case p.Word("isolation", "level"):
			switch {
			case p.Word("serializable"):
				s.Isolation = "SERIALIZABLE"
			case p.Word("repeatable", "read"):
				s.Isolation = "REPEATABLE-READ"
			case p.Word("read", "committed"):
				s.Isolation = "READ-COMMITTED"
			case p.Word("read", "uncommitted"):
				s.Isolation = "READ-UNCOMMITTED"
			default:
				p.fail()
			}
		case p.Word("read", "only"), p.Word("read", "write"):
			only := p.Tokens[p.At-1].Lower == "only"
			s.ReadOnly = &only
		default:
			p.fail()
		}
		if !p.Op(",") {
			return s, true
		}
	}
}

// setOne takes one assignment, or NAMES and its kind, which are several.
func (p *parser) setOne() []Assignment {
	switch {
	case p.Word("names"):
		return p.setNames()
	case p.Word("character", "set"), p.Word("charset"):
		charset := p.charsetName()
		return []Assignment{literal("character_set_client", charset), literal("character_set_results", charset)}
	case p.Peek().Is("password"), p.Peek().Is("role"), p.Peek().Is("default") && p.PeekAt(1).Is("role"):
		p.unsupported("SET " + strings.ToUpper(p.Peek().Text))
	}
	a := Assignment{}
	switch t := p.Peek(); {
	case t.Kind == token.UserVariable:
		p.Next()
		a.Scope, a.Name = "user", t.Text
	case p.Op("@@"):
		a.Scope, a.Name = p.scopedName()
	default:
		if a.Scope = p.AnyWord("global", "session", "local", "persist", "persist_only"); a.Scope == "local" {
			a.Scope = "session"
		}
		a.Name = strings.ToLower(p.Name())
		for p.Op(".") { // a component's variable
			a.Name += "." + strings.ToLower(p.Label())
		}
	}
	if !p.Op("=") {
		p.Expect(":=")
	}
	if a.Scope != "user" && p.Word("default") {
		return []Assignment{a}
	}
	if t := p.Peek(); a.Scope != "user" && t.Kind == token.Word && !p.PeekAt(1).IsOp("(") && bareValue(t.Lower) {
		p.Next()
		a.Query = &sql.Select{Items: []sql.Item{{X: sql.String{Text: t.Text}, Alias: "value"}}}
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
	if p.Peek().Kind == token.Text {
		return p.Next().Text
	}
	return p.Label()
}

func (p *parser) setNames() []Assignment {
	charset := p.charsetName()
	list := []Assignment{literal("character_set_client", charset), literal("character_set_connection", charset),
		literal("character_set_results", charset)}
	if p.Word("collate") {
		list = append(list, literal("collation_connection", p.charsetName()))
	}
	return list
}

// show parses SHOW.
func (p *parser) show() sql.Stmt {
	scope := p.AnyWord("global", "session", "local")
	full := p.Word("full")
	prefix := ""
	if scope == "global" {
		prefix = "global_"
	}
	switch {
	case p.Word("variables"):
		return p.shown(prefix+"variables", "Variable_name")
	case p.Word("status"):
		return p.shown(prefix+"status", "Variable_name")
	case p.Word("replica", "status"), p.Word("slave", "status"):
		name := p.Tokens[p.At-2].Lower + "_status"
		if p.Word("for") {
			p.ExpectWord("channel")
			p.text()
		}
		return p.shown(name, "")
	case p.AnyWord("tables") != "":
		return p.showTables(full)
	case p.AnyWord("columns", "fields") != "":
		if p.AnyWord("from", "in") == "" {
			p.fail()
		}
		table := p.table()
		if p.AnyWord("from", "in") != "" {
			p.Name()
		}
		return p.showColumns(table, full)
	case p.AnyWord("databases", "schemas") != "":
		return p.shown("databases", "Database")
	case p.Word("warnings"), p.Word("errors"):
		_, _ = p.limit()
		return p.shown("warnings", "")
	case p.Word("processlist"):
		return p.shown("processlist", "")
	case p.Word("engines"), p.Word("storage", "engines"):
		return p.shown("engines", "")
	case p.Word("collation"):
		return p.shown("collation", "Collation")
	case p.Word("character", "set"), p.Word("charset"):
		return p.shown("character_set", "Charset")
	}
	if t := p.Peek(); t.Kind == token.Word {
		p.unsupported("SHOW " + strings.ToUpper(t.Text))
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
	case likeColumn != "" && p.Word("like"):
		q.Where = both(q.Where, sql.Like{X: sql.Column{Name: likeColumn}, Pattern: sql.String{Text: p.text()}, Fold: true})
	case p.Word("where"):
		q.Where = both(q.Where, p.condition())
	}
}

// showTables is a query of information_schema.
func (p *parser) showTables(full bool) Show {
	schema := sql.Expr(sql.Call{Name: "database"})
	name := p.options.Database
	if p.AnyWord("from", "in") != "" {
		name = p.Name()
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
