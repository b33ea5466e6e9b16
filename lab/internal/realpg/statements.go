package realpg

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// logLinePrefix marks the first line of a log entry and has the fields of a Statement. The separator is a control character: the
// server replaces those in what a client calls itself.
const (
	logSeparator  = "\x1f"
	logLinePrefix = "awsdb" + logSeparator + "%n" + logSeparator + "%p" + logSeparator + "%u" + logSeparator + "%d" +
		logSeparator + "%a" + logSeparator
	logFields = 7 // of an entry: the mark, the five above, the message
)

// A Statement is one execution that a server was asked for by a client. Parsing and describing alone do not count; a
// statement that fails while it runs does.
type Statement struct {
	Time        time.Time // to the millisecond
	Process     int       // the server process of the session
	User        string
	Database    string
	Application string
	SQL         string
	Parameters  string // as the server prints them: $1 = 'a', $2 = NULL; empty if there are none
}

// Statements returns what the instance received from clients since Start, oldest first, across restarts. The
// control plane's own statements are not among them.
func (c *Cluster) Statements(name string) ([]Statement, error) {
	content, err := c.log(name)
	return parseLog(content), err
}

// Logins returns how many sessions of clients the instance has admitted since Start, across restarts. The control
// plane's are not among them.
func (c *Cluster) Logins(name string) (int, error) {
	content, err := c.log(name)
	return countLogins(content), err
}

func (c *Cluster) log(name string) (string, error) {
	n, err := c.find(name)
	if err != nil {
		return "", err
	}
	content, err := os.ReadFile(n.file("log"))
	if err != nil {
		return "", fmt.Errorf("realpg: reading the log of %s: %w", name, err)
	}
	return string(content), nil
}

func countLogins(text string) int {
	logins := 0
	for _, entry := range logEntries(text) {
		fields := strings.SplitN(entry, logSeparator, logFields)
		if len(fields) == logFields && fields[3] != superuser && strings.HasPrefix(fields[6], "LOG:  connection authorized: ") {
			logins++
		}
	}
	return logins
}

// parseLog picks the statements out of a server log. The entries of one session are in order, those of several are mixed.
func parseLog(text string) []Statement {
	var statements []Statement
	latest := make(map[int]int) // index into statements by server process, while its DETAIL entry may follow
	for _, entry := range logEntries(text) {
		fields := strings.SplitN(entry, logSeparator, logFields)
		if len(fields) < logFields {
			continue
		}
		process, err := strconv.Atoi(fields[2])
		if err != nil {
			continue
		}
		message := fields[6]
		if parameters, ok := strings.CutPrefix(message, "DETAIL:  parameters: "); ok {
			if i, ok := latest[process]; ok {
				statements[i].Parameters = parameters
			}
			continue
		}
		delete(latest, process)
		sql, ok := statementOf(message)
		if !ok {
			continue
		}
		latest[process] = len(statements)
		statements = append(statements, Statement{
			Time: epoch(fields[1]), Process: process, User: fields[3], Database: fields[4], Application: fields[5], SQL: sql,
		})
	}
	return statements
}

// logEntries joins the lines of each entry: the server indents the second and all further ones by one tab.
func logEntries(text string) []string {
	var entries []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "awsdb"+logSeparator) {
			entries = append(entries, line)
		} else if len(entries) > 0 {
			entries[len(entries)-1] += "\n" + strings.TrimPrefix(line, "\t")
		}
	}
	return entries
}

// statementOf returns the SQL of an entry that log_statement made: "statement: SQL" for the simple protocol,
// "execute NAME: SQL" for the extended one, where a portal may be named too ("execute NAME/PORTAL: SQL").
func statementOf(message string) (string, bool) {
	text, ok := strings.CutPrefix(message, "LOG:  ")
	if !ok {
		return "", false
	}
	if sql, ok := strings.CutPrefix(text, "statement: "); ok {
		return sql, true
	}
	if text, ok = strings.CutPrefix(text, "execute "); !ok {
		return "", false
	}
	_, sql, ok := strings.Cut(text, ": ")
	return sql, ok
}

// epoch reads a time in seconds with three decimals.
func epoch(text string) time.Time {
	seconds, fraction, _ := strings.Cut(text, ".")
	whole, _ := strconv.ParseInt(seconds, 10, 64)
	milliseconds, _ := strconv.ParseInt(fraction, 10, 64)
	return time.Unix(whole, milliseconds*int64(time.Millisecond)).UTC()
}
