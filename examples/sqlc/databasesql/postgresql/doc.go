// Package postgresql is what sqlc makes of schema.sql and query.sql, for database/sql; run go generate after changing those.
package postgresql

//go:generate go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate -f ../sqlc.yaml
