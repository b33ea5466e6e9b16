// Package attempt finds the attempts to write something in what servers received:
// each attempt writes a tag of its own.
package attempt

import (
	"strings"

	"github.com/awsdb/awsdb/lab"
)

// Prefix is what tags begin with. A tag has no quote in it.
const Prefix = "attempt-"

// Of is the tag in a statement: in its arguments, or in its text if the driver or
// the server's log has put them there. "" if there is none.
func Of(s lab.Statement) string {
	for _, a := range s.Args {
		if text, ok := a.(string); ok && strings.HasPrefix(text, Prefix) {
			return text
		}
	}
	if _, rest, ok := strings.Cut(s.SQL, Prefix); ok {
		tag, _, _ := strings.Cut(rest, "'")
		return Prefix + tag
	}
	return ""
}
