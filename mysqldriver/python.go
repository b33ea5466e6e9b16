package mysqldriver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

// pythonOnly are arguments of MySQL Connector/Python (its manual, "Connector/Python
// Connection Arguments") about Python itself, or about mechanisms that database/sql
// has in another form.
var pythonOnly = map[string]bool{
	"use_pure": true, "use_unicode": true, "buffered": true, "raw": true, "consume_results": true,
	"get_warnings": true, "raise_on_warnings": true, "converter_class": true, "converter_str_fallback": true,
	"pool_name": true, "pool_size": true, "pool_reset_session": true, "option_files": true, "option_groups": true,
	"auth_plugin": true, "client_flags": true, "force_ipv6": true, "read_default_file": true, "conn_attrs": true,
}

// pythonKeys translates the other arguments.
var pythonKeys = map[string]func(cfg *mysql.Config, value string) error{
	"connection_timeout": func(cfg *mysql.Config, value string) error { return seconds(&cfg.Timeout, value) },
	"connect_timeout":    func(cfg *mysql.Config, value string) error { return seconds(&cfg.Timeout, value) },
	"read_timeout":       func(cfg *mysql.Config, value string) error { return seconds(&cfg.ReadTimeout, value) },
	"write_timeout":      func(cfg *mysql.Config, value string) error { return seconds(&cfg.WriteTimeout, value) },
	"allow_local_infile": func(cfg *mysql.Config, value string) (err error) {
		cfg.AllowAllFiles, err = boolean(value)
		return err
	},
	"unix_socket": func(cfg *mysql.Config, value string) error { cfg.Net, cfg.Addr = "unix", value; return nil },
	"time_zone":   func(cfg *mysql.Config, value string) error { return variable(cfg, "time_zone", value) },
	"sql_mode":    func(cfg *mysql.Config, value string) error { return variable(cfg, "sql_mode", value) },
	// SET password, which go-sql-driver would make of it, changes the password.
	"user":     func(cfg *mysql.Config, value string) error { cfg.User = value; return nil },
	"username": func(cfg *mysql.Config, value string) error { cfg.User = value; return nil },
	"password": func(cfg *mysql.Config, value string) error { cfg.Passwd = value; return nil },
	"passwd":   func(cfg *mysql.Config, value string) error { cfg.Passwd = value; return nil },
	"database": func(cfg *mysql.Config, value string) error { cfg.DBName = value; return nil },
	"db":       func(cfg *mysql.Config, value string) error { cfg.DBName = value; return nil },

	"host":                       unsupported("write it before the database: mysql://user:password@host:3306/database"),
	"port":                       unsupported("write it before the database: mysql://user:password@host:3306/database"),
	"init_command":               unsupported("use mysqldriver.WithOnConnect"),
	"tls_versions":               unsupported("use mysqldriver.NewConnector with Config.TLS"),
	"tls_ciphersuites":           unsupported("use mysqldriver.NewConnector with Config.TLS"),
	"ssl_cipher":                 unsupported("use mysqldriver.NewConnector with Config.TLS"),
	"allow_local_infile_in_path": unsupported("use mysql.RegisterLocalFile"),
	"failover":                   unsupported("name one endpoint of the cluster; its instances are found by asking it"),
}

func unsupported(instead string) func(*mysql.Config, string) error {
	return func(*mysql.Config, string) error { return errors.New("not supported: " + instead) }
}

// ignoredPrefix marks what of a URL means nothing in Go, for NewConnector to mention
// it. No system variable's name begins with it.
const ignoredPrefix = "python."

// takeIgnored takes what is marked out of params.
func takeIgnored(params map[string]string) (ignored []string) {
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if name, ok := strings.CutPrefix(key, ignoredPrefix); ok {
			ignored = append(ignored, name)
			delete(params, key)
		}
	}
	return ignored
}

// translate takes Python's arguments out of Params.
func translate(cfg *mysql.Config) error {
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(cfg.Params)) {
		if pythonOnly[key] {
			cfg.Params[ignoredPrefix+key] = cfg.Params[key]
			delete(cfg.Params, key)
			continue
		}
		apply, ok := pythonKeys[key]
		if !ok {
			continue
		}
		value := cfg.Params[key]
		delete(cfg.Params, key)
		if err := apply(cfg, value); err != nil {
			problems = append(problems, fmt.Errorf("%w: %s=%q: %w", core.ErrConfig, key, value, err))
		}
	}
	return errors.Join(problems...)
}

func seconds(d *time.Duration, value string) error {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= 0 && n < 1e6) {
		return errors.New("want a number of seconds")
	}
	*d = time.Duration(n * float64(time.Second))
	return nil
}

func boolean(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true", "1", "on", "yes":
		return true, nil
	case "false", "0", "off", "no":
		return false, nil
	}
	return false, errors.New("want true or false")
}

// variable sets a system variable to a text. go-sql-driver writes values into its
// SET statement as they are, so that texts need quotes there; Python's do not. What
// is written for go-sql-driver stays: with quotes, or an expression.
func variable(cfg *mysql.Config, name, value string) error {
	quoted := len(value) > 1 && (value[0] == '\'' || value[0] == '"') && value[len(value)-1] == value[0]
	switch {
	case quoted, strings.ContainsAny(value, "@("), strings.EqualFold(value, "default"):
		cfg.Params[name] = value
	case strings.ContainsAny(value, `'"\`):
		return errors.New("want a value without quotes")
	default:
		cfg.Params[name] = "'" + value + "'"
	}
	return nil
}
