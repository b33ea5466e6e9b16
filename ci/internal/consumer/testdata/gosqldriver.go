package main

import _ "github.com/go-sql-driver/mysql"

func init() {
	databases = append(databases, database{"mysql", "app:" + password + "@tcp(127.0.0.1:1)/shop?parseTime=true"})
}
