package main

import _ "github.com/jackc/pgx/v5/stdlib"

func init() {
	databases = append(databases, database{"pgx", "postgres://app:" + password + "@127.0.0.1:1/shop?sslmode=disable"})
}
