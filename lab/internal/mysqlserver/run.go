package mysqlserver

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/awsdb/awsdb/lab/internal/mysqlserver/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// execution is one statement to run.
type execution struct {
	statement syntax.Statement
	sql       string
	args      []any
}

// queryStatement runs one statement of the text protocol.
func (s *session) queryStatement(statement syntax.Statement, more bool) error {
	if statement.Params > 0 {
		return statement.Misplaced()
	}
	r, f, err := s.fated(&execution{statement: statement, sql: statement.SQL})
	if err != nil {
		return err
	}
	return s.answer(r, f, textRow, more)
}

// executeStatement runs a prepared statement.
func (s *session) executeStatement(p *prepared, args []any) error {
	r, f, err := s.fated(&execution{statement: p.statement, sql: p.statement.SQL, args: args})
	if err != nil {
		return err
	}
	return s.answer(r, f, binaryRow, false)
}

// run runs one statement, and commits it unless it is part of a transaction.
func (s *session) run(ctx context.Context, x *execution) (*result, error) {
	stmt := x.statement.Stmt
	if x.statement.Volatile {
		fresh, err := s.parse(x.sql)
		if err != nil {
			return nil, err
		}
		stmt = fresh[0].Stmt
	}
	if seconds, err := strconv.Atoi(s.setting("innodb_lock_wait_timeout")); err == nil {
		s.engine.LockTimeout = time.Duration(seconds) * time.Second
	}
	s.insertID = 0
	r, err := s.runStatement(ctx, stmt, x.args)
	if err != nil {
		s.rowCount = -1
		return nil, err
	}
	s.rowCount = int64(r.affected)
	if r.columns != nil {
		s.rowCount = -1
	}
	return r, nil
}

func (s *session) runStatement(ctx context.Context, stmt sql.Stmt, args []any) (*result, error) {
	switch stmt := stmt.(type) {
	case sql.Begin, sql.Commit, sql.Rollback, sql.Savepoint, sql.Release, sql.RollbackTo:
		return &result{}, s.transaction(stmt)
	case syntax.Set:
		return &result{}, s.runSet(ctx, stmt, args)
	case syntax.SetTransaction:
		return &result{}, s.setTransaction(stmt)
	case syntax.Use:
		return &result{}, s.use(stmt.Database)
	case syntax.Kill:
		id, err := s.evaluate(ctx, stmt.ID, args)
		if err != nil {
			return nil, err
		}
		n, _ := rounded(id)
		return &result{}, s.kill(uint64(n), stmt.StatementOnly)
	case syntax.Do:
		_, err := s.data(ctx, stmt.Query, args)
		return &result{}, err
	case syntax.Show:
		if stmt.Table != nil {
			if _, err := s.compile(selectAll(*stmt.Table), nil); err != nil {
				return nil, err
			}
		}
		return s.data(ctx, stmt.Query, args)
	case *syntax.LoadData:
		return s.loadData(ctx, stmt)
	case *syntax.Alter:
		return &result{}, s.define(ctx, stmt.Actions...)
	case *sql.CreateTable, sql.DropTable, *sql.Truncate, sql.AddColumn, sql.CreateUniqueIndex, sql.Accepted:
		return &result{}, s.define(ctx, stmt)
	}
	return s.data(ctx, stmt, args)
}

func selectAll(table sql.Name) *sql.Select {
	return &sql.Select{Items: []sql.Item{{X: sql.Star{}}}, From: []sql.From{{Table: table}}}
}

// data runs a statement that reads or changes rows.
func (s *session) data(ctx context.Context, stmt sql.Stmt, args []any) (*result, error) {
	s.openTransaction()
	if err := s.checkWritable(stmt); err != nil {
		return nil, s.finish(err)
	}
	if q, ok := stmt.(*sql.Select); ok {
		if q.Lock && s.engine.ReadOnly() { // there is nothing to lock on a reader
			unlocked := *q
			unlocked.Lock = false
			stmt = &unlocked
		}
		if limit, err := strconv.Atoi(s.setting("max_execution_time")); err == nil && limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(limit)*time.Millisecond,
				errorf(3024, "HY000", "Query execution was interrupted, maximum statement execution time exceeded"))
			defer cancel()
		}
	}
	r, err := s.execute(ctx, stmt, args)
	if err = s.finish(err); err != nil {
		return nil, err
	}
	return r, nil
}

