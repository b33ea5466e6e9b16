package syntax

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	end    kind = iota
	word        // unquoted identifier or keyword
	quoted      // `identifier`
	number
	text         // 'string'
	bytes        // X'00ff' or 0x00ff, decoded
	param        // ?
	userVariable // @name
	operator     // also punctuation
	broken       // what cannot be a token: a syntax error once the parser gets there
)

type token struct {
	kind  kind
	text  string
	lower string // a word in lower case
	n     int    // of a parameter: which one, from 1, in all of the source
	pos   int    // byte offset of the first character
	stop  int    // byte offset after the last one
}

func (t token) is(keyword string) bool { return t.kind == word && t.lower == keyword }

func (t token) isOp(op string) bool { return t.kind == operator && t.text == op }

// lexer cuts source into tokens.
type lexer struct {
	source  string
	options Options
	pos     int
	params  int
	inHint  bool // inside /*! … */
	tokens  []token
}

// lex cuts source into tokens; the last one has kind end.
func lex(source string, options Options) []token {
	l := lexer{source: source, options: options}
	for {
		l.space()
		start := l.pos
		if start >= len(source) {
			l.add(end, "", start)
			return l.tokens
		}
		if !l.next() {
			l.pos = len(source)
			l.add(broken, source[start:], start)
		}
	}
}

func (l *lexer) add(k kind, text string, start int) {
	t := token{kind: k, text: text, pos: start, stop: l.pos, n: l.params}
	if k == word {
		t.lower = strings.ToLower(text)
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
		for isDigit(l.at(digits)) && digits-n < 6 {
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
			l.add(text, s, start)
		}
		return ok
	case c == '"' || c == '`':
		s, ok := l.enclosed(c)
		if ok {
			l.add(quoted, s, start)
		}
		return ok && s != ""
	case (c == 'x' || c == 'X') && l.at(1) == '\'':
		return l.hexLiteral(start)
	case (c == 'n' || c == 'N') && l.at(1) == '\'':
		l.pos++
		return l.next()
	case c == '0' && (l.at(1) == 'x' || l.at(1) == 'X') && isHex(l.at(2)):
		return l.hexNumber(start)
	case isDigit(c) && !l.wordOfDigits(), c == '.' && isDigit(l.at(1)) && !l.afterName():
		l.numberLiteral(start)
		return true
	case c == '?':
		l.pos++
		l.params++
		l.add(param, "", start)
		return true
	case c == '@' && l.at(1) != '@':
		return l.variable(start)
	case c == '@':
		l.pos += 2
		l.add(operator, "@@", start)
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
			l.add(operator, op, start)
			return true
		}
	}
	if strings.IndexByte("(),;.+-*/%<>=!^&|~:{}", l.source[start]) < 0 {
		return false
	}
	l.pos++
	l.add(operator, l.source[start:l.pos], start)
	return true
}

// afterName reports whether the last token is a name right before here, so that a dot belongs to it.
func (l *lexer) afterName() bool {
	if len(l.tokens) == 0 {
		return false
	}
	last := l.tokens[len(l.tokens)-1]
	return (last.kind == word || last.kind == quoted) && last.stop == l.pos
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
	l.add(bytes, string(decoded), start)
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
	l.add(bytes, string(decoded), start)
	return true
}

// wordOfDigits reports whether the digits here start a name, as in 2fa.
func (l *lexer) wordOfDigits() bool {
	n := 0
	for isDigit(l.at(n)) {
		n++
	}
	c := l.at(n)
	if c == 'e' || c == 'E' { // 1e5 and 1e-5 are numbers
		next := l.at(n + 1)
		return !isDigit(next) && next != '-' && next != '+'
	}
	return c != '.' && isWordPart(l.source[min(l.pos+n, len(l.source)):])
}

func (l *lexer) numberLiteral(start int) {
	digits := func() {
		for isDigit(l.at(0)) {
			l.pos++
		}
	}
	digits()
	if l.at(0) == '.' {
		l.pos++
		digits()
	}
	if c := l.at(0); c == 'e' || c == 'E' {
		mark := l.pos
		l.pos++
		if c := l.at(0); c == '+' || c == '-' {
			l.pos++
		}
		exponent := l.pos
		digits()
		if l.pos == exponent {
			l.pos = mark
		}
	}
	l.add(number, l.source[start:l.pos], start)
}

func (l *lexer) variable(start int) bool {
	l.pos++
	if c := l.at(0); c == '`' || c == '\'' || c == '"' {
		name, ok := l.enclosed(c)
		l.add(userVariable, strings.ToLower(name), start)
		return ok
	}
	from := l.pos
	for l.pos < len(l.source) && (l.at(0) == '.' || isWordPart(l.source[l.pos:])) {
		_, n := utf8.DecodeRuneInString(l.source[l.pos:])
		l.pos += n
	}
	l.add(userVariable, strings.ToLower(l.source[from:l.pos]), start)
	return l.pos > from
}

func (l *lexer) word(start int) {
	for l.pos < len(l.source) && isWordPart(l.source[l.pos:]) {
		_, n := utf8.DecodeRuneInString(l.source[l.pos:])
		l.pos += n
	}
	l.add(word, l.source[start:l.pos], start)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isWordPart(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '_' || r == '$' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
