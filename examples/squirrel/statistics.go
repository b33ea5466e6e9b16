package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"strings"
	"time"

	"github.com/Masterminds/squirrel"

	"github.com/awsdb/awsdb/core"
)

var (
	//go:embed schema.postgresql.sql
	schemaPostgreSQL string
	//go:embed schema.mysql.sql
	schemaMySQL string
)

// visit is a row of the table visits.
type visit struct {
	ID      string
	Page    int64
	At      time.Time
	Referer sql.NullString
	Headers []byte // JSON
}

// statistics is the database.
type statistics struct {
	db *sql.DB
	// prepared prepares each statement once per connection, also on those to a new writer. Its texts are kept until the
	// end, so it is for statements that are few.
	prepared *squirrel.StmtCache
	build    squirrel.StatementBuilderType
	mysql    bool
}

// open connects nothing yet.
func open(url string) (*statistics, error) {
	driver, build := "awsmysql", squirrel.StatementBuilder
	if strings.HasPrefix(url, "postgres") { // Squirrel writes ? unless told otherwise
		driver, build = "awspg", build.PlaceholderFormat(squirrel.Dollar)
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		return nil, err
	}
	return &statistics{db: db, prepared: squirrel.NewStmtCache(db), build: build, mysql: driver == "awsmysql"}, nil
}

func (s *statistics) close() error {
	return errors.Join(s.prepared.Clear(), s.db.Close())
}

// prepare makes the tables, if that has not been done yet.
func (s *statistics) prepare(ctx context.Context) error {
	schema := schemaPostgreSQL
	if s.mysql {
		schema = schemaMySQL
	}
	for statement := range strings.SplitSeq(strings.TrimSpace(schema), "\n\n") { // go-sql-driver takes one at a time
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// page returns the id of a page, which is added if it is new. It is repeated after a failover: that it may be added by
// an attempt whose answer was lost does no harm.
func (s *statistics) page(ctx context.Context, path string) (id int64, err error) {
	insert := s.build.Insert("pages").Columns("path", "visits").Values(path, 0).RunWith(s.db)
	err = core.RetryIdempotent(ctx, func() error {
		if !s.mysql {
			return insert.Suffix("ON CONFLICT (path) DO UPDATE SET path = excluded.path RETURNING id").QueryRowContext(ctx).Scan(&id)
		}
		result, err := insert.Suffix("ON DUPLICATE KEY UPDATE id = last_insert_id(id)").ExecContext(ctx)
		if err != nil {
			return err
		}
		id, err = result.LastInsertId()
		return err
	})
	return id, err
}

// count counts visits, each exactly once: they are known by their ids, so that counting can be repeated even where the
// answer to the COMMIT was lost. Repeat all of a call's visits, or none.
func (s *statistics) count(ctx context.Context, visits ...visit) error {
	return core.RetryIdempotent(ctx, func() error {
		return core.RunTx(ctx, s.db, nil, func(tx *sql.Tx) error { return s.add(ctx, s.build.RunWith(tx), visits) })
	})
}

// add is the unit of work. build runs what it builds in the transaction.
func (s *statistics) add(ctx context.Context, build squirrel.StatementBuilderType, visits []visit) error {
	known := "ON CONFLICT (id) DO NOTHING"
	if s.mysql {
		known = "ON DUPLICATE KEY UPDATE id = visits.id"
	}
	insert := build.Insert("visits").Columns("id", "page", "at", "referer", "headers").Suffix(known)
	pages := map[int64]int{}
	for _, v := range visits {
		insert = insert.Values(v.ID, v.Page, v.At, v.Referer, v.Headers)
		pages[v.Page]++
	}
	result, err := insert.ExecContext(ctx)
	if err != nil {
		return err
	}
	if added, err := result.RowsAffected(); err != nil || added == 0 { // 0: they were committed after all; without clientFoundRows=true
		return err
	}
	for page, n := range pages {
		update := build.Update("pages").Set("visits", squirrel.Expr("visits + ?", n)).Where(squirrel.Eq{"id": page})
		if _, err := update.ExecContext(ctx); err != nil {
			return err
		}
	}
	return nil
}

// visits tells how often pages were visited. It uses statements that are prepared.
func (s *statistics) visits(ctx context.Context, paths ...string) (map[string]int64, error) {
	query := s.build.Select("path", "visits").From("pages").Where(squirrel.Eq{"path": paths})
	rows, err := query.RunWith(s.prepared).QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]int64{}
	for rows.Next() {
		var path string
		var n int64
		if err := rows.Scan(&path, &n); err != nil {
			return nil, err
		}
		found[path] = n
	}
	return found, rows.Err() // without it, what was read before a loss would look like all
}
