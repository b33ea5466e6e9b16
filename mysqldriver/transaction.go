package mysqldriver

import (
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

func init() { core.RegisterConflict(isConflict) }

// ER_LOCK_WAIT_TIMEOUT and ER_LOCK_DEADLOCK.
const (
	errLockWaitTimeout = 1205
	errDeadlock        = 1213
)

// isConflict tells that another transaction got the locks. After 1205 only the
// statement is undone, so that the transaction has to be rolled back first, as
// core.RunTx does.
func isConflict(err error) bool {
	var server *mysql.MySQLError
	return errors.As(err, &server) && (server.Number == errDeadlock || server.Number == errLockWaitTimeout)
}

// committing are the first words of the statements that commit the open
// transaction or end it (MySQL's manual, "Statements That Cause an Implicit
// Commit"), or may do anything: procedures, prepared statements of SQL's own, and
// MariaDB's compound statements. Some statements that begin with one of them do not.
var committing = map[string]bool{
	"alter": true, "analyze": true, "begin": true, "cache": true, "change": true, "check": true, "commit": true,
	"call": true, "case": true, "create": true, "drop": true, "execute": true, "flush": true, "for": true, "grant": true,
	"if": true, "import": true, "install": true, "lock": true, "loop": true, "repeat": true, "while": true,
	"optimize": true, "rename": true, "repair": true, "reset": true, "restart": true, "revoke": true, "rollback": true,
	"shutdown": true, "start": true, "stop": true, "truncate": true, "uninstall": true, "unlock": true, "xa": true,
}

// CommitsInParts implements core.ImplicitCommitter.
func (c *conn) CommitsInParts(query string) bool {
	statement, rest, more := strings.Cut(query, ";")
	if more && strings.TrimSpace(rest) != "" {
		return true
	}
	word, _ := firstWord(statement)
	return strings.EqualFold(word, "call") || strings.EqualFold(word, "execute")
}

// longest is the length of the longest of these words.
const longest = len("uninstall")

// CommitsImplicitly implements core.ImplicitCommitter. It looks at the first word
// of each part between semicolons, those in strings and comments included: that an
// outcome is called unknown too often is harmless.
func (c *conn) CommitsImplicitly(query string) bool {
	for statement := range strings.SplitSeq(query, ";") {
		if endsTransaction(statement) {
			return true
		}
	}
	return false
}

func endsTransaction(statement string) bool {
	word, rest := firstWord(statement)
	if len(word) > longest {
		return false
	}
	var lower [longest]byte // without allocating
	for i := range len(word) {
		lower[i] = word[i] | 0x20 // ASCII letters
	}
	switch string(lower[:len(word)]) {
	case "set":
		next, _ := firstWord(rest) // MariaDB has SET STATEMENT ... FOR another statement
		return strings.EqualFold(next, "statement") || containsFold(rest, "autocommit") || containsFold(rest, "password")
	case "load":
		next, _ := firstWord(rest)
		return strings.EqualFold(next, "index")
	case "rollback":
		next, _ := firstWord(rest)
		return !strings.EqualFold(next, "to") // a savepoint
	}
	return committing[string(lower[:len(word)])]
}

// firstWord skips space and comments. The text of /*! comments is executed, and that
// of /*M! comments by MariaDB.
func firstWord(s string) (word, rest string) {
	for {
		s = strings.TrimLeft(s, " \t\r\n\v\f(")
		switch {
		case strings.HasPrefix(s, "/*!"):
			s = strings.TrimLeft(s[len("/*!"):], "0123456789")
		case strings.HasPrefix(s, "/*M!"):
			s = strings.TrimLeft(s[len("/*M!"):], "0123456789")
		case strings.HasPrefix(s, "*/"): // of such a comment
			s = s[len("*/"):]
		case strings.HasPrefix(s, "/*"):
			_, s, _ = strings.Cut(s, "*/")
		case strings.HasPrefix(s, "--"), strings.HasPrefix(s, "#"):
			_, s, _ = strings.Cut(s, "\n")
		default:
			end := 0
			for end < len(s) && (s[end]|0x20 >= 'a' && s[end]|0x20 <= 'z') {
				end++
			}
			return s[:end], s[end:]
		}
	}
}

func containsFold(s, part string) bool { return strings.Contains(strings.ToLower(s), part) }
