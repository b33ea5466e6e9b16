package syntax

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// lexer cuts source into tokens.
type lexer struct {
	source  string
	options Options
	pos     int
	params  int
	inHint  bool // inside /*! … */
	tokens  []token.Token
}

// lex cuts source into tokens; the last one has kind end.
func lex(source string, options Options) []token.Token {
	l := lexer{source: source, options: options}
	for {
		l.space()
		start := l.pos
		if start >= len(source) {
			l.add(token.End, "", start)
			return l.tokens
		}
		if !l.next() {
			l.pos = len(source)
			l.add(token.Broken, source[start:], start)
		}
	}
}

func (l *lexer) add(k token.Kind, text string, start int) {
	t := token.Token{Kind: k, Text: text, Pos: start, Stop: l.pos, N: l.params}
	if k == token.Word {
		t.Lower = strings.ToLower(text)
	}
	l.tokens = append(l.tokens, t)
}

func (l *lexer) has(prefix string) bool { return strings.HasPrefix(l.source[l.pos:], prefix) }

// at is the byte n further on, 0 beyond the end.
func (l *lexer) at(n int) byte {
	if l.pos+n < len(l.source) {
		return l.source[l.pos+n]
	}
	return 0
}

func isSpace(c byte) bool { return c != 0 && strings.IndexByte(" \t\n\r\f\v", c) >= 0 }

// space skips white space and comments. Comments do not nest; what is in /*! */ is no comment.
func (l *lexer) space() {
	for l.pos < len(l.source) {
		switch c := l.source[l.pos]; {
		case isSpace(c):
			l.pos++
		case c == '#', l.has("--") && (l.pos+2 == len(l.source) || l.at(2) <= ' '):
			if n := strings.IndexByte(l.source[l.pos:], '\n'); n >= 0 {
				l.pos += n + 1
			} else {
				l.pos = len(l.source)
			}
		case l.inHint && l.has("*/"):
			l.inHint = false
			l.pos += 2
		case l.has("/*"):
			if !l.comment() {
				return
			}
		default:
			return
		}
	}
}

// comment skips a comment, or the opening of one that is to be read; false: it does not end.
func (l *lexer) comment() bool {
	if l.has("/*!") || l.has("/*M!") {
		n := strings.IndexByte(l.source[l.pos:], '!') + 1
		digits := n
		for token.IsDigit(l.at(digits)) && digits-n < 6 {
			digits++
		}
		since, _ := strconv.Atoi(l.source[l.pos+n : l.pos+digits])
		mariadb := l.at(2) == 'M'
		if since <= l.options.version() && (!mariadb || l.options.MariaDB) {
			l.pos += digits
			l.inHint = true
			return true
		}
	}
	n := strings.Index(l.source[l.pos+2:], "*/")
	if n < 0 {
		return false
	}
	l.pos += n + 4
	return true
}

// operators are those of more than one character, longest first.
var operators = []string{"<=>", "->>", "<=", ">=", "<>", "!=", "&&", "||", "<<", ">>", ":=", "->"}

// next takes one token; false: there is none.
func (l *lexer) next() bool {
	start, c := l.pos, l.source[l.pos]
	switch {
	case l.has("/*"): // it does not end
		return false
	case c == '\'' || c == '"' && !l.options.AnsiQuotes:
		s, ok := l.stringLiteral()
		if ok {
			l.add(token.Text, s, start)
		}
		return ok
	case c == '"' || c == '`':
		s, ok := l.enclosed(c)
		if ok {
			l.add(token.Quoted, s, start)
		}
		return ok && s != ""
	case (c == 'x' || c == 'X') && l.at(1) == '\'':
		return l.hexLiteral(start)
	case (c == 'n' || c == 'N') && l.at(1) == '\'':
		l.pos++
		return l.next()
	case c == '0' && (l.at(1) == 'x' || l.at(1) == 'X') && isHex(l.at(2)):
		return l.hexNumber(start)
	case token.IsDigit(c) && !l.wordOfDigits(), c == '.' && token.IsDigit(l.at(1)) && !l.afterName():
		l.numberLiteral(start)
		return true
	case c == '?':
		l.pos++
		l.params++
		l.add(token.Param, "", start)
		return true
	case c == '@' && l.at(1) != '@':
		return l.variable(start)
	case c == '@':
		l.pos += 2
		l.add(token.Operator, "@@", start)
		return true
	case isWordPart(l.source[l.pos:]):
		l.word(start)
		return true
	}
	return l.operator(start)
}

func (l *lexer) operator(start int) bool {
	for _, op := range operators {
		if l.has(op) {
			l.pos += len(op)
			l.add(token.Operator, op, start)
			return true
		}
	}
	if strings.IndexByte("(),;.+-*/%<>=!^&|~:{}", l.source[start]) < 0 {
		return false
	}
	l.pos++
	l.add(token.Operator, l.source[start:l.pos], start)
	return true
}

