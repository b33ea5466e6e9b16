// Package syntax has the statements that package sqlengine executes, and parses them from SQL: a lexer and a
// recursive-descent parser for a useful part of PostgreSQL's dialect. Fronts with another grammar make the same types.
package syntax

// Expr is one of the expression types below.
type Expr any

// The expressions.
type (
	// Null is NULL.
	Null struct{}
	// Bool is TRUE or FALSE.
	Bool struct{ Value bool }
	// Number is a numeric literal.
	Number struct{ Text string }
	// String is a string literal, of unknown type until used.
	String struct{ Text string }
	// Param is $N.
	Param struct{ N int }
	// Column is a column reference, with the table when qualified.
	Column struct{ Table, Name string }
	// Star is * or table.*.
	Star struct{ Table string }
	// Default is the keyword DEFAULT as a value.
	Default struct{}
	// Unary is Op X; Op is "-", "+" or "NOT".
	Unary struct {
		Op string
		X  Expr
	}
	// Binary is L Op R; Op is an operator, "AND", "OR" or "IS DISTINCT FROM".
	Binary struct {
		Op   string
		L, R Expr
	}
	// Is is X IS [NOT] What; What is "NULL", "TRUE", "FALSE" or "UNKNOWN".
	Is struct {
		X    Expr
		What string
		Not  bool
	}
	// In is X [NOT] IN (List) or (Query).
	In struct {
		X     Expr
		List  []Expr
		Query *Select
		Not   bool
	}
	// Between is X [NOT] BETWEEN Low AND High.
	Between struct {
		X, Low, High Expr
		Not          bool
	}
	// Like is X [NOT] LIKE Pattern, ILIKE when Fold.
	Like struct {
		X, Pattern Expr
		Fold, Not  bool
	}
	// Quantified is X Op ANY (Array), ALL when All.
	Quantified struct {
		X     Expr
		Op    string
		Array Expr
		Query *Select
		All   bool
	}
	// When is one branch of a Case.
	When struct{ If, Then Expr }
	// Case is CASE [Operand] WHEN … ELSE … END.
	Case struct {
		Operand Expr
		Whens   []When
		Else    Expr
	}
	// Cast is X::Type.
	Cast struct {
		X    Expr
		Type Type
	}
	// Call is a function call. Star means count(*).
	Call struct {
		Schema, Name string
		Args         []Expr
		Star         bool
		Distinct     bool
		Filter       Expr
	}
	// Subquery is a scalar subquery.
	Subquery struct{ Query *Select }
	// Exists is EXISTS (Query).
	Exists struct{ Query *Select }
	// Array is ARRAY[…].
	Array struct{ Elements []Expr }
	// Row is (a, b, …) of two or more expressions.
	Row struct{ Elements []Expr }
)

// Type is a type name. Name is folded, of one word ("double precision" is "float8"), without pg_catalog.
type Type struct {
	Name  string
	Mods  []int // numeric(10, 2), varchar(20)
	Array bool
}

// Name is a possibly qualified name.
type Name struct{ Schema, Name string }

// Stmt is one of the statement types below.
type Stmt any

// Item is one element of a select list or RETURNING.
type Item struct {
	X     Expr
	Alias string
}

// Order is one ORDER BY key.
type Order struct {
	X          Expr
	Descending bool
	NullsFirst *bool
}

// From is one item of a FROM list: a table, a function or a subquery, joined to the items before it.
type From struct {
	Table   Name
	Call    *Call
	Query   *Select
	Alias   string
	Columns []string // AS alias(columns)

	Join  string // how it joins what is left of it: "" or "CROSS", "INNER", "LEFT"
	On    Expr
	Using []string
}

// With is one common table expression.
type With struct {
	Name    string
	Columns []string
	Query   *Select
}

// Union is one more arm of a union.
type Union struct {
	All   bool
	Query *Select
}

// Select is a query; with Values set, VALUES.
type Select struct {
	With     []With
	Distinct bool
	Items    []Item
	From     []From
	Where    Expr
	GroupBy  []Expr
	Having   Expr
	Values   [][]Expr
	Unions   []Union
	OrderBy  []Order
	Limit    Expr
	Offset   Expr
	Lock     bool   // FOR UPDATE and its weaker forms
	Wait     string // "", "NOWAIT" or "SKIP LOCKED"
}

// Assignment is column = value.
type Assignment struct {
	Column string
	Value  Expr
}

