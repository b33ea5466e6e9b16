package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/federated/adfs"
	_ "github.com/awsdb/awsdb/federated/okta"
	_ "github.com/awsdb/awsdb/iamauth"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
	_ "github.com/awsdb/awsdb/secrets"
)

// tokenOptions say what to log in to, where no connection string does.
type tokenOptions struct {
	host, user, region, profile string
	port                        uint16
	escape                      bool
	timeout                     time.Duration
}

func newToken() *cobra.Command {
	var o tokenOptions
	c := &cobra.Command{
		Use:   "token [connection string]",
		Short: "Prints what to log in to a database with, for psql, mysql and migration tools",
		Long: `Prints the password with which awsdb would log in now: the IAM token that the plugins iam,
federated_auth or okta make, or the password that aws_secrets_manager finds. The database is
named by flags, for IAM, or by a connection string as an application has it, for any plugin.

A token is good for 15 minutes and for the host it was made for, and must be sent over TLS.`,
		Example: `  PGPASSWORD="$(awsdb token --host mydb.cluster-c9xyz.us-east-1.rds.amazonaws.com --user app)" \
    psql "host=mydb.cluster-c9xyz.us-east-1.rds.amazonaws.com user=app dbname=app sslmode=verify-full sslrootcert=global-bundle.pem"

  MYSQL_PWD="$(awsdb token --host "$HOST" --port 3306 --user app)" \
    mysql --enable-cleartext-plugin --ssl-mode=VERIFY_IDENTITY --ssl-ca=global-bundle.pem --host "$HOST" --user app

  migrate -database "postgres://app:$(awsdb token --escape "$DATABASE_URL")@$HOST/app?sslmode=verify-full" up`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{errors.New("more than one connection string: write it in quotes")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			k, err := o.connector(args)
			if err != nil {
				return usageError{err}
			}
			ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
			defer cancel()
			return errors.Join(o.print(ctx, c.OutOrStdout(), k), k.Close())
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.host, "host", "", "the endpoint of the cluster or instance that the tool connects to")
	flags.Uint16Var(&o.port, "port", 5432, "its port; MySQL's is 3306")
	flags.StringVar(&o.user, "user", "", "the database user")
	flags.StringVar(&o.region, "region", "", "the database's region, where the endpoint does not say it")
	flags.StringVar(&o.profile, "profile", "", "the profile in ~/.aws/config that signs, instead of the default")
	flags.BoolVar(&o.escape, "escape", false, "print it as it must stand in a URL")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "how long it may take")
	return c
}

// connector is the handle that an application would open.
func (o tokenOptions) connector(args []string) (*core.Connector, error) {
	flagged := o.host != "" || o.user != "" || o.region != "" || o.profile != ""
	switch {
	case len(args) == 1 && flagged:
		return nil, errors.New("a connection string says all: leave out --host, --user, --region and --profile, or the string")
	case len(args) == 1:
		return open(args[0])
	case o.host == "" || o.user == "":
		return nil, errors.New("which database? write --host and --user, or a connection string")
	}
	params := url.Values{"plugins": {"iam"}}
	for key, value := range map[string]string{"iam_region": o.region, "aws_profile": o.profile} {
		if value != "" {
			params.Set(key, value)
		}
	}
	dsn := url.URL{
		Scheme: "postgres", User: url.User(o.user), Path: "/",
		Host: net.JoinHostPort(o.host, strconv.Itoa(int(o.port))), RawQuery: params.Encode(),
	}
	return open(dsn.String())
}

// open recognises the engine of a connection string by its form.
func open(dsn string) (*core.Connector, error) {
	var d driver.DriverContext = pgdriver.Driver{}
	if strings.HasPrefix(dsn, "mysql") || (!strings.Contains(dsn, "://") && strings.Contains(dsn, ")/")) {
		d = mysqldriver.Driver{}
	}
	k, err := d.OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	return k.(*core.Connector), nil
}

func (o tokenOptions) print(ctx context.Context, out io.Writer, k *core.Connector) error {
	_, password, err := k.Credentials(ctx)
	if err != nil {
		return err
	}
	if password == "" {
		return errors.New("the connection string names no plugin that has credentials: add plugins=iam, or the parameters of another one")
	}
	text := string(password)
	if o.escape {
		text = strings.ReplaceAll(url.QueryEscape(text), "+", "%20") // in a user's part a plus sign is one
	}
	_, err = fmt.Fprintln(out, text)
	return err
}
