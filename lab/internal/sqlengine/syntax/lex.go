package syntax

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// Error is a syntax error.
type Error struct {
	Code     string // SQLSTATE
	Message  string
	Position int // byte offset in the text
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

const operatorChars = "+-*/<>=~!@#%^&|`?"

// lex cuts source into tokens; the last one has kind end.
func lex(source string) ([]token.Token, error) {
	l := lexer{source: source}
	for {
		if err := l.space(); err != nil {
			return nil, err
		}
		if l.pos >= len(source) {
			l.add(token.End, "", len(source))
			return l.tokens, nil
		}
		if err := l.next(); err != nil {
			return nil, err
		}
	}
}

type lexer struct {
	source string
	pos    int
	tokens []token.Token
}

func (l *lexer) add(k token.Kind, text string, start int) {
	t := token.Token{Kind: k, Text: text, Pos: start, Stop: l.pos}
	if k == token.Word {
		t.Lower = text
	}
	l.tokens = append(l.tokens, t)
}

func (l *lexer) errorf(pos int, format string, args ...any) error {
	return &Error{Code: "42601", Message: fmt.Sprintf(format, args...), Position: pos}
}

func (l *lexer) rest(prefix string) bool { return strings.HasPrefix(l.source[l.pos:], prefix) }

// space skips white space and comments; /* */ nests.
func (l *lexer) space() error {
	for l.pos < len(l.source) {
		switch c := l.source[l.pos]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			l.pos++
		case l.rest("--"):
			if n := strings.IndexByte(l.source[l.pos:], '\n'); n >= 0 {
				l.pos += n + 1
			} else {
				l.pos = len(l.source)
			}
		case l.rest("/*"):
			if err := l.comment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) comment() error {
	start, depth := l.pos, 0
	for l.pos < len(l.source) {
		switch {
		case l.rest("/*"):
			depth++
			l.pos += 2
		case l.rest("*/"):
			depth--
			l.pos += 2
			if depth == 0 {
				return nil
			}
		default:
			l.pos++
		}
	}
	return l.errorf(start, "unterminated /* comment")
}

func (l *lexer) next() error {
	start, c := l.pos, l.source[l.pos]
	switch {
	case c == '\'':
		return l.stringLiteral(start, false)
	case (c == 'e' || c == 'E') && l.pos+1 < len(l.source) && l.source[l.pos+1] == '\'':
		l.pos++
		return l.stringLiteral(start, true)
	case c == '"':
		return l.quotedIdentifier(start)
	case c == '$':
		return l.dollar(start)
	case token.IsDigit(c), c == '.' && l.pos+1 < len(l.source) && token.IsDigit(l.source[l.pos+1]):
		l.numberLiteral(start)
		return nil
	case isWordStart(l.source[l.pos:]):
		l.word(start)
		return nil
	case strings.IndexByte("(),;[].", c) >= 0:
		l.pos++
	case l.rest("::"), l.rest(":="):
		l.pos += 2
	case c == ':':
		l.pos++
	case strings.IndexByte(operatorChars, c) >= 0:
		l.operator()
	default:
		r, _ := utf8.DecodeRuneInString(l.source[l.pos:])
		return l.errorf(start, "syntax error at or near %q", r)
	}
	l.add(token.Operator, l.source[start:l.pos], start)
	return nil
}

// operator takes the longest run of operator characters, by the rules of PostgreSQL: a comment ends it, and it does not
// end in + or - unless it has an unusual character.
func (l *lexer) operator() {
	start := l.pos
	for l.pos < len(l.source) && strings.IndexByte(operatorChars, l.source[l.pos]) >= 0 {
		if l.pos > start && (l.rest("--") || l.rest("/*")) {
			break
		}
		l.pos++
	}
	for l.pos-start > 1 && strings.IndexByte("+-", l.source[l.pos-1]) >= 0 &&
		!strings.ContainsAny(l.source[start:l.pos], "~!@#%^&|`?") {
		l.pos--
	}
}

func (l *lexer) stringLiteral(start int, escapes bool) error {
	var b strings.Builder
	l.pos++
	for l.pos < len(l.source) {
		c := l.source[l.pos]
		switch {
		case c == '\'' && l.rest("''"):
			b.WriteByte('\'')
			l.pos += 2
		case c == '\'':
			l.pos++
			l.add(token.Text, b.String(), start)
			return nil
		case c == '\\' && escapes && l.pos+1 < len(l.source):
			b.WriteByte(unescape(l.source[l.pos+1]))
			l.pos += 2
		default:
			b.WriteByte(c)
			l.pos++
		}
	}
	return l.errorf(start, "unterminated quoted string at or near \"%s\"", l.source[start:])
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	}
	return c
}

func (l *lexer) quotedIdentifier(start int) error {
	var b strings.Builder
	for l.pos++; l.pos < len(l.source); l.pos++ {
		if l.source[l.pos] != '"' {
			b.WriteByte(l.source[l.pos])
			continue
		}
		if !l.rest(`""`) {
			l.pos++
			if b.Len() == 0 {
				return l.errorf(start, `zero-length delimited identifier at or near """"`)
			}
			l.add(token.Quoted, b.String(), start)
			return nil
		}
		b.WriteByte('"')
		l.pos++
	}
	return l.errorf(start, "unterminated quoted identifier at or near \"%s\"", l.source[start:])
}

// dollar lexes $1 and $tag$string$tag$.
func (l *lexer) dollar(start int) error {
	l.pos++
	for l.pos < len(l.source) && token.IsDigit(l.source[l.pos]) {
		l.pos++
	}
	if l.pos > start+1 {
		l.add(token.Param, l.source[start+1:l.pos], start)
		return nil
	}
	for l.pos < len(l.source) && l.source[l.pos] != '$' && isWordPart(l.source[l.pos:]) {
		l.pos++
	}
	if l.pos >= len(l.source) || l.source[l.pos] != '$' {
		return l.errorf(start, `syntax error at or near "$"`)
	}
	l.pos++
	tag := l.source[start:l.pos]
	n := strings.Index(l.source[l.pos:], tag)
	if n < 0 {
		return l.errorf(start, "unterminated dollar-quoted string at or near \"%s\"", l.source[start:])
	}
	body := l.source[l.pos : l.pos+n]
	l.pos += n + len(tag)
	l.add(token.Text, body, start)
	return nil
}

func (l *lexer) numberLiteral(start int) {
	l.pos = token.NumberEnd(l.source, start)
	l.add(token.Number, l.source[start:l.pos], start)
}

func (l *lexer) word(start int) {
	for l.pos < len(l.source) && isWordPart(l.source[l.pos:]) {
		_, n := utf8.DecodeRuneInString(l.source[l.pos:])
		l.pos += n
	}
	l.add(token.Word, strings.ToLower(l.source[start:l.pos]), start)
}

func isWordStart(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '_' || unicode.IsLetter(r)
}

func isWordPart(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}
