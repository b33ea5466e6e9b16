package cloud_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
)

// authenticate signs in at Okta.
func authenticate(client *http.Client, address, password string) (string, error) {
	body := `{"username": "ann@example.com", "password": "` + password + `"}`
	response, err := client.Post(address+"/api/v1/authn", "application/json", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct{ Status, ErrorSummary string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", err
	}
	return answer.Status + answer.ErrorSummary, nil
}

// Without a socket: whatever the host, the request is answered in this process. The AWS SDK takes the same client, and the
// keys of an identity:
//
//	aws.Config{
//		Region:      provider.Region(),
//		HTTPClient:  provider.Client(),
//		Credentials: credentials.NewStaticCredentialsProvider(app.AccessKeyID, app.SecretAccessKey, ""),
//	}
func Example() {
	provider := cloud.New(cloud.Options{})
	provider.AddUser("ann@example.com", "secret")
	client := provider.Client()

	fmt.Println(authenticate(client, "https://example.okta.com", "wrong"))
	provider.RequireMFA("ann@example.com")
	fmt.Println(authenticate(client, "https://example.okta.com", "secret"))

	provider.Hang(cloud.Okta)
	client.Timeout = 50 * time.Millisecond // in a testing/synctest bubble it could be an hour
	_, err := authenticate(client, "https://example.okta.com", "secret")
	fmt.Println("failed:", err != nil)
	// Output:
	// Authentication failed <nil>
	// MFA_REQUIRED <nil>
	// failed: true
}

// With a socket, for another process or for code that makes its own HTTP client. The AWS SDK finds it by
// aws.Config.BaseEndpoint, or AWS_ENDPOINT_URL in the environment.
func Example_server() {
	provider := cloud.New(cloud.Options{})
	provider.AddUser("ann@example.com", "secret")
	server := httptest.NewTLSServer(provider)
	defer server.Close()

	fmt.Println(authenticate(server.Client(), server.URL, "secret"))
	fmt.Println(provider.Calls(cloud.OktaAuthenticate), "call")
	// Output:
	// SUCCESS <nil>
	// 1 call
}

// A pool that logs in to a database with tokens. In an application they come from feature/rds/auth of the AWS SDK, or
// from awsdb's plugin iam; here the identity makes them.
func ExampleIdentity_Token() {
	provider := cloud.New(cloud.Options{})
	app := provider.AddIdentity("app", cloud.Policy{DBUsers: []string{"app"}})
	cluster, err := lab.Start(lab.Options{Auth: lab.IAM, Cloud: provider, TLS: lab.TLSRequired})
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()

	cfg, err := pgxpool.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	cfg.ConnConfig.DialFunc, cfg.ConnConfig.LookupFunc = cluster.DialContext, cluster.LookupHost
	signFor := cluster.Endpoint()
	cfg.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
		cc.Password = app.Token(signFor, int(cc.Port), provider.Region(), cc.User)
		return nil
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	fmt.Println("good token:", pool.Ping(context.Background()))

	pool.Reset()
	signFor = cluster.ReaderEndpoint()
	fmt.Println("logged in:", pool.Ping(context.Background()) == nil)
	fmt.Println(cluster.Writer().Refusals()[0])
	// Output:
	// good token: <nil>
	// logged in: false
	// cloud: login token of "app": it is for host "mydb.cluster-ro-c9xyz0abcdef.us-east-1.rds.amazonaws.com", and this is mydb-1.c9xyz0abcdef.us-east-1.rds.amazonaws.com or mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com
}
