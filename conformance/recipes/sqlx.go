package recipes

import (
	"context"
	"database/sql"

	"github.com/jmoiron/sqlx"

	"github.com/awsdb/awsdb/conformance/frontend"
)

const namedInsert = "insert into writes (id, host) values (:id, :host)"

type sqlxProgram struct {
	*sqlx.DB
	front frontend.Frontend
}

func openSQLX(front frontend.Frontend, db *sql.DB) (Program, error) {
	bind := sqlx.DOLLAR
	if front == frontend.MySQL {
		bind = sqlx.QUESTION
	}
	sqlx.BindDriver(front.Driver(), bind)
	p := sqlxProgram{sqlx.NewDb(db, front.Driver()), front}
	writes := map[string]Write{
		"BeginTxx": repeated(p.beginTxx), "NamedExec": repeated(p.single), "prepared in BeginTxx": repeated(p.prepared),
	}
	if front != frontend.MySQL {
		writes["Get from RETURNING"] = repeated(p.returning)
	}
	return Program{Writes: writes, Once: known(p.once), Numbers: p.numbers}, nil
}

// transaction does some work as sqlx's documentation does.
func (p sqlxProgram) transaction(ctx context.Context, work func(tx *sqlx.Tx) error) error {
	tx, err := p.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // the first error counts
	if err := work(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (p sqlxProgram) beginTxx(ctx context.Context, r row) error {
	return p.transaction(ctx, func(tx *sqlx.Tx) error {
		_, err := tx.NamedExecContext(ctx, namedInsert, r)
		return err
	})
}

func (p sqlxProgram) prepared(ctx context.Context, r row) error {
	return p.transaction(ctx, func(tx *sqlx.Tx) error {
		s, err := tx.PrepareNamedContext(ctx, namedInsert)
		if err != nil {
			return err
		}
		defer s.Close() //nolint:errcheck // the statement may be on a dead host
		_, err = s.ExecContext(ctx, r)
		return err
	})
}

func (p sqlxProgram) once(ctx context.Context, r row) error {
	return p.transaction(ctx, func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, insertOnce(p.front), r.ID, r.Host)
		return err
	})
}

func (p sqlxProgram) single(ctx context.Context, r row) error {
	_, err := p.NamedExecContext(ctx, namedInsert, r)
	return err
}

func (p sqlxProgram) returning(ctx context.Context, r row) error {
	var seq int64
	return p.GetContext(ctx, &seq, p.Rebind("insert into writes (id, host) values (?, ?) returning seq"), r.ID, r.Host)
}

func (p sqlxProgram) numbers(ctx context.Context, query string) ([]int64, error) {
	var all []int64
	err := p.SelectContext(ctx, &all, query)
	return all, err
}
