module github.com/awsdb/awsdb/awsauth

go 1.25.0
