// Package real runs an ordinary *sql.DB on pgdriver and failover against real
// PostgreSQL servers that are killed, stopped, shut down and promoted for real.
// All of it is in the tests. They need the server programs of PostgreSQL (apt-get
// install postgresql); AWSDB_UNIT=1 leaves them out.
package real
