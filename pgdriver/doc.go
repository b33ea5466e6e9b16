// Package pgdriver makes database/sql pools of pgx connections follow an Amazon
// Aurora PostgreSQL or RDS cluster.
//
// Importing it registers the driver "awspg". It takes pgx's own connection
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
package pgdriver
