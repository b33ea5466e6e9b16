package recipes

import (
	"context"
	"database/sql"

	"github.com/awsdb/awsdb/conformance/frontend"
)

// dbtx is what the code that sqlc generates for database/sql asks for.
type dbtx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// queries makes the calls that the code makes which sqlc generates.
type queries struct {
	db           dbtx
	insert, once string
}

func (q queries) withTx(tx *sql.Tx) queries { return queries{tx, q.insert, q.once} }

// insertRow is a query with ":exec".
func (q queries) insertRow(ctx context.Context, r row) error {
	_, err := q.db.ExecContext(ctx, q.insert, r.ID, r.Host)
	return err
}

func (q queries) insertOnce(ctx context.Context, r row) error {
	_, err := q.db.ExecContext(ctx, q.once, r.ID, r.Host)
	return err
}

// insertReturning is a query with ":one".
func (q queries) insertReturning(ctx context.Context, r row) error {
	var seq int64
	return q.db.QueryRowContext(ctx, q.insert+" returning seq", r.ID, r.Host).Scan(&seq)
}

// numbers is a query with ":many".
func (q queries) numbers(ctx context.Context, query string) ([]int64, error) {
	rows, err := q.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

func openSQLC(front frontend.Frontend, db *sql.DB) (Program, error) {
	q := queries{db, front.SQL().Bind("insert into writes (id, host) values (?, ?)"), insertOnce(front)}
	writes := map[string]Write{
		"WithTx in RunTx": inRunTx(db, func(ctx context.Context, tx *sql.Tx, r row) error { return q.withTx(tx).insertRow(ctx, r) }),
		":exec":           repeated(q.insertRow),
	}
	if front != frontend.MySQL {
		writes[":one"] = repeated(q.insertReturning)
	}
	return Program{Writes: writes, Once: known(q.insertOnce), Numbers: q.numbers}, nil
}
