module github.com/awsdb/awsdb/iamauth

go 1.25.0
