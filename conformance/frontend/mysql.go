package frontend

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/mysqldriver"
)

// mySQL is mysqldriver under database/sql.
type mySQL struct{}

func (mySQL) Name() string   { return "mysql" }
func (mySQL) Driver() string { return mysqldriver.Name }
func (mySQL) Unlike() Unlike { return Unlike{} }

func (mySQL) Flavors() Flavors {
	return Flavors{
		Aurora: lab.AuroraMySQL, GlobalAurora: lab.GlobalAuroraMySQL, MultiAZ: lab.MultiAZMySQL, RDS: lab.RDSMySQL,
		Community: []lab.Flavor{lab.MySQL, lab.MariaDB}, RealCommunity: lab.MariaDB,
	}
}

func (mySQL) Dialect(f lab.Flavor) string {
	return map[lab.Flavor]string{
		lab.AuroraMySQL: "aurora-mysql", lab.GlobalAuroraMySQL: "global-aurora-mysql", lab.MultiAZMySQL: "rds-multi-az-mysql-cluster",
		lab.RDSMySQL: "rds-mysql", lab.MySQL: "mysql", lab.MariaDB: "mariadb",
	}[f]
}

// mysqlSchemes are what URLs begin with: ours, and the Python wrapper's, which to
// net/url is none.
var mysqlSchemes = []string{"mysql://", "mysql+aws_wrapper_mysqlconnector://"}

func (f mySQL) DSN(l Login, params ...string) string { return f.DSNs(l, params...)["DSN"] }

func (mySQL) DSNs(l Login, params ...string) map[string]string {
	host := l.Host
	switch {
	case l.Port != 0:
		host = net.JoinHostPort(l.Host, strconv.Itoa(int(l.Port)))
	case strings.Contains(l.Host, ":"):
		host = "[" + l.Host + "]"
	}
	var query []string
	for _, p := range params {
		key, value, _ := strings.Cut(p, "=")
		query = append(query, key+"="+url.QueryEscape(value))
	}
	u := url.URL{User: url.UserPassword(l.User, l.Password), Host: host, Path: "/" + l.Database, RawQuery: strings.Join(query, "&")}
	rest := strings.TrimPrefix(u.String(), "//")
	dsn := fmt.Sprintf("%s:%s@tcp(%s)/%s?%s", l.User, l.Password, host, l.Database, u.RawQuery)
	return map[string]string{"DSN": dsn, "URL": mysqlSchemes[0] + rest, "python URL": mysqlSchemes[1] + rest}
}

func (f mySQL) Open(o Options) (*Handle, error) {
	o.setDefaults()
	cfg, err := f.parse(o.DSN)
	if err != nil {
		return nil, err
	}
	for key, value := range o.Params {
		if cfg.Params[key] == "" {
			cfg.Params[key] = value
		}
	}
	if o.Authorities != nil {
		delete(cfg.Params, authorityKey)
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Authorities}
	}
	opts := []mysqldriver.Option{mysqldriver.WithDialer(o.Dial), mysqldriver.WithResolver(o.Resolver)}
	if o.Logger != nil {
		opts = append(opts, mysqldriver.WithLogger(o.Logger))
	}
	if o.Plugins != nil {
		opts = append(opts, mysqldriver.WithPlugins(o.Plugins...))
	}
	if o.OnConnect != nil {
		opts = append(opts, mysqldriver.WithOnConnect(func(ctx context.Context, c driver.Conn) error { return o.OnConnect(ctx, queryNative(c)) }))
	}
	k, err := mysqldriver.NewConnector(cfg, opts...)
	if err != nil {
		return nil, err
	}
	return newHandle(k)
}

func (mySQL) OpenDSN(dsn string) (*Handle, error) { return openNamed(mysqldriver.Name, dsn) }

// parse is go-sql-driver's parser. URLs, which it does not know, are for those who
// only have a connection string.
func (mySQL) parse(dsn string) (*mysql.Config, error) {
	var login *url.Userinfo
	for _, scheme := range mysqlSchemes {
		rest, ok := strings.CutPrefix(dsn, scheme)
		if !ok {
			continue
		}
		u, err := url.Parse("//" + rest)
		if err != nil {
			return nil, err
		}
		login, dsn = u.User, "tcp("+u.Host+")"+u.Path+"?"+u.RawQuery
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if login != nil {
		cfg.User = login.Username()
		cfg.Passwd, _ = login.Password()
	}
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	return cfg, nil
}

// authorityKey is what the lab's connection strings say with TLS, and the driver
// by itself does not know.
const authorityKey = "ssl_ca"

func (f mySQL) Bare(c *lab.Cluster, dsn string) (driver.Connector, error) {
	cfg, err := f.parse(dsn)
	if err != nil {
		return nil, err
	}
	if cfg.Params[authorityKey] != "" {
		delete(cfg.Params, authorityKey)
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs()}
	}
	cfg.DialFunc, cfg.Logger = c.DialContext, &mysql.NopLogger{}
	return mysql.NewConnector(cfg)
}

