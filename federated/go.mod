module github.com/awsdb/awsdb/federated

go 1.25.0
