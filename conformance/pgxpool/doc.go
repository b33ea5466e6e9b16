// Package pgxpool tests what only the native pool of pgdriver has: pgx's own interface,
// the hooks of its configuration, what it promises of errors. What holds for every front
// end is tested by the scenarios.
package pgxpool