// afterName reports whether the last token is a name right before here, so that a dot belongs to it.
func (l *lexer) afterName() bool {
	if len(l.tokens) == 0 {
		return false
	}
	last := l.tokens[len(l.tokens)-1]
	return (last.Kind == token.Word || last.Kind == token.Quoted) && last.Stop == l.pos
}

// stringLiteral takes a string and those that follow it.
func (l *lexer) stringLiteral() (string, bool) {
	var b strings.Builder
	for {
		quote := l.source[l.pos]
		l.pos++
		if !l.stringBody(&b, quote) {
			return "", false
		}
		mark, inHint := l.pos, l.inHint
		l.space()
		if next := l.at(0); next != '\'' && (next != '"' || l.options.AnsiQuotes) {
			l.pos, l.inHint = mark, inHint
			return b.String(), true
		}
	}
}

func (l *lexer) stringBody(b *strings.Builder, quote byte) bool {
	for l.pos < len(l.source) {
		c := l.source[l.pos]
		switch {
		case c == quote && l.at(1) == quote:
			b.WriteByte(quote)
			l.pos += 2
		case c == quote:
			l.pos++
			return true
		case c == '\\' && !l.options.NoBackslashEscapes && l.pos+1 < len(l.source):
			b.WriteString(Unescape(l.source[l.pos+1]))
			l.pos += 2
		default: // up to the next character that may mean something
			n := strings.IndexAny(l.source[l.pos+1:], quotes) + 1
			if n == 0 {
				return false
			}
			b.WriteString(l.source[l.pos : l.pos+n])
			l.pos += n
		}
	}
	return false
}

// quotes are the characters that mean something in some string.
const quotes = "'\"\\"

// Unescape is what a backslash and c stand for. \% and \_ keep their backslash, as they are for LIKE.
func Unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case 'b':
		return "\b"
	case '0':
		return "\x00"
	case 'Z':
		return "\x1a"
	case '%', '_':
		return `\` + string(c)
	}
	return string(rune(c))
}

// enclosed takes what is between two quotes, doubled ones standing for one.
func (l *lexer) enclosed(quote byte) (string, bool) {
	var b strings.Builder
	for l.pos++; l.pos < len(l.source); l.pos++ {
		if l.source[l.pos] != quote {
			b.WriteByte(l.source[l.pos])
			continue
		}
		if l.at(1) != quote {
			l.pos++
			return b.String(), true
		}
		b.WriteByte(quote)
		l.pos++
	}
	return "", false
}

func (l *lexer) hexLiteral(start int) bool {
	l.pos++
	s, ok := l.enclosed('\'')
	decoded, err := hex.DecodeString(s)
	if !ok || err != nil {
		return false
	}
	l.add(token.Bytes, string(decoded), start)
	return true
}

func (l *lexer) hexNumber(start int) bool {
	l.pos += 2
	for isHex(l.at(0)) {
		l.pos++
	}
	digits := l.source[start+2 : l.pos]
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	decoded, err := hex.DecodeString(digits)
	if err != nil {
		return false
	}
	l.add(token.Bytes, string(decoded), start)
	return true
}

// wordOfDigits reports whether the digits here start a name, as in 2fa.
func (l *lexer) wordOfDigits() bool {
	n := 0
	for token.IsDigit(l.at(n)) {
		n++
	}
	c := l.at(n)
	if c == 'e' || c == 'E' { // 1e5 and 1e-5 are numbers
		next := l.at(n + 1)
		return !token.IsDigit(next) && next != '-' && next != '+'
	}
	return c != '.' && isWordPart(l.source[min(l.pos+n, len(l.source)):])
}

func (l *lexer) numberLiteral(start int) {
	l.pos = token.NumberEnd(l.source, start)
	l.add(token.Number, l.source[start:l.pos], start)
}

func (l *lexer) variable(start int) bool {
	l.pos++
	if c := l.at(0); c == '`' || c == '\'' || c == '"' {
		name, ok := l.enclosed(c)
		l.add(token.UserVariable, strings.ToLower(name), start)
		return ok
	}
	from := l.pos
	for l.pos < len(l.source) && (l.at(0) == '.' || isWordPart(l.source[l.pos:])) {
		_, n := utf8.DecodeRuneInString(l.source[l.pos:])
		l.pos += n
	}
	l.add(token.UserVariable, strings.ToLower(l.source[from:l.pos]), start)
	return l.pos > from
}

func (l *lexer) word(start int) {
	for l.pos < len(l.source) && isWordPart(l.source[l.pos:]) {
		_, n := utf8.DecodeRuneInString(l.source[l.pos:])
		l.pos += n
	}
	l.add(token.Word, l.source[start:l.pos], start)
}

func isHex(c byte) bool { return token.IsDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isWordPart(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '_' || r == '$' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
