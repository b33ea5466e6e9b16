package realmaria

import (
	"slices"
	"strings"
)

// auroraVersion is what the servers of an Aurora cluster say they are.
const auroraVersion = "3.08.0"

// A rewriter changes the statements a client sends to one instance, so that MariaDB answers as the managed MySQL of a
// flavor. What it puts in place of a system variable is an expression of one value, without an alias: the column of
// a result is named after that expression.
type rewriter struct {
	variables map[string]string    // by name: the expression for it
	tables    map[[2]string]string // by schema and name: the table to read instead
	shows     []show
}

// A show is a SHOW statement that a query answers.
type show struct {
	words []token // that it consists of
	query string
}

// newRewriter returns the rewriter for an instance, or nil if there is nothing to change.
func newRewriter(flavor Flavor, id string) *rewriter {
	switch flavor {
	case AuroraMySQL:
		r := &rewriter{
			variables: map[string]string{
				"aurora_server_id": quoteLiteral(id), "aurora_version": quoteLiteral(auroraVersion), "innodb_read_only": "@@global.read_only",
			},
			tables: map[[2]string]string{{"information_schema", "replica_host_status"}: "awsdb.replica_host_status"},
		}
		for _, scope := range []string{"", "global ", "session "} {
			for name, value := range map[string]string{"aurora_server_id": id, "aurora_version": auroraVersion} {
				r.answer("show "+scope+"variables like "+quoteLiteral(name),
					"select "+quoteLiteral(name)+" as Variable_name, "+quoteLiteral(value)+" as Value")
			}
		}
		return r
	case MultiAZMySQL:
		r := &rewriter{}
		r.answer("show replica status", "select * from awsdb.replica_status where Source_Server_Id <> @@global.server_id")
		return r
	}
	return nil
}

func (r *rewriter) answer(statement, query string) {
	r.shows = append(r.shows, show{slices.Collect(tokens(statement)), query})
}

// mentions says whether there may be anything to change: most statements need not be taken apart.
func mentions(sql string) bool {
	sql = strings.ToLower(sql)
	return slices.ContainsFunc([]string{"aurora_", "innodb_read_only", "replica"}, func(word string) bool { return strings.Contains(sql, word) })
}

// rewrite returns the text that the server gets instead of sql.
func (r *rewriter) rewrite(sql string) string {
	if !mentions(sql) {
		return sql
	}
	all := slices.Collect(tokens(sql))
	var changed strings.Builder
	copied := 0 // up to where sql is in changed
	for i := 0; i < len(all); {
		replacement, length := r.replacement(all[i:], i == 0 || all[i-1].is(symbolToken, ";"))
		if length == 0 {
			i++
			continue
		}
		changed.WriteString(sql[copied:all[i].start])
		changed.WriteString(replacement)
		copied = all[i+length-1].end
		i += length
	}
	changed.WriteString(sql[copied:])
	return changed.String()
}

// replacement returns what to write for the first tokens, and for how many of them. begin says whether they begin a
// statement.
func (r *rewriter) replacement(rest []token, begin bool) (text string, length int) {
	if rest[0].is(symbolToken, "@@") {
		name := 1
		if len(rest) > 3 && rest[2].is(symbolToken, ".") && (rest[1].value == "global" || rest[1].value == "session") {
			name = 3
		}
		if name < len(rest) && rest[name].kind == wordToken {
			if text, ok := r.variables[rest[name].value]; ok {
				return text, name + 1
			}
		}
		return "", 0
	}
	if len(rest) >= 3 && rest[0].kind == wordToken && rest[1].is(symbolToken, ".") && rest[2].kind == wordToken {
		if text, ok := r.tables[[2]string{rest[0].value, rest[2].value}]; ok {
			return text, 3
		}
	}
	if !begin {
		return "", 0
	}
	for _, s := range r.shows {
		if s.begins(rest) {
			return s.query, len(s.words)
		}
	}
	return "", 0
}

// begins says whether the tokens begin with those of the statement. Names in quotes may be in any case.
func (s show) begins(rest []token) bool {
	if len(rest) < len(s.words) {
		return false
	}
	for i, word := range s.words {
		if rest[i].kind != word.kind || !strings.EqualFold(rest[i].value, word.value) {
			return false
		}
	}
	return true
}
