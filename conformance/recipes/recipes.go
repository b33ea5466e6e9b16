// Package recipes has, for each ORM and query builder that applications use on
// database/sql, the ways to write a row which docs/ recommends: a transaction, or a
// single statement, repeated as long as [core.SafeToRepeat] says so; and rows that are known
// by their identifiers, which may be written again even when nobody knows whether they are
// there. What the tool makes of errors on their way from the driver decides whether that works.
// Package simulation proves it with random faults; this package's tests show what each kind of
// trouble ends with, and what of a tool the recipes stay away from.
//
// Goroutines share a pool. What waits with a mutex for somebody else's round trip would stop
// virtual time:
//
//   - RowsAffected and LastInsertId of a result whose connection has gone back to the pool.
//     Tools that ask for them write a single statement on a connection they have taken out.
//   - Statements that the tool prepares once and keeps for all. See [Tool.Alone].
package recipes

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
)

// The tables that rows are written into, as both engines understand them.
const (
	Table      = "create table writes (id varchar(100), host varchar(100), seq serial)"
	KeyedTable = "create table keyed (id varchar(100) primary key, host varchar(100))"
)

// insertOnce writes a row unless it is there.
func insertOnce(front frontend.Frontend) string {
	if front == frontend.MySQL {
		return "insert ignore into keyed (id, host) values (?, ?)"
	}
	return "insert into keyed (id, host) values ($1, $2) on conflict do nothing"
}

// Tool is an ORM or query builder.
type Tool struct {
	Name string
	// Open makes a program of a pool, which it does not close.
	Open func(front frontend.Frontend, db *sql.DB) (Program, error)
	// Alone tells that only one goroutine at a time may use a program.
	Alone bool
}

// Program is what an application does with a tool.
type Program struct {
	// Writes are the ways to write any row, by their names.
	Writes map[string]Write
	// Once writes a row that is known by its identifier, into the other table.
	Once Write
	// Numbers gives the integers that a query returns, a row each.
	Numbers func(ctx context.Context, query string) ([]int64, error)
}

// Write writes a row once, however often it must begin again. Each attempt has a tag of
// its own, which begins with the given one.
type Write func(ctx context.Context, id, tag string) error

// All are the tools.
func All() []Tool {
	return []Tool{
		{Name: "bun", Open: openBun},
		{Name: "ent", Open: openEnt},
		{Name: "GORM", Open: openGORM},
		{Name: "GORM-PrepareStmt", Open: openPreparingGORM, Alone: true},
		{Name: "sqlc", Open: openSQLC},
		{Name: "sqlx", Open: openSQLX},
		{Name: "squirrel", Open: openSquirrel},
		{Name: "squirrel-StmtCache", Open: openPreparingSquirrel, Alone: true},
	}
}

// Named is the tool of that name.
func Named(name string) (Tool, error) {
	var names []string
	for _, tool := range All() {
		if tool.Name == name {
			return tool, nil
		}
		names = append(names, tool.Name)
	}
	return Tool{}, fmt.Errorf("no tool is called %q: there are %s", name, strings.Join(names, ", "))
}

// row is a row of the table as it is written.
type row struct {
	ID   string `db:"id"`
	Host string `db:"host"`
}

// repeated is core.Retry with a tag for each attempt.
func repeated(work func(ctx context.Context, r row) error) Write { return tagged(core.Retry, work) }

// known is core.RetryIdempotent with a tag for each attempt, for a row that is known by its
// identifier.
func known(work func(ctx context.Context, r row) error) Write {
	return tagged(core.RetryIdempotent, work)
}

func tagged(retry func(ctx context.Context, work func() error) error, work func(ctx context.Context, r row) error) Write {
	return func(ctx context.Context, id, tag string) error {
		try := 0
		return retry(ctx, func() error {
			try++
			return work(ctx, row{ID: id, Host: fmt.Sprintf("%s-%d", tag, try)})
		})
	}
}

// inRunTx is core.RunTx with a tag for each attempt.
func inRunTx(db *sql.DB, work func(ctx context.Context, tx *sql.Tx, r row) error) Write {
	return func(ctx context.Context, id, tag string) error {
		try := 0
		return core.RunTx(ctx, db, nil, func(tx *sql.Tx) error {
			try++
			return work(ctx, tx, row{ID: id, Host: fmt.Sprintf("%s-%d", tag, try)})
		})
	}
}

// pinned does something on a connection of its own.
func pinned(ctx context.Context, db *sql.DB, work func(c *sql.Conn) error) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it may be lost
	return work(c)
}
