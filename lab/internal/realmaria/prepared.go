package realmaria

import (
	"slices"
	"strings"
)

// The log has an execution of a prepared statement with its arguments in place of the question marks, and does not say
// which statement it was.

// A preparedText is a prepared statement: its text and the parts of it between the question marks.
type preparedText struct {
	sql   string
	parts []string
}

func parsePrepared(sql string) preparedText {
	p := preparedText{sql: sql}
	start := 0
	for t := range tokens(sql) {
		if t.is(symbolToken, "?") {
			p.parts = append(p.parts, sql[start:t.start])
			start = t.end
		}
	}
	p.parts = append(p.parts, sql[start:])
	return p
}

// recognise returns the statement, and the arguments, that an execution was of: the latest that fits. When none does, it
// returns what was executed.
func recognise(prepared []preparedText, executed string) (sql string, arguments []any) {
	for _, p := range slices.Backward(prepared) {
		if arguments, ok := p.match(executed); ok {
			return p.sql, arguments
		}
	}
	return executed, nil
}

// match returns the arguments with which the statement reads as executed.
func (p preparedText) match(executed string) (arguments []any, ok bool) {
	rest, ok := strings.CutPrefix(executed, p.parts[0])
	for _, part := range p.parts[1:] {
		if !ok {
			return nil, false
		}
		length := literalLength(rest)
		if length == 0 {
			return nil, false
		}
		arguments = append(arguments, literalValue(rest[:length]))
		rest, ok = strings.CutPrefix(rest[length:], part)
	}
	return arguments, ok && rest == ""
}

// literalLength is the length of the literal that text begins with: NULL, a number such as -1.5e-7, or a string, which
// may have a word before it that says of what kind it is.
func literalLength(text string) int {
	length := 0
	for length < len(text) && (isWordByte(text[length]) || strings.IndexByte("+-.", text[length]) >= 0) {
		length++
	}
	if length < len(text) && text[length] == '\'' {
		_, quoted := unquote(text[length:], true)
		length += quoted
	}
	return length
}

// literalValue is nil for NULL, the value of a string, and else the literal itself.
func literalValue(literal string) any {
	if strings.EqualFold(literal, "null") {
		return nil
	}
	if quote := strings.IndexByte(literal, '\''); quote >= 0 {
		value, _ := unquote(literal[quote:], true)
		return value
	}
	return literal
}
