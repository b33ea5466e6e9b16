// Package syntax parses MySQL's SQL into the statements of the lab's engine, and into its own for what the engine does not
// know.
//
// The engine's expressions are typed and have truth values, MySQL's are neither strict nor true: the parser keeps
// conditions and values apart and converts one into the other where the place of an expression asks for it, so
// that WHERE 1 and SELECT a = b mean what they mean in MySQL. What MySQL's operators and functions do differently
// becomes a call of a function that package mysqlserver adds to the engine.
package syntax

import (
	"fmt"
	"strconv"
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// Options say how a session's SQL is read.
type Options struct {
	Database           string // the one in use, which names without a database are in
	Tables             string // the one that tables are in, and that their names come without; empty: names of databases mean nothing
	AnsiQuotes         bool   // sql_mode ANSI_QUOTES: "a" is an identifier
	PipesAsConcat      bool   // sql_mode PIPES_AS_CONCAT: || is not OR
	NoBackslashEscapes bool   // sql_mode NO_BACKSLASH_ESCAPES
	MariaDB            bool
	Version            int // as in /*!80039 … */; default 80039
	// Variables supplies the values of variables, as they are now; a statement that uses them is Volatile. nil: there are none.
	Variables Variables
}

// Variables are the values of variables as literals.
type Variables interface {
	User(name string) sql.Expr // Null for an unknown one
	// System is the value of @@name, @@session.name (scope "session") or @@global.name.
	System(scope, name string) (sql.Expr, error)
}

func (o Options) version() int {
	if o.Version == 0 {
		return 80039
	}
	return o.Version
}

// Statement is one statement of a string of statements.
type Statement struct {
	Stmt     sql.Stmt // of the engine, or one of this package
	SQL      string   // its own text, trimmed, without the semicolon
	Params   int      // how many placeholders it has
	Volatile bool     // it must be parsed again for another execution

	rest string // the source from its start
	line int
}

// Misplaced is the error that the statement should not be there.
func (s Statement) Misplaced() error { return syntaxError(s.rest, s.line) }

// Error is why a statement is not understood.
type Error struct {
	Number  uint16
	State   string
	Message string
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// nearSize is how much of a statement an error shows, bytes.
const nearSize = 80

func syntaxError(rest string, line int) *Error {
	return &Error{Number: 1064, State: "42000", Message: "You have an error in your SQL syntax; check the manual that corresponds to" +
		" your MySQL server version for the right syntax to use near '" + rest[:min(len(rest), nearSize)] + "' at line " + strconv.Itoa(line)}
}

// Parse parses a string of statements separated by semicolons. A string without any gives none. After an error, which is an
// *Error or one of Options.Variables, it gives the statements before it, too.
func Parse(source string, options Options) (statements []Statement, err error) {
	p := &parser{source: source, options: options}
	p.Cursor = token.Cursor{Tokens: lex(source, options), Reserved: reserved, Fail: p.fail, TooDeep: p.tooDeep}
	defer func() {
		if r := recover(); r != nil {
			failure, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = failure.err
		}
	}()
	for {
		for p.Op(";") {
		}
		first := p.Peek()
		if first.Kind == token.End {
			return statements, nil
		}
		s := Statement{rest: source[first.Pos:], line: p.line(first)}
		if p.At > 0 {
			p.params = p.Tokens[p.At-1].N
		}
		p.volatile = false
		s.Stmt = p.statement()
		last := p.Tokens[p.At-1]
		if p.Peek().Kind != token.End && !p.Op(";") {
			p.fail()
		}
		s.SQL, s.Params, s.Volatile = source[first.Pos:last.Stop], last.N-p.params, p.volatile
		statements = append(statements, s)
	}
}

// failure is what the parser panics with.
type failure struct{ err error }

// parser reads tokens front to back. Its methods panic with a failure on an error; Parse recovers.
type parser struct {
	token.Cursor
	source   string
	options  Options
	params   int // how many placeholders there are before the statement
	volatile bool
	aliases  map[string]sql.Expr // of the select list, while HAVING is parsed
	newRow   string              // alias of the row to insert, while ON DUPLICATE KEY UPDATE is parsed
}

func (p *parser) line(t token.Token) int { return strings.Count(p.source[:t.Pos], "\n") + 1 }

// fail reports a syntax error at the current token.
func (p *parser) fail() {
	t := p.Peek()
	panic(failure{syntaxError(p.source[t.Pos:], p.line(t))})
}

func (p *parser) failf(number uint16, state, format string, args ...any) {
	panic(failure{&Error{Number: number, State: state, Message: fmt.Sprintf(format, args...)}})
}

func (p *parser) tooDeep() {
	p.failf(1436, "HY000", "Thread stack overrun: the statement is nested too deeply")
}

// unsupported refuses what MySQL understands and the lab does not.
func (p *parser) unsupported(what string) {
	p.failf(1235, "42000", "This version of MySQL doesn't yet support '%s' (the lab does not simulate it)", what)
}

// reserved are the words that cannot be an identifier without quotes.
var reserved = token.Words(`add all alter analyze and as asc before between both by call case change check collate
	column condition constraint continue convert create cross current_date current_time current_timestamp
	current_user cursor database databases default delayed delete desc describe distinct distinctrow div drop dual
	each else elseif enclosed escaped except exists explain false fetch for force foreign from fulltext generated
	grant group having high_priority if ignore in index infile inner inout insert intersect interval into is join key keys kill
	leading leave left like limit lines load localtime localtimestamp lock long loop low_priority match mod natural not
	null on optimize option or order outer outfile over partition primary procedure purge range read recursive
	references regexp release rename repeat replace require restrict return revoke right rlike schema
	schemas select separator set show spatial sql straight_join table terminated then to trailing trigger true undo
	union unique unlock unsigned update usage use using utc_date utc_time utc_timestamp values varying when where
	while window with write xor zerofill`)

// systemSchemas are the databases every server has. Names in them are not case-sensitive.
var systemSchemas = map[string]bool{"information_schema": true, "mysql": true, "performance_schema": true, "sys": true}

// IsSystemSchema reports whether every server has a database.
func IsSystemSchema(name string) bool { return systemSchemas[strings.ToLower(name)] }

// table takes the name of a table.
func (p *parser) table() sql.Name {
	n := sql.Name{Name: p.Name()}
	if p.Op(".") {
		n = sql.Name{Schema: n.Name, Name: p.Label()}
	} else if IsSystemSchema(p.options.Database) {
		n.Schema = p.options.Database
	}
	switch {
	case IsSystemSchema(n.Schema):
		return sql.Name{Schema: strings.ToLower(n.Schema), Name: strings.ToLower(n.Name)}
	case p.options.Tables == "" || n.Schema == p.options.Tables:
		n.Schema = ""
	}
	return n
}

// text takes a string literal.
func (p *parser) text() string {
	if p.Peek().Kind != token.Text {
		p.fail()
	}
	return p.Next().Text
}

// alias takes AS name, or a name or string without AS.
func (p *parser) alias() string {
	as := p.Word("as")
	if p.Peek().Kind == token.Text {
		return p.Next().Text
	}
	if as || p.IsName() {
		return p.Name()
	}
	return ""
}

// skipParentheses skips a balanced parenthesised part.
func (p *parser) skipParentheses() {
	p.Expect("(")
	for depth := 1; depth > 0; {
		switch t := p.Next(); {
		case t.Kind == token.End || t.Kind == token.Broken:
			p.fail()
		case t.IsOp("("):
			depth++
		case t.IsOp(")"):
			depth--
		}
	}
}

// statement parses one statement.
func (p *parser) statement() sql.Stmt {
	t := p.Peek()
	if t.IsOp("(") {
		return p.query()
	}
	if t.Kind != token.Word {
		p.fail()
	}
	switch t.Lower {
	case "select", "values", "with", "table":
		return p.query()
	case "insert", "replace":
		return p.insert()
	case "update":
		return p.update()
	case "delete":
		return p.delete()
	case "truncate":
		p.Next()
		p.Word("table")
		return &sql.Truncate{Tables: []sql.Name{p.table()}, Restart: true}
	case "load":
		return p.loadData()
	case "create":
		return p.create()
	case "drop":
		return p.drop()
	case "alter":
		return p.alter()
	case "begin", "start", "commit", "rollback", "savepoint", "release":
		return p.transaction()
	}
	return p.administration(t.Lower)
}
