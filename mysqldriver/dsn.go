package mysqldriver

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

// The schemes of URLs. pythonScheme is how SQLAlchemy names the Python wrapper's
// dialect.
const (
	urlScheme    = "mysql://"
	pythonScheme = "mysql+aws_wrapper_mysqlconnector://"
)

// defaultPort is MySQL's.
const defaultPort = "3306"

// ParseDSN makes a configuration for NewConnector, and for nothing else, of everything
// that sql.Open takes with "awsmysql": go-sql-driver's own DSNs, which its parser reads,
// and URLs. What the driver does not know is left in Params, awsdb's keys among it. The
// error matches core.ErrConfig and holds no part of the password.
func ParseDSN(dsn string) (*mysql.Config, error) {
	if rest, ok := cutScheme(dsn, pythonScheme); ok {
		return parseURL(rest, true)
	}
	if rest, ok := cutScheme(dsn, urlScheme); ok {
		return parseURL(rest, false)
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, explain(dsn, err)
	}
	return cfg, nil
}

// explain says what is wrong with a DSN that the driver's parser has refused. The
// parser quotes what it cannot make sense of, which may be a part of the password,
// and does not name the parameter. Only what follows the last slash is ever quoted
// here, and that only if no @ is in it, which would end a password.
func explain(dsn string, err error) error {
	slash := strings.LastIndexByte(dsn, '/')
	tail := dsn[slash+1:]
	if slash < 0 || strings.Contains(tail, "@") {
		return errForm
	}
	_, query, _ := strings.Cut(tail, "?")
	for param := range strings.SplitSeq(query, "&") {
		key, _, _ := strings.Cut(param, "=")
		if key == "strict" { // the parser panics at it, but has not come this far
			return errForm
		}
		if _, err := mysql.ParseDSN("/?" + param); err != nil {
			return fmt.Errorf("%w: parameter %s: %w", core.ErrConfig, key, withoutValue(err))
		}
	}
	if _, alone := mysql.ParseDSN("/" + tail); alone != nil {
		return fmt.Errorf("%w: %w", core.ErrConfig, withoutValue(err))
	}
	return errForm
}

var errForm = fmt.Errorf("%w: the DSN cannot be read: write user:password@tcp(host:3306)/database?key=value "+
	"with every / in a value as %%2F, or mysql://user:password@host:3306/database?key=value with special characters percent-encoded", core.ErrConfig)

// withoutValue replaces an error that quotes a part of a value which may be secret.
func withoutValue(err error) error {
	if errors.As(err, new(url.EscapeError)) {
		return errors.New("invalid percent-encoding: write %25 for a percent sign")
	}
	return err
}

func cutScheme(dsn, scheme string) (rest string, ok bool) {
	if len(dsn) < len(scheme) || !strings.EqualFold(dsn[:len(scheme)], scheme) {
		return "", false
	}
	return dsn[len(scheme):], true
}

// parseURL reads a URL, of which rest is what follows the scheme. Host, database
// and parameters go through the driver's parser; user and password do not, so that
// they may hold any character. net/url quotes what it does not understand in its
// errors, which may be a part of the password.
func parseURL(rest string, python bool) (*mysql.Config, error) {
	u, err := url.Parse(urlScheme + rest)
	if err != nil || u.Fragment != "" || (u.User == nil && strings.Contains(u.EscapedPath()+u.RawQuery, "@")) {
		return nil, fmt.Errorf("%w: the DSN is not a URL: write mysql://user:password@host:3306/database?key=value, "+
			"with special characters of user and password percent-encoded", core.ErrConfig)
	}
	// The driver's parser looks for the last slash, splits at the first question
	// mark, and leaves the commas of charset as they are.
	encode := strings.NewReplacer("/", "%2F", "%2C", ",", "%2c", ",")
	dsn := "/" + encode.Replace(strings.TrimPrefix(u.EscapedPath(), "/")) + "?" + encode.Replace(u.RawQuery)
	if u.Host != "" {
		dsn = "tcp(" + u.Host + ")" + dsn
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, explain(dsn, err)
	}
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	if err := translate(cfg); err != nil {
		return nil, err
	}
	if python && cfg.TLSConfig == "" && !hasTLSKeys(cfg.Params) {
		cfg.TLSConfig = "preferred"
	}
	return cfg, nil
}

// address is where the configuration leads: "host:port", or the path of a Unix
// socket. The defaults are the driver's.
func address(cfg *mysql.Config) (network, addr string) {
	network, addr = cfg.Net, cfg.Addr
	if network == "" {
		network = "tcp"
	}
	switch {
	case addr == "" && network == "unix":
		addr = "/tmp/mysql.sock"
	case addr == "":
		addr = net.JoinHostPort("127.0.0.1", defaultPort)
	case network != "unix":
		if v6, ok := strings.CutSuffix(addr, "]:"+defaultPort); ok && strings.HasPrefix(v6, "[[") {
			addr = v6[1:] // the driver's parser adds the port to [::1] so that it cannot be dialled
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(strings.Trim(addr, "[]"), defaultPort)
		}
	}
	return network, addr
}
