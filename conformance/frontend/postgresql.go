package frontend

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// postgresql is pgdriver under database/sql.
type postgresql struct{}

func (postgresql) Name() string   { return "postgresql" }
func (postgresql) Driver() string { return pgdriver.Name }
func (postgresql) Unlike() Unlike { return Unlike{} }

func (postgresql) Flavors() Flavors {
	return Flavors{
		Aurora: lab.AuroraPG, GlobalAurora: lab.GlobalAuroraPG, MultiAZ: lab.MultiAZPG, RDS: lab.RDSPG,
		Community: []lab.Flavor{lab.PG}, RealCommunity: lab.PG,
	}
}

func (postgresql) Dialect(f lab.Flavor) string {
	return map[lab.Flavor]string{
		lab.AuroraPG: "aurora-pg", lab.GlobalAuroraPG: "global-aurora-pg", lab.MultiAZPG: "rds-multi-az-pg-cluster",
		lab.RDSPG: "rds-pg", lab.PG: "pg",
	}[f]
}

// pythonScheme is what the Python wrapper's URLs begin with.
const pythonScheme = "postgresql+aws_wrapper_psycopg"

func (f postgresql) DSN(l Login, params ...string) string { return f.DSNs(l, params...)["URL"] }

func (postgresql) DSNs(l Login, params ...string) map[string]string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(l.User, l.Password), Host: l.Host, Path: "/" + l.Database}
	quote := func(value string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
	}
	keywords := fmt.Sprintf("host=%s user=%s password=%s dbname=%s", quote(l.Host), quote(l.User), quote(l.Password), quote(l.Database))
	switch {
	case l.Port != 0:
		port := strconv.Itoa(int(l.Port))
		u.Host = net.JoinHostPort(l.Host, port)
		keywords += " port=" + port
	case strings.Contains(l.Host, ":"):
		u.Host = "[" + l.Host + "]"
	}
	var query []string
	for _, p := range params {
		key, value, _ := strings.Cut(p, "=")
		query = append(query, key+"="+strings.ReplaceAll(url.QueryEscape(value), "+", "%20")) // to PostgreSQL, a plus sign is one
		keywords += " " + key + "=" + quote(value)
	}
	u.RawQuery = strings.Join(query, "&")
	python := u
	python.Scheme = pythonScheme
	return map[string]string{"URL": u.String(), "python URL": python.String(), "keywords": keywords}
}

func (f postgresql) Open(o Options) (*Handle, error) {
	o.setDefaults()
	cfg, err := f.parse(o.DSN)
	if err != nil {
		return nil, err
	}
	k, err := pgdriver.NewConnector(cfg, configure(cfg, o)...)
	if err != nil {
		return nil, err
	}
	return newHandle(k)
}

func (postgresql) OpenDSN(dsn string) (*Handle, error) { return openNamed(pgdriver.Name, dsn) }

// configure puts into cfg what o says, and the rest into options.
func configure(cfg *pgx.ConnConfig, o Options) []pgdriver.Option {
	for key, value := range o.Params {
		if cfg.RuntimeParams[key] == "" {
			cfg.RuntimeParams[key] = value
		}
	}
	if o.Authorities != nil && cfg.TLSConfig != nil {
		cfg.TLSConfig.RootCAs = o.Authorities
	}
	opts := []pgdriver.Option{pgdriver.WithDialer(o.Dial), pgdriver.WithResolver(o.Resolver)}
	if o.Logger != nil {
		opts = append(opts, pgdriver.WithLogger(o.Logger))
	}
	if o.Plugins != nil {
		opts = append(opts, pgdriver.WithPlugins(o.Plugins...))
	}
	if o.OnConnect != nil {
		opts = append(opts, pgdriver.WithOnConnect(func(ctx context.Context, c *pgx.Conn) error { return o.OnConnect(ctx, queryPGX(c)) }))
	}
	return opts
}

// parse is pgx's parser.
func (postgresql) parse(dsn string) (*pgx.ConnConfig, error) { return pgx.ParseConfig(known(dsn)) }

