package docs_test

import (
	"database/sql"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/iamauth"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
	"github.com/awsdb/awsdb/pgdriver"
	"github.com/jackc/pgx/v5"
)

func TestLogin(t *testing.T) {
	aws := cloud.New(cloud.Options{})
	identity := aws.AddIdentity("service", cloud.Policy{DBUsers: []string{"app"}})
	cluster, err := lab.Start(lab.Options{Auth: lab.IAM, Cloud: aws, TLS: lab.TLSRequired, User: "app"})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()

	login, err := iamauth.New(iamauth.Options{AWS: awsauth.Options{
		Credentials: credentials.NewStaticCredentialsProvider(identity.AccessKeyID, identity.SecretAccessKey, ""),
		HTTPClient:  aws.Client(), // instead of the internet
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	connector, err := pgdriver.NewConnector(cfg, pgdriver.WithPlugins(login),
		pgdriver.WithDialer(cluster.DialContext), pgdriver.WithResolver(cluster))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
}
