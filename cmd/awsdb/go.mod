module github.com/awsdb/awsdb/cmd/awsdb

go 1.25.0
