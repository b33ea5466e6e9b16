package main

import _ "github.com/awsdb/awsdb/mysqldriver"

func init() {
	databases = append(databases, database{"awsmysql", "app:" + password + "@tcp(127.0.0.1:1)/shop?parseTime=true"})
}
