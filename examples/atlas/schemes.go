package main

import (
	"net/url"
	"strings"

	"ariga.io/atlas/sql/mysql"
	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/sqlclient"

	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

// With these, sqlclient.Open takes awspg://… and awsmysql://…. DriverOpener opens the database/sql driver that has the
// scheme's name.
func init() {
	sqlclient.Register(pgdriver.Name, sqlclient.DriverOpener(postgres.Open), sqlclient.RegisterCodec(postgres.MarshalHCL, postgres.EvalHCL),
		sqlclient.RegisterURLParser(sqlclient.URLParserFunc(func(u *url.URL) *sqlclient.URL {
			return &sqlclient.URL{URL: u, DSN: as("postgres", u), Schema: u.Query().Get("search_path")}
		})))
	sqlclient.Register(mysqldriver.Name, sqlclient.DriverOpener(mysql.Open), sqlclient.RegisterCodec(mysql.MarshalHCL, mysql.EvalHCL),
		sqlclient.RegisterURLParser(sqlclient.URLParserFunc(func(u *url.URL) *sqlclient.URL {
			return &sqlclient.URL{URL: u, DSN: as("mysql", u), Schema: strings.TrimPrefix(u.Path, "/")}
		})))
}

func as(scheme string, u *url.URL) string {
	other := *u
	other.Scheme = scheme
	return other.String()
}
