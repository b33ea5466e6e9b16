package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/jmoiron/sqlx/types"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

var (
	//go:embed schema.postgresql.sql
	schemaPostgreSQL string
	//go:embed schema.mysql.sql
	schemaMySQL string
)

// article is a row of the table articles.
type article struct {
	ID         int64
	Name       string
	Price      string // has more digits than a float64
	Properties types.JSONText
	Retired    *time.Time
	Stock      int64
}

// order is a row of the table orders.
type order struct {
	ID      string
	Article int64
	Amount  int64
}

// statements are what the engines do not write alike.
type statements struct {
	schema  string
	deliver string // returns the id if returning, otherwise it is the last insert's
	record  string

	returning bool
}

var (
	postgreSQL = statements{
		schema: schemaPostgreSQL,
		deliver: `INSERT INTO articles (name, price, properties, retired, stock)
			VALUES (:name, :price, :properties, :retired, :stock)
			ON CONFLICT (name) DO UPDATE SET stock = articles.stock + excluded.stock RETURNING id`,
		record:    `INSERT INTO orders (id, article, amount) VALUES (:id, :article, :amount) ON CONFLICT (id) DO NOTHING`,
		returning: true,
	}
	mySQL = statements{
		schema: schemaMySQL,
		deliver: `INSERT INTO articles (name, price, properties, retired, stock)
			VALUES (:name, :price, :properties, :retired, :stock)
			ON DUPLICATE KEY UPDATE id = last_insert_id(id), stock = stock + VALUES(stock)`,
		record: `INSERT INTO orders (id, article, amount) VALUES (:id, :article, :amount) ON DUPLICATE KEY UPDATE id = id`,
	}
)

// warehouse is the database.
type warehouse struct {
	db  *sqlx.DB
	sql statements
}

// open connects nothing yet. sqlx chooses between ? and $1 by the driver's name, and does not know ours.
func open(url string) (*warehouse, error) {
	sqlx.BindDriver(pgdriver.Name, sqlx.DOLLAR)
	sqlx.BindDriver(mysqldriver.Name, sqlx.QUESTION)
	driver, sql := mysqldriver.Name, mySQL
	if strings.HasPrefix(url, "postgres") {
		driver, sql = pgdriver.Name, postgreSQL
	}
	db, err := sqlx.Open(driver, url)
	if err != nil {
		return nil, err
	}
	return &warehouse{db, sql}, nil
}

// prepare makes the tables, if that has not been done yet.
func (w *warehouse) prepare(ctx context.Context) error {
	for statement := range strings.SplitSeq(strings.TrimSpace(w.sql.schema), "\n\n") { // go-sql-driver takes one at a time
		if _, err := w.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// inTx is the recipe: it runs work in a transaction, and all of it again after a failover. core.RunTx would make the
// transaction with an *sql.Tx, and an *sqlx.Tx around that does not know which placeholders to write.
func inTx(ctx context.Context, db *sqlx.DB, work func(tx *sqlx.Tx) error) error {
	return core.Retry(ctx, func() error {
		tx, err := db.BeginTxx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // its error would hide the one that matters; after Commit it does nothing
		if err := work(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// stockUp adds articles that are new, all of them with one statement.
func (w *warehouse) stockUp(ctx context.Context, all []article) error {
	return inTx(ctx, w.db, func(tx *sqlx.Tx) error {
		_, err := tx.NamedExecContext(ctx, `INSERT INTO articles (name, price, properties, retired, stock)
			VALUES (:name, :price, :properties, :retired, :stock)`, all)
		return err
	})
}

// deliver adds an article, or to the stock of the one that has its name, and returns its id.
func (w *warehouse) deliver(ctx context.Context, a article) (id int64, err error) {
	err = inTx(ctx, w.db, func(tx *sqlx.Tx) error {
		if w.sql.returning {
			query, args, err := tx.BindNamed(w.sql.deliver, a)
			if err != nil {
				return err
			}
			return tx.GetContext(ctx, &id, query, args...)
		}
		result, err := tx.NamedExecContext(ctx, w.sql.deliver, a)
		if err != nil {
			return err
		}
		id, err = result.LastInsertId()
		return err
	})
	return id, err
}

// articles finds articles by their ids.
func (w *warehouse) articles(ctx context.Context, ids []int64) ([]article, error) {
	query, args, err := sqlx.In("SELECT * FROM articles WHERE id IN (?) ORDER BY id", ids)
	if err != nil {
		return nil, err
	}
	var found []article
	if err := w.db.SelectContext(ctx, &found, w.db.Rebind(query), args...); err != nil {
		return nil, err // and not what had been read before it
	}
	return found, nil
}

// errSoldOut ends an order that is for more than there is.
var errSoldOut = errors.New("sold out")

// take takes an order from the stock, exactly once: it is known by its id, so that it can be repeated even where the
// answer to the COMMIT was lost.
func (w *warehouse) take(ctx context.Context, o order) error {
	return core.RetryIdempotent(ctx, func() error {
		return inTx(ctx, w.db, func(tx *sqlx.Tx) error { return w.book(ctx, tx, o) })
	})
}

// book is the unit of work.
func (w *warehouse) book(ctx context.Context, tx *sqlx.Tx, o order) error {
	result, err := tx.NamedExecContext(ctx, w.sql.record, o)
	if err != nil {
		return err
	}
	if added, err := result.RowsAffected(); err != nil || added == 0 { // 0: it was committed after all; without clientFoundRows=true
		return err
	}
	result, err = tx.NamedExecContext(ctx, `UPDATE articles SET stock = stock - :amount WHERE id = :article AND stock >= :amount`, o)
	if err != nil {
		return err
	}
	if changed, err := result.RowsAffected(); err != nil || changed > 0 {
		return err
	}
	return fmt.Errorf("article %d: %w", o.Article, errSoldOut)
}
