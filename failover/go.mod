module github.com/awsdb/awsdb/failover

go 1.25.0
