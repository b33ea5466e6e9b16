package syntax

import (
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// Parsed is one statement of a string of statements.
type Parsed struct {
	Stmt Stmt
	SQL  string // its own text, trimmed, without the semicolon
}

// Parse parses a string of statements separated by semicolons. A string without any gives none. Errors are *Error.
func Parse(sql string) (statements []Parsed, err error) {
	tokens, err := lex(sql)
	if err != nil {
		return nil, err
	}
	p := &parser{source: sql}
	p.Cursor = token.Cursor{Tokens: tokens, Reserved: reserved, Fail: p.fail, TooDeep: p.tooDeep}
	defer func() {
		if r := recover(); r != nil {
			failure, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			statements, err = nil, failure
		}
	}()
	for {
		for p.Op(";") {
		}
		if p.Peek().Kind == token.End {
			return statements, nil
		}
		start := p.Peek().Pos
		statement := p.statement()
		stop := p.Tokens[p.At-1].Stop
		if p.Peek().Kind != token.End && !p.Op(";") {
			p.fail()
		}
		statements = append(statements, Parsed{Stmt: statement, SQL: sql[start:stop]})
	}
}

// parser reads tokens front to back. Its methods panic with *Error on a syntax error; Parse recovers.
type parser struct {
	token.Cursor
	source string
}

// fail reports a syntax error at the current token.
func (p *parser) fail() {
	t := p.Peek()
	if t.Kind == token.End {
		panic(&Error{Code: "42601", Message: "syntax error at end of input", Position: t.Pos})
	}
	p.failf("42601", "syntax error at or near \"%s\"", p.source[t.Pos:t.Stop])
}

func (p *parser) failf(code, format string, args ...any) {
	panic(&Error{Code: code, Message: fmt.Sprintf(format, args...), Position: p.Peek().Pos})
}

func (p *parser) tooDeep() { p.failf("54001", "stack depth limit exceeded") }

// reserved are the words that cannot be an identifier or an alias without AS.
var reserved = token.Words(`all and any array as asc between by case cast check collate constraint create cross
	current_date current_timestamp current_user default delete desc distinct do else end except exists false fetch
	for foreign from full group having ilike in inner insert intersect into is isnull join left like limit natural not
	notnull null offset on or order outer primary references returning right select session_user set some table then to
	true union unique update user using values when where window with localtimestamp only operator`)

func (p *parser) qualified() Name {
	n := Name{Name: p.Name()}
	if p.Op(".") {
		n = Name{Schema: n.Name, Name: p.Label()}
		if p.Op(".") { // database.schema.table
			n = Name{Schema: n.Name, Name: p.Label()}
		}
	}
	if n.Schema == "public" {
		n.Schema = ""
	}
	return n
}

func (p *parser) alias() string {
	if p.Word("as") {
		return p.Label()
	}
	if p.IsName() {
		return p.Name()
	}
	return ""
}

// statement parses one statement.
func (p *parser) statement() Stmt {
	t := p.Peek()
	if t.IsOp("(") {
		return p.query()
	}
	if t.Kind != token.Word {
		p.fail()
	}
	switch t.Text {
	case "select", "values", "with":
		return p.query()
	case "insert":
		return p.insert()
	case "update":
		return p.update()
	case "delete":
		return p.delete()
	case "truncate":
		return p.truncate()
	case "copy":
		return p.copy()
	case "table":
		p.Next()
		return &Select{Items: []Item{{X: Star{}}}, From: []From{{Table: p.qualified()}}}
	case "create", "drop", "alter", "comment", "grant", "revoke", "analyze", "vacuum", "reindex":
		return p.definition()
	case "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release":
		return p.transaction()
	case "set", "reset", "show", "discard", "deallocate", "listen", "unlisten", "notify":
		return p.session()
	case "explain", "prepare", "execute", "declare", "fetch", "move", "close", "call", "do", "merge", "lock",
		"checkpoint", "cluster", "load", "import", "security", "reassign":
		p.Skip()
		return Unsupported{What: strings.ToUpper(t.Text)}
	}
	p.fail()
	return nil
}
