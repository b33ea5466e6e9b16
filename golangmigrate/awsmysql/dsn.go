package awsmysql

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	native "github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/golangmigrate/internal/options"
	"github.com/awsdb/awsdb/mysqldriver"
)

// pythonScheme is how SQLAlchemy names the Python wrapper's dialect.
const pythonScheme = "mysql+aws_wrapper_mysqlconnector"

// parse reads what is left of a database URL without its options.
func parse(databaseURL string) (*native.Config, error) {
	scheme, location, ok := strings.Cut(databaseURL, "://")
	if !ok || (scheme != mysqldriver.Name && scheme != "mysql") {
		return mysqldriver.ParseDSN(databaseURL)
	}
	if !isDSN(location) {
		return mysqldriver.ParseDSN("mysql://" + location)
	}
	cfg, err := mysqldriver.ParseDSN(location)
	if err != nil {
		return nil, err
	}
	// A DSN has them as they are, golang-migrate's URL around it percent-encoded.
	for _, field := range []*string{&cfg.User, &cfg.Passwd} {
		if *field, err = url.QueryUnescape(*field); err != nil { // an error would quote it
			return nil, fmt.Errorf("%w: user or password: invalid percent-encoding: write %%25 for a percent sign", core.ErrConfig)
		}
	}
	return cfg, nil
}

// isDSN tells a DSN from a URL without its scheme: it has the address in parentheses. A URL has no "/" before that of its
// path, and no host ends like that.
func isDSN(location string) bool {
	place, _, _ := strings.Cut(location, "?")
	return strings.Contains(place, ")/")
}

// renamed are golang-migrate's options for TLS, as mysqldriver knows them.
var renamed = []struct{ option, param string }{{"x-tls-ca", "ssl_ca"}, {"x-tls-cert", "ssl_cert"}, {"x-tls-key", "ssl_key"}}

// ownTLS are go-sql-driver's values of tls; others are names of the program's choice.
var ownTLS = []string{"true", "1", "false", "0", "skip-verify", "preferred"}

// translateTLS writes the options for TLS into a database URL, where the names after tls= that go
// with them mean nothing.
func translateTLS(databaseURL string, o *options.Options) string {
	var params []string
	for _, r := range renamed {
		if value := o.Text(r.option); value != "" {
			params = append(params, r.param+"="+url.QueryEscape(value))
		}
	}
	if o.Bool("x-tls-insecure-skip-verify") {
		params = append(params, "ssl_verify_cert=false")
	}
	if len(params) == 0 {
		return databaseURL
	}
	head := databaseURL
	if mark := strings.LastIndexByte(databaseURL, '?'); mark >= 0 {
		head = databaseURL[:mark]
		for param := range strings.SplitSeq(databaseURL[mark+1:], "&") {
			if name, ok := strings.CutPrefix(param, "tls="); !ok || slices.Contains(ownTLS, strings.ToLower(name)) {
				params = append(params, param)
			}
		}
	}
	return head + "?" + strings.Join(params, "&")
}
