package realmaria

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// A Statement is one execution that a server was asked for by a client. Preparing alone does not count; a statement that
// fails while it runs does.
type Statement struct {
	Time    time.Time // to the microsecond
	Session int64     // the connection's id, which begins anew with each life of the server
	User    string
	SQL     string // as the server got it, so after Proxy has changed it
	// Arguments are those bound to a prepared statement, as string, or nil for NULL: strings without quotes, anything
	// else as the server writes it.
	Arguments []any
}

// Statements returns what the instance received from clients since Start, oldest first, across restarts. The
// control plane's own statements are not among them.
func (c *Cluster) Statements(name string) ([]Statement, error) {
	var statements []Statement
	err := c.eachLog(name, func(entries []logEntry) { statements = append(statements, statementsOf(entries)...) })
	return statements, err
}

// Logins returns how many sessions of clients the instance has admitted since Start, across restarts. The control
// plane's are not among them.
func (c *Cluster) Logins(name string) (int, error) {
	logins := 0
	err := c.eachLog(name, func(entries []logEntry) { logins += loginsOf(entries) })
	return logins, err
}

// The server writes its log of statements into a table, the only form with the time to the microsecond. The table's file is one
// of ours, linked into the data directory: a new one for each life, as a crash leaves the table unusable.

// renewStatementLog gives a server that is down an empty log.
func (n *node) renewStatementLog(who realserver.Account, pristine string) error {
	n.lives++
	log := n.file(fmt.Sprintf("statements.%06d", n.lives))
	if err := realserver.WriteFile(who, log, "", 0o600); err != nil {
		return err
	}
	table := filepath.Join(n.data(), "mysql", "general_log")
	if err := os.Remove(table + ".CSV"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Link(log, table+".CSV"); err != nil {
		return err
	}
	state, err := os.ReadFile(filepath.Join(pristine, "mysql", "general_log.CSM"))
	if err != nil {
		return err
	}
	return realserver.WriteFile(who, table+".CSM", string(state), 0o600)
}

// eachLog reads the logs of an instance, one for each of its lives.
func (c *Cluster) eachLog(name string, use func([]logEntry)) error {
	n, err := c.find(name)
	if err != nil {
		return err
	}
	logs, err := filepath.Glob(n.file("statements.??????")) // in the order of their names
	if err != nil {
		return err
	}
	for _, log := range logs {
		content, err := os.ReadFile(log)
		if err != nil {
			return fmt.Errorf("realmaria: reading the statements of %s: %w", name, err)
		}
		use(parseLog(string(content)))
	}
	return nil
}

// A logEntry is a row of the table mysql.general_log.
type logEntry struct {
	time     time.Time
	user     string
	session  int64
	command  string
	argument string
}

// parseLog reads the file of a CSV table: text is in double quotes, with backslash escapes, and a row is a line. A row that is
// being written does not count.
func parseLog(text string) []logEntry {
	var entries []logEntry
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		fields := csvFields(strings.TrimSuffix(line, "\n"))
		if len(fields) != 6 {
			continue
		}
		at, err := time.Parse("2006-01-02 15:04:05.999999", fields[0])
		if err != nil {
			continue
		}
		session, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			continue
		}
		entries = append(entries, logEntry{time: at, user: userOf(fields[1]), session: session, command: fields[4], argument: fields[5]})
	}
	return entries
}

func csvFields(line string) []string {
	var fields []string
	for line != "" {
		value := ""
		if line[0] == '"' {
			length := 0
			value, length = unquote(line, true)
			line = line[length:]
		} else {
			end := strings.IndexByte(line+",", ',')
			value, line = line[:end], line[end:]
		}
		fields = append(fields, value)
		line = strings.TrimPrefix(line, ",")
	}
	return fields
}

// userOf returns who logged in from what the log calls a user: "grantee[user] @ host [address]", where the grantee's name is
// missing at first.
func userOf(text string) string {
	account, _, _ := strings.Cut(text, "] @ ")
	_, user, _ := strings.Cut(account, "[")
	return user
}

// fromClient says whether the entry is about an application's session, and not the control plane's or replication's.
func (e logEntry) fromClient() bool { return e.user != superuser && e.user != "" }

func loginsOf(entries []logEntry) int {
	logins := 0
	for _, e := range entries {
		if !e.fromClient() || e.command != "Connect" {
			continue
		}
		if strings.HasPrefix(e.argument, "Access denied for user ") { // a second entry for the same attempt
			logins--
		} else {
			logins++
		}
	}
	return logins
}

// statementsOf picks the executions. The entries of one session are in order, those of several are mixed.
func statementsOf(entries []logEntry) []Statement {
	var statements []Statement
	prepared := make(map[int64][]preparedText) // by session
	for _, e := range entries {
		if !e.fromClient() {
			continue
		}
		s := Statement{Time: e.time, Session: e.session, User: e.user, SQL: e.argument}
		switch e.command {
		case "Connect", "Quit":
			delete(prepared, e.session)
			continue
		case "Prepare":
			prepared[e.session] = append(prepared[e.session], parsePrepared(e.argument))
			continue
		case "Execute":
			s.SQL, s.Arguments = recognise(prepared[e.session], e.argument)
		case "Query":
		default:
			continue
		}
		statements = append(statements, s)
	}
	return statements
}
