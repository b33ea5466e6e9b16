package secrets_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/secrets"
)

// A secret of another account, read with a profile of the shared files and an HTTP client
// of the application's own. The plugin is for WithPlugins of the driver modules.
func ExampleNew() {
	login, err := secrets.New(secrets.Options{
		SecretID: "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf",
		AWS: awsauth.Options{
			Profile:    "database",
			HTTPClient: &http.Client{Timeout: 5 * time.Second},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(login.Code())
	// Output:
	// aws_secrets_manager
}

// Mistakes are found before anything is asked for.
func ExampleNew_wrong() {
	_, err := secrets.New(secrets.Options{
		SecretID: "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf",
		Region:   "eu-west-1",
	})
	fmt.Println(err)
	// Output:
	// awsdb: configuration: secrets.Options: region: eu-west-1 contradicts the secret's ARN, which is in us-east-1: leave it out
}
