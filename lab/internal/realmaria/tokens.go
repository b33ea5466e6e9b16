package realmaria

import (
	"iter"
	"strings"
)

type tokenKind int

const (
	wordToken   tokenKind = iota // a keyword, an identifier in backquotes or not, a number
	stringToken                  // in single or double quotes
	symbolToken                  // @@, or one other character
)

// A token is a part of a statement; white space and comments are between tokens.
type token struct {
	kind       tokenKind
	start, end int    // where it stands in the text
	value      string // without quotes; words in lower case
}

func (t token) is(kind tokenKind, value string) bool { return t.kind == kind && t.value == value }

// tokens takes a statement apart as a server does with the default sql_mode. It takes every text: what is not closed
// ends with the text.
func tokens(sql string) iter.Seq[token] {
	return func(yield func(token) bool) {
		for position := 0; position < len(sql); {
			if length := skipped(sql[position:]); length > 0 {
				position += length
				continue
			}
			t := tokenAt(sql, position)
			position = t.end
			if !yield(t) {
				return
			}
		}
	}
}

// skipped is the length of the white space or comment that text begins with.
func skipped(text string) int {
	switch {
	case strings.ContainsRune(" \t\r\n\f\v", rune(text[0])):
		return 1
	case text[0] == '#', strings.HasPrefix(text, "--") && (len(text) == 2 || text[2] <= ' '):
		if end := strings.IndexByte(text, '\n'); end >= 0 {
			return end + 1
		}
		return len(text)
	case strings.HasPrefix(text, "/*"):
		if end := strings.Index(text[2:], "*/"); end >= 0 {
			return 2 + end + 2
		}
		return len(text)
	}
	return 0
}

func tokenAt(sql string, start int) token {
	switch first := sql[start]; {
	case first == '\'' || first == '"':
		value, length := unquote(sql[start:], true)
		return token{stringToken, start, start + length, value}
	case first == '`':
		value, length := unquote(sql[start:], false)
		return token{wordToken, start, start + length, strings.ToLower(value)}
	case isWordByte(first):
		end := start
		for end < len(sql) && isWordByte(sql[end]) {
			end++
		}
		return token{wordToken, start, end, strings.ToLower(sql[start:end])}
	case strings.HasPrefix(sql[start:], "@@"):
		return token{symbolToken, start, start + 2, "@@"}
	}
	return token{symbolToken, start, start + 1, sql[start : start+1]}
}

func isWordByte(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b == '$' || b >= 0x80
}

// escapes are what a backslash makes of the character after it, where that is not the character itself.
var escapes = map[byte]byte{'0': 0, 'b': '\b', 'n': '\n', 'r': '\r', 't': '\t', 'Z': 26}

// unquote returns the value of the quoted text that text begins with, and the length of what stands for it. A quote that
// stands twice is one; backslashes count if they are escapes.
func unquote(text string, backslashes bool) (value string, length int) {
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && backslashes && i+1 < len(text):
			i++
			if special, ok := escapes[text[i]]; ok {
				b.WriteByte(special)
			} else {
				b.WriteByte(text[i])
			}
		case c == quote && i+1 < len(text) && text[i+1] == quote:
			i++
			b.WriteByte(quote)
		case c == quote:
			return b.String(), i + 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), len(text)
}
