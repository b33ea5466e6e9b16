package recipes

import (
	"context"
	"database/sql"
	"fmt"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/sqlgraph"
	"entgo.io/ent/schema/field"

	"github.com/awsdb/awsdb/conformance/frontend"
)

// entProgram makes the calls that the code makes which ent generates.
type entProgram struct {
	driver *entsql.Driver
	db     *sql.DB
}

func openEnt(front frontend.Frontend, db *sql.DB) (Program, error) {
	name := dialect.Postgres
	if front == frontend.MySQL {
		name = dialect.MySQL
	}
	p := entProgram{entsql.OpenDB(name, db), db}
	return Program{
		Writes: map[string]Write{
			"WithTx": repeated(p.create), "Create": repeated(p.single),
		},
		Once:    known(p.once),
		Numbers: p.numbers,
	}, nil
}

// create is Save of a node whose number the server gives: ent asks for it by RETURNING or
// LastInsertId.
func create(r row) *sqlgraph.CreateSpec {
	spec := sqlgraph.NewCreateSpec("writes", sqlgraph.NewFieldSpec("seq", field.TypeInt64))
	spec.SetField("id", field.TypeString, r.ID)
	spec.SetField("host", field.TypeString, r.Host)
	return spec
}

// txDriver is the driver of a client inside of a transaction, as ent generates it.
type txDriver struct {
	dialect.ExecQuerier
	name string
}

func (t txDriver) Dialect() string                        { return t.name }
func (t txDriver) Tx(context.Context) (dialect.Tx, error) { return t, nil }
func (txDriver) Close() error                             { return nil }
func (txDriver) Commit() error                            { return nil } // of a transaction inside
func (txDriver) Rollback() error                          { return nil }

// withTx is the function WithTx of ent's documentation.
func (p entProgram) withTx(ctx context.Context, work func(tx txDriver) error) error {
	tx, err := p.driver.Tx(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if v := recover(); v != nil {
			_ = tx.Rollback()
			panic(v)
		}
	}()
	if err := work(txDriver{tx, p.driver.Dialect()}); err != nil {
		if failed := tx.Rollback(); failed != nil {
			err = fmt.Errorf("%w: rolling back transaction: %v", err, failed) //nolint:errorlint // as it stands there
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing transaction: %w", err)
	}
	return nil
}

func (p entProgram) create(ctx context.Context, r row) error {
	return p.withTx(ctx, func(tx txDriver) error { return sqlgraph.CreateNode(ctx, tx, create(r)) })
}

// once is OnConflictColumns and Ignore of a create.
func (p entProgram) once(ctx context.Context, r row) error {
	spec := sqlgraph.NewCreateSpec("keyed", sqlgraph.NewFieldSpec("id", field.TypeString))
	spec.ID.Value = r.ID
	spec.SetField("host", field.TypeString, r.Host)
	spec.OnConflict = []entsql.ConflictOption{entsql.ConflictColumns("id"), entsql.ResolveWithIgnore()}
	return p.withTx(ctx, func(tx txDriver) error { return sqlgraph.CreateNode(ctx, tx, spec) })
}

func (p entProgram) single(ctx context.Context, r row) error {
	return pinned(ctx, p.db, func(c *sql.Conn) error {
		driver := entsql.NewDriver(p.driver.Dialect(), entsql.Conn{ExecQuerier: c})
		return sqlgraph.CreateNode(ctx, driver, create(r))
	})
}

func (p entProgram) numbers(ctx context.Context, query string) ([]int64, error) {
	var rows entsql.Rows
	if err := p.driver.Query(ctx, query, []any{}, &rows); err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // ScanSlice tells
	var all []int64
	err := entsql.ScanSlice(rows, &all)
	return all, err
}
