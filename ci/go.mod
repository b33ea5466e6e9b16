module github.com/awsdb/awsdb/ci

go 1.25.0
