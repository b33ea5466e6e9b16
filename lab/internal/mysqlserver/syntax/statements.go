package syntax

import sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"

// The statements that the engine does not know.
type (
	// Set is SET of variables.
	Set struct{ Assignments []Assignment }
	// Assignment is one variable = value.
	Assignment struct {
		Scope string // "user" for @name, "global", "persist", "session", or empty when none was written
		Name  string // lower case
		// Query is SELECT value; its Items have the one value. nil: DEFAULT.
		Query *sql.Select
	}
	// SetTransaction is SET [SESSION|GLOBAL] TRANSACTION.
	SetTransaction struct {
		Scope     string // "session", "global", or empty for the next transaction
		Isolation string // "READ-COMMITTED" …; empty: not given
		ReadOnly  *bool
	}
	// Show is SHOW and DESCRIBE: a query of views in the schema ShowSchema.
	Show struct {
		Query *sql.Select
		Table *sql.Name // which has to exist; nil: none
	}
	// Use is USE.
	Use struct{ Database string }
	// Kill is KILL; Query without the connection.
	Kill struct {
		StatementOnly bool
		ID            *sql.Select // SELECT id
	}
	// Do is DO: its rows are nobody's business.
	Do struct{ Query *sql.Select }
	// Alter is ALTER TABLE with the statements that its parts amount to.
	Alter struct{ Actions []sql.Stmt }
	// LoadData is LOAD DATA LOCAL INFILE.
	LoadData struct {
		File                       string
		Ignore, Replace            bool
		Table                      sql.Name
		Columns                    []string // an empty name: skipped
		FieldsEnd, LinesEnd, Start string
		Quote, Escape              string // a character or nothing
		SkipLines                  int
	}
)

// ShowSchema is the schema of the views that SHOW reads.
const ShowSchema = "show"
