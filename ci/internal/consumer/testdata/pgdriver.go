package main

import _ "github.com/awsdb/awsdb/pgdriver"

func init() {
	databases = append(databases, database{"awspg", "postgres://app:" + password + "@127.0.0.1:1/shop?sslmode=disable"})
}
