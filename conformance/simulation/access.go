package simulation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
)

// access is how an application uses a pool: by database/sql, by a tool on top of that, or by
// pgx's own interface.
type access interface {
	exec(ctx context.Context, statement string, args ...any) error
	// numbers gives the integers that a query returns, a row each.
	numbers(ctx context.Context, query string, each func(n int64)) error
	// ways are those to write a row.
	ways() []way
	Close() error
}

// way writes a row with an identifier and the tag of the attempt.
type way func(ctx context.Context, w *worker, id, tag string) error

// limits are the size of a pool.
type limits struct {
	idle int // connections that are kept
	open int // connections that there may be; 0: any number
}

// sqlAccess is database/sql.
type sqlAccess struct{ *sql.DB }

// access opens a pool by the front end that the run is about.
func (r *run) access(o frontend.Options, l limits) (access, *core.Cluster, error) {
	h, err := r.front.Open(o)
	if err != nil {
		return nil, nil, err
	}
	if r.native() {
		return pgxAccess{h.Native, h}, h.Cluster(), nil
	}
	h.SetMaxIdleConns(l.idle)
	h.SetMaxOpenConns(l.open)
	if r.tool == nil {
		return sqlAccess{h.DB}, h.Cluster(), nil
	}
	program, err := r.tool.Open(r.front, h.DB)
	if err != nil {
		return nil, nil, errors.Join(err, h.Close())
	}
	return toolAccess{sqlAccess{h.DB}, program}, h.Cluster(), nil
}

func (a sqlAccess) exec(ctx context.Context, statement string, args ...any) error {
	_, err := a.ExecContext(ctx, statement, args...)
	return err
}

func (a sqlAccess) numbers(ctx context.Context, query string, each func(n int64)) error {
	rows, err := a.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return err
		}
		each(n)
	}
	return rows.Err()
}

func (a sqlAccess) ways() []way { return []way{a.single, a.inTx, a.inRunTx, a.prepared} }

func (a sqlAccess) single(ctx context.Context, w *worker, id, tag string) error {
	return a.exec(ctx, w.insert, id, tag)
}

// prepared uses a pinned connection: sql.Stmt.Close of a statement of the whole
// pool, and RowsAffected of a result whose connection has gone back to the pool,
// wait with a mutex for whatever runs there now, which stops virtual time.
func (a sqlAccess) prepared(ctx context.Context, w *worker, id, tag string) error {
	c, err := a.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it may be lost
	s, err := c.PrepareContext(ctx, w.insert)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // the statement may be on a dead host
	result, err := s.ExecContext(ctx, id, tag)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		w.problem("insert affected %d rows: %v", n, err)
	}
	return nil
}

func (a sqlAccess) inTx(ctx context.Context, w *worker, id, tag string) error {
	tx, err := a.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, w.insert, id, tag); err != nil {
		_ = tx.Rollback() // the first error counts
		return err
	}
	return tx.Commit()
}

func (a sqlAccess) inRunTx(ctx context.Context, w *worker, id, tag string) error {
	try := 0
	return core.RunTx(ctx, a.DB, nil, func(tx *sql.Tx) error {
		try++
		_, err := tx.ExecContext(ctx, w.insert, id, fmt.Sprintf("%s-%d", tag, try))
		return err
	})
}
