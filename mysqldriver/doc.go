// Package mysqldriver makes database/sql pools of go-sql-driver/mysql connections
// follow an Amazon Aurora MySQL or RDS cluster.
//
// Importing it registers the driver "awsmysql". It takes go-sql-driver's own DSNs
// with awsdb's parameters among them:
//
//	import (
//		_ "github.com/awsdb/awsdb/failover"
//		_ "github.com/awsdb/awsdb/hostmonitor"
//		_ "github.com/awsdb/awsdb/mysqldriver"
//	)
//
//	db, err := sql.Open("awsmysql", "app:secret@tcp(mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com)/app?failover_timeout_sec=60")
//
// [NewConnector] is the form for code that has a *mysql.Config, or wants its own
// dialer, resolver, logger, or a hook that runs on each new connection; [ParseDSN]
// makes a configuration for it of any DSN or URL.
//
// # URLs
//
// URLs are accepted too: mysql://user:password@host:port/database, and
// mysql+aws_wrapper_mysqlconnector:// of the Python wrapper, with the parameters of
// go-sql-driver or of MySQL Connector/Python, which are translated. What has no
// meaning in Go (use_pure, pool_size and the like) is ignored, with one debug
// message. With the Python wrapper's scheme TLS is used when the server has it
// (tls=preferred) unless the URL says otherwise, as it is there.
//
// # TLS
//
// The server name that a certificate is checked for is that of the host dialled,
// which is seldom the one in the DSN. Authorities other than the system's, RDS's
// among them, need no mysql.RegisterTLSConfig: the parameter ssl_ca names a PEM
// file, ssl_cert and ssl_key those of a client certificate.
// ssl_verify_identity=false checks the certificate but not the name in it,
// ssl_verify_cert=false nothing.
//
// # Transactions
//
// MySQL commits the open transaction at DDL and some other statements. A connection
// that is lost after one of them, before the transaction's end, leaves nothing that
// could have been rolled back: the error matches core.ErrOutcomeUnknown, and core.RunTx
// does not repeat. Commit and Rollback end with the context of BeginTx, which the
// driver alone does not watch. Deadlocks (1213) and lock waits that took too long
// (1205) are what core.RunTx repeats.
//
// # What stays as it is
//
// What database/sql gets is a wrapper around go-sql-driver's connection; it has
// every optional interface that one has, and passes on what it does not override:
// interpolateParams, multiStatements, LOAD DATA LOCAL INFILE, compression.
// [Unwrap] reaches the driver's own connection. Two things differ: with the
// failover plugin a write that meets a demoted writer is recognised without
// rejectReadOnly, which then is left with the writes that a session's own settings
// refuse; and the driver's log goes to the logger of [WithLogger], at level Debug,
// unless the configuration has a Logger of its own.
package mysqldriver