// execute runs a statement in the open transaction.
func (s *session) execute(ctx context.Context, stmt sql.Stmt, args []any) (*result, error) {
	p, err := s.compile(stmt, args)
	if err != nil {
		return nil, err
	}
	values, err := bind(p.Params(), args)
	if err != nil {
		return nil, err
	}
	out, err := s.engine.Run(ctx, p, values)
	if err != nil {
		return nil, err
	}
	r := &result{}
	if out.Fields != nil {
		r.columns = columnsOf(out.Fields, p.Origins(), s)
		if r.rows, err = rowsOf(r.columns, out.Rows); err != nil {
			return nil, err
		}
		fitFractions(r)
		return r, nil
	}
	s.count(r, stmt, out)
	return r, nil
}

// count fills in how many rows there were, as the client wants them counted.
func (s *session) count(r *result, stmt sql.Stmt, out *sqlengine.Result) {
	r.affected = uint64(out.Changed)
	if s.capabilities&clientFoundRows != 0 {
		r.affected = uint64(out.Found)
	}
	if _, ok := stmt.(*sql.Update); ok {
		r.info = fmt.Sprintf("Rows matched: %d  Changed: %d  Warnings: 0", out.Found, out.Changed)
	}
	if out.Generated != 0 {
		s.lastInsertID, s.insertID = out.Generated, out.Generated
	}
	if s.insertID == 0 && out.Changed > 0 {
		s.insertID = out.Serial
	}
	r.insertID = uint64(s.insertID)
}

// compile compiles a statement for arguments.
func (s *session) compile(stmt sql.Stmt, args []any) (*sqlengine.Prepared, error) {
	return s.engine.Prepare(sql.Parsed{Stmt: stmt}, declared(args))
}

// preview gives the columns of what is being prepared, and its errors.
func (s *session) preview(statement syntax.Statement) ([]column, error) {
	stmt := statement.Stmt
	if show, ok := stmt.(syntax.Show); ok {
		stmt = show.Query
	}
	switch stmt.(type) {
	case *sql.Select, *sql.Insert, *sql.Update, *sql.Delete:
		p, err := s.compile(stmt, nil)
		if err != nil {
			return nil, err
		}
		return columnsOf(p.Fields(), p.Origins(), s), nil
	}
	return nil, nil
}

// define runs statements that define things: what was open is committed before, they are afterwards.
func (s *session) define(ctx context.Context, list ...sql.Stmt) error {
	if err := s.commit(); err != nil {
		return err
	}
	if !s.host().Writable() {
		return s.readOnlyError(true)
	}
	s.engine.Begin(new(bool))
	for _, stmt := range list {
		if _, err := s.execute(ctx, stmt, nil); err != nil {
			s.rollback()
			return err
		}
	}
	return s.commit()
}

// evaluate runs a query of one value.
func (s *session) evaluate(ctx context.Context, q *sql.Select, args []any) (any, error) {
	p, err := s.compile(q, args)
	if err != nil {
		return nil, err
	}
	values, err := bind(p.Params(), args)
	if err != nil {
		return nil, err
	}
	s.openTransaction()
	out, err := s.engine.Run(ctx, p, values)
	if err = s.finish(err); err != nil {
		return nil, err
	}
	if len(out.Rows) == 0 {
		return nil, nil
	}
	return out.Rows[0][0], nil
}

// runSet runs SET, up to the first assignment that fails.
func (s *session) runSet(ctx context.Context, stmt syntax.Set, args []any) error {
	for _, a := range stmt.Assignments {
		value := defaultValue
		if a.Query != nil {
			var err error
			if value, err = s.evaluate(ctx, a.Query, args); err != nil {
				return err
			}
		}
		if a.Scope == "user" {
			s.userVariables[a.Name] = constant(value)
			continue
		}
		if err := s.set(a.Scope, a.Name, value); err != nil {
			return err
		}
	}
	return nil
}

// constant is a value as a literal.
func constant(v any) sql.Expr {
	switch v := v.(type) {
	case nil:
		return sql.Null{}
	case int64:
		return sql.Number{Text: strconv.FormatInt(v, 10)}
	case sqlengine.Decimal:
		return sql.Number{Text: v.String()}
	case float64:
		return sql.Cast{X: sql.String{Text: strconv.FormatFloat(v, 'g', -1, 64)}, Type: sql.Type{Name: "float8"}}
	case []byte:
		return sql.Cast{X: sql.String{Text: fmt.Sprintf(`\x%x`, v)}, Type: sql.Type{Name: "bytea"}}
	}
	return sql.String{Text: toText(v, 0)}
}
