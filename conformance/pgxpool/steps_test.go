package pgxpool

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// db is pgx's interface, of a pool of ours or a bare one.
type db interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error)
	Begin(ctx context.Context) (pgx.Tx, error)
	BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error)
	Ping(ctx context.Context) error
	Acquired(ctx context.Context, f func(*pgxpool.Conn) error) error
}

// bareDB is a pool of pgx as a db.
type bareDB struct{ *pgxpool.Pool }

// Acquired runs f with a connection.
func (d bareDB) Acquired(ctx context.Context, f func(*pgxpool.Conn) error) error {
	return d.AcquireFunc(ctx, f)
}

// Acquired likewise, for a pool of ours.
func (p *pool) Acquired(ctx context.Context, f func(*pgxpool.Conn) error) error {
	return p.Pool.Pool.AcquireFunc(ctx, f)
}

// step is something an application does.
type step struct {
	name string
	do   func(ctx context.Context, d db) error
}

// steps are one of each kind.
func steps() []step {
	return []step{
		{"exec", func(ctx context.Context, d db) error {
			_, err := d.Exec(ctx, "insert into t (id, name) values (1, 'one')")
			return err
		}},
		{"exec with arguments", func(ctx context.Context, d db) error {
			_, err := d.Exec(ctx, "insert into t (id, name) values ($1, $2)", 2, "two")
			return err
		}},
		{"exec error", func(ctx context.Context, d db) error {
			_, err := d.Exec(ctx, "insert into nothing values (1)")
			return err
		}},
		{"query", func(ctx context.Context, d db) error {
			rows, err := d.Query(ctx, "select id, name from t order by id limit $1", 3)
			if err != nil {
				return err
			}
			_, err = pgx.CollectRows(rows, pgx.RowToMap)
			return err
		}},
		{"query error", func(ctx context.Context, d db) error {
			rows, err := d.Query(ctx, "select nothing from t")
			rows.Close()
			return err
		}},
		{"query row", func(ctx context.Context, d db) error {
			var n int
			return d.QueryRow(ctx, "select count(*) from t").Scan(&n)
		}},
		{"no rows", func(ctx context.Context, d db) error {
			var n int
			err := d.QueryRow(ctx, "select id from t where id = -1").Scan(&n)
			if err != pgx.ErrNoRows { //nolint:errorlint // applications compare so
				return fmt.Errorf("want the very error: %w", err)
			}
			return err
		}},
		{"batch", func(ctx context.Context, d db) error {
			b := &pgx.Batch{}
			b.Queue("insert into t (id) values ($1)", 3)
			b.Queue("select id from t")
			return d.SendBatch(ctx, b).Close()
		}},
		{"batch error", func(ctx context.Context, d db) error {
			b := &pgx.Batch{}
			b.Queue("insert into t (id) values ($1)", 3)
			b.Queue("select nothing from t")
			return d.SendBatch(ctx, b).Close()
		}},
		{"copy", func(ctx context.Context, d db) error {
			_, err := d.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"id", "name"}, pgx.CopyFromRows([][]any{{4, "four"}, {5, nil}}))
			return err
		}},
		{"transaction", func(ctx context.Context, d db) error {
			return pgx.BeginFunc(ctx, d, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "insert into t (id) values ($1)", 6)
				return err
			})
		}},
		{"rollback", func(ctx context.Context, d db) error {
			return pgx.BeginFunc(ctx, d, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "insert into t (id) values ($1)", 7)
				return errors.Join(err, errors.New("no"))
			})
		}},
		{"savepoints", func(ctx context.Context, d db) error {
			return pgx.BeginFunc(ctx, d, func(tx pgx.Tx) error {
				_ = pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
					_, err := inner.Exec(ctx, "insert into nothing values (1)")
					return err
				})
				return pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
					_, err := inner.Exec(ctx, "insert into t (id) values ($1)", 8)
					return err
				})
			})
		}},
		{"prepare", func(ctx context.Context, d db) error {
			return d.Acquired(ctx, func(c *pgxpool.Conn) error {
				_, err := c.Conn().Prepare(ctx, "named", "select id from t where id = $1")
				return err
			})
		}},
		{"listen", func(ctx context.Context, d db) error {
			return d.Acquired(ctx, func(c *pgxpool.Conn) error {
				if _, err := c.Exec(ctx, "listen news"); err != nil {
					return err
				}
				if _, err := c.Exec(ctx, "notify news, 'it'"); err != nil {
					return err
				}
				_, err := c.Exec(ctx, "unlisten news")
				return err
			})
		}},
		{"notice", func(ctx context.Context, d db) error {
			_, err := d.Exec(ctx, "create table if not exists t (id bigint)")
			return err
		}},
		{"ping", func(ctx context.Context, d db) error { return d.Ping(ctx) }},
	}
}

// pgCode is the SQLSTATE of the server's error in err.
func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
