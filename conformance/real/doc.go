// Package real runs an ordinary *sql.DB on awsdb, and pgx's own pool, against real database servers
// that are killed, stopped, shut down and promoted for real. All of it is in the
// tests, which run for every front end; those about something that only one engine
// has are in files named after it. They need the server programs of PostgreSQL and
// MariaDB (apt-get install postgresql mariadb-server); AWSDB_UNIT=1 leaves them out.
package real