// Conflict is ON CONFLICT, with any key when it names neither columns nor a constraint. Without Set it is DO NOTHING.
type Conflict struct {
	Columns    []string
	Constraint string
	Set        []Assignment
	Where      Expr
	Replace    bool // delete the rows in the way
	Repeat     bool // one row may be updated several times
}

// The statements with data.
type (
	// Insert is INSERT INTO. A nil Source is DEFAULT VALUES.
	Insert struct {
		Table      Name
		Alias      string
		Columns    []string
		Source     *Select
		OnConflict *Conflict
		Returning  []Item
	}
	// Update is UPDATE.
	Update struct {
		Affected
		Set []Assignment
	}
	// Delete is DELETE FROM.
	Delete struct{ Affected }
	// Affected is what UPDATE and DELETE have in common: which rows they change.
	Affected struct {
		Table     Name
		Alias     string
		From      []From // the tables it is joined with; USING of DELETE
		Where     Expr
		OrderBy   []Order
		Limit     Expr
		Returning []Item
	}
	// Truncate is TRUNCATE.
	Truncate struct {
		Tables  []Name
		Restart bool // RESTART IDENTITY
	}
	// Copy is COPY table FROM STDIN or TO STDOUT.
	Copy struct {
		Table   Name
		Columns []string
		Query   *Select // COPY (query) TO
		From    bool
		Options map[string]string // format, delimiter, null, header
	}
)

// ColumnDef is a column of CREATE TABLE.
type ColumnDef struct {
	Name    string
	Type    Type
	NotNull bool
	Default Expr // nil: none
	Serial  bool // serial or identity

	OnUpdate Expr   // what an UPDATE sets it to unless it says otherwise; nil: nothing
	Start    int64  // the first number of a serial column; 0: 1
	Declared string // what its type was called, where that says more than Type
}

// Key is a PRIMARY KEY or UNIQUE constraint.
type Key struct {
	Name    string
	Columns []string
	Primary bool
}

// Check is a CHECK constraint.
type Check struct {
	Name string
	X    Expr
}

// The statements that define things.
type (
	// CreateTable is CREATE TABLE.
	CreateTable struct {
		Name        Name
		IfNotExists bool
		Columns     []ColumnDef
		Keys        []Key
		Checks      []Check
	}
	// AddColumn is ALTER TABLE ADD COLUMN.
	AddColumn struct {
		Table       Name
		Column      ColumnDef
		IfNotExists bool
	}
	// CreateUniqueIndex is CREATE UNIQUE INDEX.
	CreateUniqueIndex struct {
		Name        string
		Table       Name
		Columns     []string
		IfNotExists bool
	}
	// DropTable is DROP TABLE.
	DropTable struct {
		Names    []Name
		IfExists bool
	}
	// Accepted is a statement that changes the database in a way nobody can see here, as CREATE INDEX.
	Accepted struct{ Tag string }
	// Unsupported is a statement that is refused with 0A000.
	Unsupported struct{ What string }
)

// The statements of transactions and sessions.
type (
	// Begin is BEGIN or START TRANSACTION.
	Begin struct {
		Start    bool // START TRANSACTION
		ReadOnly *bool
		Options  map[string]string // of SET TRANSACTION: transaction_isolation …
	}
	// Commit is COMMIT or END.
	Commit struct{ Chain bool }
	// Rollback is ROLLBACK or ABORT.
	Rollback struct{ Chain bool }
	// Savepoint is SAVEPOINT.
	Savepoint struct{ Name string }
	// Release is RELEASE SAVEPOINT.
	Release struct{ Name string }
	// RollbackTo is ROLLBACK TO SAVEPOINT.
	RollbackTo struct{ Name string }
	// Set is SET and RESET; SET TRANSACTION arrives as several settings.
	Set struct {
		Settings []Setting
		Local    bool
		Reset    bool
	}
	// Show is SHOW.
	Show struct{ Name string }
	// Discard is DISCARD.
	Discard struct{ What string }
	// Deallocate is DEALLOCATE; an empty name is ALL.
	Deallocate struct{ Name string }
	// Listen is LISTEN.
	Listen struct{ Channel string }
	// Unlisten is UNLISTEN; an empty channel is *.
	Unlisten struct{ Channel string }
	// Notify is NOTIFY.
	Notify struct{ Channel, Payload string }
)

// Setting is one assignment of SET; with Default its value is the default.
type Setting struct {
	Name    string
	Value   string
	Default bool
}
