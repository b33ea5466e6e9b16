package syntax

import (
	"fmt"
	"strconv"
	"strings"
)

// Parsed is one statement of a string of statements.
type Parsed struct {
	Stmt Stmt
	SQL  string // its own text, trimmed, without the semicolon
}

// maxDepth bounds the nesting of expressions and queries, as max_stack_depth does in the real server.
const maxDepth = 200

// Parse parses a string of statements separated by semicolons. A string without any gives none. Errors are *Error.
func Parse(sql string) (statements []Parsed, err error) {
	tokens, err := lex(sql)
	if err != nil {
		return nil, err
	}
	p := &parser{source: sql, tokens: tokens}
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
		for p.op(";") {
		}
		if p.peek().kind == end {
			return statements, nil
		}
		start := p.peek().pos
		statement := p.statement()
		stop := p.tokens[p.at-1].stop
		if p.peek().kind != end && !p.op(";") {
			p.fail()
		}
		statements = append(statements, Parsed{Stmt: statement, SQL: sql[start:stop]})
	}
}

// parser reads tokens front to back. Its methods panic with *Error on a syntax error; Parse recovers.
type parser struct {
	source string
	tokens []token
	at     int
	depth  int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) peekAt(n int) token { return p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// fail reports a syntax error at the current token.
func (p *parser) fail() {
	t := p.peek()
	if t.kind == end {
		panic(&Error{Code: "42601", Message: "syntax error at end of input", Position: t.pos})
	}
	p.failf("42601", "syntax error at or near \"%s\"", p.source[t.pos:t.stop])
}

func (p *parser) failf(code, format string, args ...any) {
	panic(&Error{Code: code, Message: fmt.Sprintf(format, args...), Position: p.peek().pos})
}

// enter is called by everything recursive; use as defer p.enter()().
func (p *parser) enter() func() {
	p.depth++
	if p.depth > maxDepth {
		p.failf("54001", "stack depth limit exceeded")
	}
	return func() { p.depth-- }
}

func (t token) is(keyword string) bool { return t.kind == word && t.text == keyword }

func (t token) isOp(op string) bool { return t.kind == operator && t.text == op }

// word takes the keywords if they come next, all of them or none.
func (p *parser) word(keywords ...string) bool {
	for i, k := range keywords {
		if !p.peekAt(i).is(k) {
			return false
		}
	}
	p.at += len(keywords)
	return true
}

// anyWord takes one of the keywords and says which.
func (p *parser) anyWord(keywords ...string) string {
	for _, k := range keywords {
		if p.word(k) {
			return k
		}
	}
	return ""
}

func (p *parser) expectWord(keywords ...string) {
	for _, k := range keywords {
		if !p.word(k) {
			p.fail()
		}
	}
}

func (p *parser) op(op string) bool {
	if p.peek().isOp(op) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(op string) {
	if !p.op(op) {
		p.fail()
	}
}

// reserved are the words that cannot be an identifier or an alias without AS.
var reserved = wordSet(`all and any array as asc between by case cast check collate constraint create cross
	current_date current_timestamp current_user default delete desc distinct do else end except exists false fetch
	for foreign from full group having ilike in inner insert intersect into is isnull join left like limit natural not
	notnull null offset on or order outer primary references returning right select session_user set some table then to
	true union unique update user using values when where window with localtimestamp only operator`)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

func (p *parser) isName() bool {
	t := p.peek()
	return t.kind == quoted || t.kind == word && !reserved[t.text]
}

// name takes an identifier.
func (p *parser) name() string {
	if !p.isName() {
		p.fail()
	}
	return p.next().text
}

// label takes an identifier where every keyword is one too: after a dot, after AS.
func (p *parser) label() string {
	if k := p.peek().kind; k != quoted && k != word {
		p.fail()
	}
	return p.next().text
}

func (p *parser) qualified() Name {
	n := Name{Name: p.name()}
	if p.op(".") {
		n = Name{Schema: n.Name, Name: p.label()}
		if p.op(".") { // database.schema.table
			n = Name{Schema: n.Name, Name: p.label()}
		}
	}
	if n.Schema == "public" {
		n.Schema = ""
	}
	return n
}

// names takes (a, b, …).
func (p *parser) names() []string {
	p.expect("(")
	list := []string{p.name()}
	for p.op(",") {
		list = append(list, p.name())
	}
	p.expect(")")
	return list
}

func (p *parser) integer() int {
	t := p.peek()
	if t.kind != number {
		p.fail()
	}
	n, err := strconv.Atoi(t.text)
	if err != nil {
		p.fail()
	}
	p.next()
	return n
}

func (p *parser) alias() string {
	if p.word("as") {
		return p.label()
	}
	if p.isName() {
		return p.name()
	}
	return ""
}

// statement parses one statement.
func (p *parser) statement() Stmt {
	t := p.peek()
	if t.isOp("(") {
		return p.query()
	}
	if t.kind != word {
		p.fail()
	}
	switch t.text {
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
		p.next()
		return &Select{Items: []Item{{X: Star{}}}, From: []From{{Table: p.qualified()}}}
	case "create", "drop", "alter", "comment", "grant", "revoke", "analyze", "vacuum", "reindex":
		return p.definition()
	case "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release":
		return p.transaction()
	case "set", "reset", "show", "discard", "deallocate", "listen", "unlisten", "notify":
		return p.session()
	case "explain", "prepare", "execute", "declare", "fetch", "move", "close", "call", "do", "merge", "lock",
		"checkpoint", "cluster", "load", "import", "security", "reassign":
		p.skip()
		return Unsupported{What: strings.ToUpper(t.text)}
	}
	p.fail()
	return nil
}

// skip moves to the end of the statement.
func (p *parser) skip() {
	for p.peek().kind != end && !p.peek().isOp(";") {
		p.next()
	}
}
