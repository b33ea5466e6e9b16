// Package pgdriver makes pgx follow an Amazon Aurora PostgreSQL or RDS cluster, through
// database/sql and through pgx's own pool. Both front ends have the same plugins,
// parameters and errors; they differ in whose interface the application speaks.
//
// # database/sql
//
// Importing the package registers the driver "awspg". It takes pgx's own connection
// strings, URL or keyword form, with awsdb's parameters among them:
//
//	import (
//		_ "github.com/awsdb/awsdb/failover"
//		_ "github.com/awsdb/awsdb/hostmonitor"
//		_ "github.com/awsdb/awsdb/pgdriver"
//	)
//
//	db, err := sql.Open("awspg", "postgres://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app?failover_timeout_sec=60")
//
// The scheme postgresql+aws_wrapper_psycopg:// of the Python wrapper is accepted
// too. [NewConnector] is the form for code that has a *pgx.ConnConfig, or wants
// its own dialer, resolver, logger, or a hook that runs on each new connection.
//
// What database/sql gets is a wrapper around pgx's stdlib connection; it has
// every optional interface that one has. [Unwrap] reaches the *pgx.Conn, for COPY
// and everything else that is pgx's own.
//
// # pgxpool
//
// [NewPool] takes a configuration from pgxpool.ParseConfig, whose connection string may
// hold awsdb's parameters beside pgx's and the pool's, and returns a [Pool]. In its field
// Pool is a genuine *pgxpool.Pool, for libraries that want one:
//
//	cfg, err := pgxpool.ParseConfig("postgres://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app?pool_max_conns=20")
//	…
//	pool, err := pgdriver.NewPool(ctx, cfg)
//	…
//	defer pool.Close()
//	queries := sqlc.New(pool)                                // takes an interface: errors say all
//	client, err := river.NewClient(riverpgxv5.New(pool.Pool), …) // takes the type: ask Cause
//
// The methods of Pool, and the rows, batches, transactions and connections that come from
// them, return errors as database/sql gets them from awspg: they match core.ErrFailover
// and say whether the statement may have taken effect. [RunTx] repeats transactions by
// them. Whoever holds the bare pool, one of its connections, or a *pgx.Conn gets pgx's
// errors, of which [Cause] says as much as can be known afterwards. What happens to the
// connections is the same either way: a lost or condemned one is never handed out, new
// ones are on the right host, and those to a dead host are cut.
//
// [ConfigurePool] is for code that calls pgxpool.NewWithConfig itself. It also says in
// which order the hooks of the application and awsdb's run.
//
// A connection that was hijacked from the pool is cut with its host like the others, as
// long as the pool is open, but closing it is its owner's business. Without the failover
// plugin no error matches core.ErrFailover.
package pgdriver
