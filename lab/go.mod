module github.com/awsdb/awsdb/lab

go 1.25.0
