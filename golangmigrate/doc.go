// Package golangmigrate is what golang-migrate needs to run migrations over awsdb's drivers. The packages below it are
// golang-migrate database drivers, one for each engine, as golang-migrate has them, so that a program links one engine
// only. Importing one registers its URL scheme:
//
//	import (
//		_ "github.com/awsdb/awsdb/failover"
//		_ "github.com/awsdb/awsdb/golangmigrate/awspg" // or …/awsmysql
//		_ "github.com/golang-migrate/migrate/v4/source/file"
//	)
//
//	m, err := migrate.New("file://migrations", "awspg://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app?x-migrations-table=versions")
//
// Parameters that begin with x- are golang-migrate's own and mean what they mean for its drivers pgx/v5 and mysql; one that
// the driver does not know is an error. All others are those of pgdriver or mysqldriver. SQL, lock and version table
// are golang-migrate's: a deployment that still runs the bare driver and one of this kind keep out of each
// other's way.
//
// golang-migrate's errors hide their cause. Here errors.Is and errors.As find it: core.ErrFailover, *pgconn.PgError,
// *mysql.MySQLError. [Wrap] does that for a driver made by golang-migrate's WithInstance as well.
//
// Migrations run on the writer: give the URL of the cluster's writer endpoint. What a run looks like that a failover
// ends is on the page docs/golang-migrate.md of the repository.
package golangmigrate
