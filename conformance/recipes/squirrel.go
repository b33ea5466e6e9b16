package recipes

import (
	"context"
	"database/sql"

	"github.com/Masterminds/squirrel"

	"github.com/awsdb/awsdb/conformance/frontend"
)

type squirrelProgram struct {
	squirrel.StatementBuilderType
	runner squirrel.BaseRunner
	front  frontend.Frontend
}

func openSquirrel(front frontend.Frontend, db *sql.DB) (Program, error) {
	return openSquirrelOn(front, db, db)
}

func openPreparingSquirrel(front frontend.Frontend, db *sql.DB) (Program, error) {
	return openSquirrelOn(front, db, squirrel.NewStmtCache(db))
}

func openSquirrelOn(front frontend.Frontend, db *sql.DB, runner squirrel.BaseRunner) (Program, error) {
	var placeholder squirrel.PlaceholderFormat = squirrel.Dollar
	if front == frontend.MySQL {
		placeholder = squirrel.Question
	}
	p := squirrelProgram{squirrel.StatementBuilder.PlaceholderFormat(placeholder), runner, front}
	writes := map[string]Write{"RunWith in RunTx": inRunTx(db, p.inTx), "RunWith": repeated(p.single)}
	if front != frontend.MySQL {
		writes["RETURNING"] = repeated(p.returning)
	}
	return Program{Writes: writes, Once: known(p.once), Numbers: p.numbers}, nil
}

func (p squirrelProgram) insert(r row) squirrel.InsertBuilder {
	return p.Insert("writes").Columns("id", "host").Values(r.ID, r.Host)
}

func (p squirrelProgram) inTx(ctx context.Context, tx *sql.Tx, r row) error {
	_, err := p.insert(r).RunWith(tx).ExecContext(ctx)
	return err
}

func (p squirrelProgram) single(ctx context.Context, r row) error {
	_, err := p.insert(r).RunWith(p.runner).ExecContext(ctx)
	return err
}

func (p squirrelProgram) once(ctx context.Context, r row) error {
	insert := p.Insert("keyed").Columns("id", "host").Values(r.ID, r.Host)
	if p.front == frontend.MySQL {
		insert = insert.Options("ignore")
	} else {
		insert = insert.Suffix("on conflict do nothing")
	}
	_, err := insert.RunWith(p.runner).ExecContext(ctx)
	return err
}

func (p squirrelProgram) returning(ctx context.Context, r row) error {
	var seq int64
	return p.insert(r).Suffix("returning seq").RunWith(p.runner).QueryRowContext(ctx).Scan(&seq)
}

func (p squirrelProgram) numbers(ctx context.Context, query string) ([]int64, error) {
	rows, err := p.Select("*").From("(" + query + ") as numbers").RunWith(p.runner).QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

// collect reads a result of one column.
func collect(rows *sql.Rows) ([]int64, error) {
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var all []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}
