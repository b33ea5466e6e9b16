// Package token has the tokens of SQL, and the cursor with which the parsers of the lab's two dialects read them. Each
// dialect has a lexer of its own.
package token

import "strings"

// Kind is what a token is.
type Kind uint8

// The kinds. Not every dialect has all of them.
const (
	End    Kind = iota // after the last token
	Word               // unquoted identifier or keyword
	Quoted             // "identifier" or `identifier`
	Number
	Text         // 'string'
	Bytes        // X'00ff' or 0x00ff, decoded
	Param        // $1 or ?
	UserVariable // @name
	Operator     // also punctuation
	Broken       // what cannot be a token: a syntax error once the parser gets there
)

// Token is the smallest part of a statement that means something.
type Token struct {
	Kind  Kind
	Text  string // what it says: of an identifier the name, of a literal the value
	Lower string // a word in lower case
	N     int    // how many parameters without a number there are up to it, in all of the source
	Pos   int    // byte offset of the first character
	Stop  int    // byte offset after the last one
}

// Is reports whether t is a keyword, which is given in lower case.
func (t Token) Is(keyword string) bool { return t.Kind == Word && t.Lower == keyword }

// IsOp reports whether t is an operator or punctuation.
func (t Token) IsOp(op string) bool { return t.Kind == Operator && t.Text == op }

// Words makes a set of words separated by white space.
func Words(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

// NumberEnd is the offset after the number that starts at an offset of source: digits, a fraction, and an exponent if it has
// digits.
func NumberEnd(source string, start int) int {
	at := digitsEnd(source, start)
	if at < len(source) && source[at] == '.' {
		at = digitsEnd(source, at+1)
	}
	if at == len(source) || source[at]|0x20 != 'e' {
		return at
	}
	exponent := at + 1
	if exponent < len(source) && (source[exponent] == '+' || source[exponent] == '-') {
		exponent++
	}
	if end := digitsEnd(source, exponent); end > exponent {
		return end
	}
	return at
}

func digitsEnd(source string, at int) int {
	for at < len(source) && IsDigit(source[at]) {
		at++
	}
	return at
}

// IsDigit reports whether c is a decimal digit.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }
