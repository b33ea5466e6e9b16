module github.com/awsdb/awsdb/secrets

go 1.25.0
