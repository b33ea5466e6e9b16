package adfs_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/federated/adfs"
)

// The plugin is for WithPlugins of the driver modules, beside failover and the others.
func ExampleNew() {
	login, err := adfs.New(adfs.Options{Options: federated.Options{
		Endpoint:    "adfs.corp.example.com",
		User:        "svc-app@corp.example.com",
		Password:    "from your vault",
		RoleARN:     "arn:aws:iam::123456789012:role/db-app",
		ProviderARN: "arn:aws:iam::123456789012:saml-provider/corporate",
		DBUser:      "app",
		Timeout:     10 * time.Second,
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(login.Code())
	// Output:
	// federated_auth
}

// What is wrong with the options is told at once.
func ExampleNew_mistakes() {
	_, err := adfs.New(adfs.Options{Options: federated.Options{
		Endpoint:    "http://adfs.corp.example.com",
		User:        "svc-app@corp.example.com",
		Password:    "from your vault",
		RoleARN:     "db-app",
		ProviderARN: "arn:aws:iam::123456789012:saml-provider/corporate",
		DBUser:      "app",
	}})
	fmt.Println(errors.Is(err, core.ErrConfig))
	fmt.Println(err)
	// Output:
	// true
	// awsdb: configuration: idp_endpoint="http://adfs.corp.example.com": passwords are sent by https only: write the host name alone
	// iam_role_arn="db-app": want arn:aws:iam::<account>:role/<name>
}
