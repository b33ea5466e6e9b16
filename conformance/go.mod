module github.com/awsdb/awsdb/conformance

go 1.25.0
