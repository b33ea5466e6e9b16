package recipes

import (
	"context"
	"database/sql"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/awsdb/awsdb/conformance/frontend"
)

// bunRow is a row with a number that the server gives: bun asks for it by RETURNING or
// LastInsertId.
type bunRow struct {
	bun.BaseModel `bun:"table:writes"`
	ID            string `bun:"id"`
	Host          string `bun:"host"`
	Seq           int64  `bun:"seq,pk,autoincrement"`
}

// bunKeyed is a row that is known by its identifier.
type bunKeyed struct {
	bun.BaseModel `bun:"table:keyed"`
	ID            string `bun:"id,pk"`
	Host          string `bun:"host"`
}

type bunProgram struct{ *bun.DB }

func newBun(front frontend.Frontend, db *sql.DB) *bun.DB {
	if front == frontend.MySQL {
		return bun.NewDB(db, mysqldialect.New())
	}
	return bun.NewDB(db, pgdialect.New())
}

func openBun(front frontend.Frontend, db *sql.DB) (Program, error) {
	p := bunProgram{newBun(front, db)}
	return Program{
		Writes: map[string]Write{
			"RunInTx": repeated(p.runInTx), "nested RunInTx": repeated(p.nested), "BeginTx and Commit": repeated(p.byHand),
			"NewInsert": repeated(p.single),
		},
		Once:    known(p.once),
		Numbers: p.numbers,
	}, nil
}

func insertByBun(ctx context.Context, db bun.IDB, r row) error {
	_, err := db.NewInsert().Model(&bunRow{ID: r.ID, Host: r.Host}).Exec(ctx)
	return err
}

func (p bunProgram) runInTx(ctx context.Context, r row) error {
	return p.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return insertByBun(ctx, tx, r) })
}

// nested sets a savepoint.
func (p bunProgram) nested(ctx context.Context, r row) error {
	return p.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		return tx.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return insertByBun(ctx, tx, r) })
	})
}

func (p bunProgram) byHand(ctx context.Context, r row) error {
	tx, err := p.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := insertByBun(ctx, tx, r); err != nil {
		_ = tx.Rollback() // the first error counts
		return err
	}
	return tx.Commit()
}

func (p bunProgram) single(ctx context.Context, r row) error {
	return pinned(ctx, p.DB.DB, func(c *sql.Conn) error {
		_, err := p.NewInsert().Conn(c).Model(&bunRow{ID: r.ID, Host: r.Host}).Exec(ctx)
		return err
	})
}

func (p bunProgram) once(ctx context.Context, r row) error {
	return p.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(&bunKeyed{ID: r.ID, Host: r.Host}).Ignore().Exec(ctx)
		return err
	})
}

func (p bunProgram) numbers(ctx context.Context, query string) ([]int64, error) {
	var all []int64
	err := p.NewRaw(query).Scan(ctx, &all)
	return all, err
}