func (mySQL) Unwrap(driverConn any) (Query, bool) {
	conn, ok := mysqldriver.Unwrap(driverConn)
	if !ok {
		return nil, false
	}
	return queryNative(conn), true
}

// queryNative asks by the text protocol, which gives most values as bytes.
func queryNative(c driver.Conn) Query {
	return func(ctx context.Context, statement string) (value any, err error) {
		rows, err := c.(driver.QueryerContext).QueryContext(ctx, statement, nil)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		row := make([]driver.Value, len(rows.Columns()))
		if err := rows.Next(row); errors.Is(err, io.EOF) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		if text, ok := row[0].([]byte); ok {
			return string(text), nil
		}
		return row[0], nil
	}
}

func (mySQL) Code(err error) string {
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		return strconv.Itoa(int(refused.Number))
	}
	return ""
}

// Own goes by the spelling: tests write what they ask in lower case.
func (mySQL) Own(text string) bool {
	return strings.HasPrefix(text, "SELECT ") || strings.HasPrefix(text, "SHOW ")
}

func (mySQL) SQL() SQL {
	series := func(n int) string { return fmt.Sprintf("select seq from seq_1_to_%d", n) } // of MariaDB; the lab has it, too
	return SQL{
		Bind:            func(statement string) string { return statement },
		Host:            "@@aurora_server_id",
		InstanceID:      "select @@aurora_server_id",
		Reader:          "select @@innodb_read_only",
		SessionID:       "select connection_id()",
		EndSession:      "kill connection_id()",
		OtherSessions:   "select count(*) from information_schema.processlist where user = substring_index(current_user(), '@', 1) and id <> connection_id()",
		Begin:           "START TRANSACTION",
		Commit:          "COMMIT",
		Sleep:           func(d time.Duration) string { return fmt.Sprintf("select sleep(%v)", d.Seconds()) },
		Settled:         " lock in share mode",
		Series:          series,
		Rows:            series(5),
		RowsOf:          series(5) + " where seq <= ?",
		AuroraTopology:  "replica_host_status",
		MultiAZTopology: "rds_topology",
	}
}

func (mySQL) Params() Params {
	return Params{
		Modes:          []string{"interpolateParams=true", "interpolateParams=false", "compress=true"},
		PreparingModes: []string{"interpolateParams=false", "compress=true"},
		ReadOnly:       "transaction_read_only=1",
		Session: []string{
			"max_execution_time=5000", "group_concat_max_len=4", "transaction_read_only=0", "sql_mode='ANSI'", "parseTime=true",
			"columnsWithAlias=true", "maxAllowedPacket=1000", "readTimeout=5s",
		},
		NoTLS:        "ssl_disabled=true",
		VerifiedTLS:  func(file string) []string { return []string{"ssl_ca=" + file} },
		Auths:        []lab.Auth{lab.Password, lab.NativePassword, lab.Cleartext},
		Cleartext:    []string{"allowCleartextPasswords=true"},
		LongLocks:    []string{"innodb_lock_wait_timeout=3600"},
		Wrong:        []string{"tls=sometimes", "timeout=abc", "maxAllowedPacket=much", "parseTime=perhaps"},
		MultiAZAlias: "databaseDialect=multi-az-mysql",
	}
}

func (mySQL) Codes() Codes {
	return Codes{
		ReadOnly:            "1290",
		ReadOnlyTransaction: "1792",
		UniqueViolation:     "1062",
		UndefinedTable:      "1146",
		NotPermitted:        "1142",
		Shutdown:            "1053",
		TooManyConnections:  "1040",
		WrongPassword:       "1045",
		NoLogin:             "3118",
		NoDatabase:          "1049",
		TLSRequired:         "3159",
		Internal:            "1105",
		Harmless:            []string{"1429", "1017", "1040", "1189"},
	}
}