// known is the connection string in a form that pgx knows. The Python scheme is for
// those who only have a connection string.
func known(dsn string) string {
	if rest, ok := strings.CutPrefix(dsn, pythonScheme); ok {
		return "postgresql" + rest
	}
	return dsn
}

func (f postgresql) Bare(c *lab.Cluster, dsn string) (driver.Connector, error) {
	cfg, err := f.parse(dsn)
	if err != nil {
		return nil, err
	}
	cfg.DialFunc, cfg.LookupFunc = c.DialContext, c.LookupHost
	return stdlib.GetConnector(*cfg), nil
}

func (postgresql) Unwrap(driverConn any) (Query, bool) {
	conn, ok := pgdriver.Unwrap(driverConn)
	if !ok {
		return nil, false
	}
	return queryPGX(conn), true
}

func queryPGX(c *pgx.Conn) Query {
	return func(ctx context.Context, statement string) (any, error) {
		rows, err := c.Query(ctx, statement)
		if err != nil {
			return nil, err
		}
		values, err := pgx.CollectOneRow(rows, func(row pgx.CollectableRow) (any, error) {
			all, err := row.Values()
			return all[0], err
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil
		}
		return values, err
	}
}

func (postgresql) Code(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

func (postgresql) Own(text string) bool {
	return strings.Contains(text, "pg_catalog.") || strings.Contains(text, "rds_tools.") || text == "SHOW transaction_read_only"
}

func (postgresql) SQL() SQL {
	return SQL{
		Bind:            dollars,
		Host:            "aurora_db_instance_identifier()",
		InstanceID:      "select aurora_db_instance_identifier()",
		Reader:          "select pg_is_in_recovery()",
		SessionID:       "select pg_backend_pid()",
		EndSession:      "select pg_terminate_backend(pg_backend_pid())",
		OtherSessions:   "select count(*) from pg_stat_activity where usename = current_user and pid <> pg_backend_pid()",
		Begin:           "begin",
		Commit:          "commit",
		Sleep:           func(d time.Duration) string { return fmt.Sprintf("select pg_sleep(%v)", d.Seconds()) },
		Series:          func(n int) string { return fmt.Sprintf("select i from generate_series(1, %d) as g(i)", n) },
		Rows:            "insert into t (id) select i from generate_series(1, 5) as g(i) returning id",
		RowsOf:          "insert into t (id) select i from generate_series(1, $1::int8) as g(i) returning id",
		AuroraTopology:  "aurora_replica_status",
		MultiAZTopology: "rds_tools.",
	}
}

// dollars numbers the placeholders.
func dollars(statement string) string {
	var b strings.Builder
	for n, part := range strings.Split(statement, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
	}
	return b.String()
}

func (postgresql) Params() Params {
	const mode = "default_query_exec_mode="
	return Params{
		Modes:    []string{mode + "cache_statement", mode + "cache_describe", mode + "describe_exec", mode + "exec", mode + "simple_protocol"},
		ReadOnly: "default_transaction_read_only=on",
		Session: []string{
			"target_session_attrs=read-write", "statement_timeout=5000", "search_path=evil", "datestyle=German",
			"default_transaction_read_only=off",
		},
		Auths:        []lab.Auth{lab.Password, lab.Cleartext},
		NoTLS:        "sslmode=disable",
		VerifiedTLS:  func(file string) []string { return []string{"sslmode=verify-full", "sslrootcert=" + file} },
		Wrong:        []string{"sslmode=never", "port=abc", "connect_timeout=-"},
		MultiAZAlias: "databaseDialect=multi-az-pg",
	}
}

func (postgresql) Codes() Codes {
	return Codes{
		ReadOnly:            "25006",
		ReadOnlyTransaction: "25006",
		UniqueViolation:     "23505",
		UndefinedTable:      "42P01",
		NotPermitted:        "42501",
		Shutdown:            "57P01",
		TooManyConnections:  "53300",
		WrongPassword:       "28P01",
		NoLogin:             "28000",
		NoDatabase:          "3D000",
		TLSRequired:         "28000",
		Internal:            "XX000",
		Harmless:            []string{"08006", "58P01", "53300", "22000"},
	}
}
