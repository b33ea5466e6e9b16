package iamauth_test

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/iamauth"
)

// An application that has loaded the configuration of AWS itself. The plugin is for WithPlugins of
// the driver modules.
func ExampleNew() {
	cfg := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")}
	login, err := iamauth.New(iamauth.Options{AWS: awsauth.Options{Config: &cfg}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(login.Code())
	// Output:
	// iam
}

// A tunnel to the database, and a profile of the shared configuration files.
func ExampleNew_tunnel() {
	login, err := iamauth.New(iamauth.Options{
		AWS:  awsauth.Options{Profile: "production"},
		Host: "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com",
		Port: 5432,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(login.Code())
	// Output:
	// iam
}
