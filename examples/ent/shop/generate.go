// Package shop is what ent makes of the schema; run go generate after changing that.
package shop

//go:generate go run entgo.io/ent/cmd/ent@v0.14.5 generate --feature sql/upsert,sql/lock ./schema
