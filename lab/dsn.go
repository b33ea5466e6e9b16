package lab

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// DSN is a connection string for a host of the cluster, with user, password, database and what TLS needs, in the form
// of the flavor's driver: a URL for pgx, user:password@tcp(host:port)/database for go-sql-driver. Each of params is
// one "key=value", not escaped, and replaces a parameter of that name. A user who logs in with a token has no password there.
//
// go-sql-driver has no parameter for a certificate authority: with TLS the DSN holds ssl_ca, which awsmysql knows; for
// the driver alone leave it out and set Config.TLS with [Cluster.RootCAs].
func (c *Cluster) DSN(host string, params ...string) string {
	values := url.Values{}
	switch {
	case c.options.Flavor.family() == mySQL && c.authority != nil:
		values.Set("ssl_ca", c.authority.file)
	case c.options.Flavor.family() == mySQL:
	case c.authority != nil:
		values.Set("sslmode", "verify-full")
		values.Set("sslrootcert", c.authority.file)
	default:
		values.Set("sslmode", "disable")
	}
	for _, param := range params {
		key, value, _ := strings.Cut(param, "=")
		values.Set(key, value)
	}
	query := strings.ReplaceAll(values.Encode(), "+", "%20") // to PostgreSQL, a plus sign is one
	o, token := c.options, slices.Contains(c.options.IAMUsers, c.options.User)
	address := net.JoinHostPort(host, strconv.Itoa(c.port()))
	if o.Flavor.family() == mySQL {
		query = strings.ReplaceAll(query, "%2C", ",") // go-sql-driver splits charset as it is
		user := o.User
		if !token {
			user += ":" + o.Password
		}
		return strings.TrimSuffix(fmt.Sprintf("%s@tcp(%s)/%s?%s", user, address, url.PathEscape(o.Database), query), "?")
	}
	user := url.UserPassword(o.User, o.Password)
	if token {
		user = url.User(o.User)
	}
	u := url.URL{
		Scheme: "postgres", User: user,
		Host: address, Path: "/" + o.Database, RawQuery: query,
	}
	return u.String()
}

// port is the one every instance pretends to listen on.
func (c *Cluster) port() int { return c.options.Flavor.port() }
