package okta_test

import (
	"fmt"

	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/federated/okta"
)

// The plugin is for WithPlugins of the driver modules, beside failover and the others.
func ExampleNew() {
	login, err := okta.New(okta.Options{
		Options: federated.Options{
			Endpoint:    "example.okta.com",
			User:        "svc-app@example.com",
			Password:    "from your vault",
			RoleARN:     "arn:aws:iam::123456789012:role/db-app",
			ProviderARN: "arn:aws:iam::123456789012:saml-provider/okta",
			DBUser:      "app",
		},
		AppID: "exk1a2b3c4",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(login.Code())
	// Output:
	// okta
}
