module github.com/awsdb/awsdb/pgdriver

go 1.25.0
