module github.com/awsdb/awsdb/bench

go 1.25.0
