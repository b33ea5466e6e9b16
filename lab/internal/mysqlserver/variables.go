package mysqlserver

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/mysqlserver/syntax"
	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// kind is what the values of a variable are.
type kind uint8

const (
	textual   kind = iota
	numerical      // shown and selected as a number
	boolean        // shown as ON or OFF, selected as 1 or 0
)

// variable is a system variable.
type variable struct {
	kind   kind
	value  string // the default; of a boolean "1" or "0"
	access access
}

type access uint8

const (
	both       access = iota // may be set by a session
	globalOnly               // may be set with SET GLOBAL only, which is refused
	readOnly                 // may not be set
)

// systemVariables are the variables whose values do not depend on the server or the session.
var systemVariables = map[string]variable{
	"auto_increment_increment": {numerical, "1", both}, "auto_increment_offset": {numerical, "1", both},
	"autocommit": {boolean, "1", both}, "back_log": {numerical, "512", readOnly}, "big_tables": {boolean, "0", both},
	"binlog_format": {textual, "ROW", both}, "binlog_row_image": {textual, "FULL", both}, "bulk_insert_buffer_size": {numerical, "8388608", both},
	"character_set_client": {textual, "utf8mb4", both}, "character_set_connection": {textual, "utf8mb4", both},
	"character_set_database": {textual, "utf8mb4", both}, "character_set_filesystem": {textual, "binary", both},
	"character_set_results": {textual, "utf8mb4", both}, "character_set_server": {textual, "utf8mb4", both},
	"character_set_system": {textual, "utf8mb3", readOnly}, "collation_connection": {textual, "utf8mb4_bin", both},
	"collation_database": {textual, "utf8mb4_bin", both}, "collation_server": {textual, "utf8mb4_bin", both},
	"connect_timeout": {numerical, "10", globalOnly}, "datadir": {textual, "/var/lib/mysql/", readOnly},
	"default_storage_engine": {textual, "InnoDB", both}, "div_precision_increment": {numerical, "4", both},
	"event_scheduler": {textual, "ON", globalOnly}, "explicit_defaults_for_timestamp": {boolean, "1", both},
	"foreign_key_checks": {boolean, "1", both}, "group_concat_max_len": {numerical, "1024", both}, "have_openssl": {textual, "YES", readOnly},
	"have_ssl": {textual, "YES", readOnly}, "init_connect": {textual, "", globalOnly}, "innodb_flush_log_at_trx_commit": {numerical, "1", globalOnly},
	"innodb_lock_wait_timeout": {numerical, "50", both}, "innodb_version": {textual, "8.0.39", readOnly}, "interactive_timeout": {numerical, "28800", both},
	"license": {textual, "GPL", readOnly}, "local_infile": {boolean, "1", globalOnly}, "lock_wait_timeout": {numerical, "31536000", both},
	"log_bin": {boolean, "1", readOnly}, "long_query_time": {numerical, "10", both}, "lower_case_table_names": {numerical, "0", readOnly},
	"max_allowed_packet": {numerical, strconv.Itoa(maxPacket), readOnly}, "max_connections": {numerical, "5000", globalOnly},
	"max_execution_time": {numerical, "0", both}, "max_prepared_stmt_count": {numerical, "16382", globalOnly}, "net_buffer_length": {numerical, "16384", readOnly},
	"net_read_timeout": {numerical, "30", both}, "net_write_timeout": {numerical, "60", both}, "performance_schema": {boolean, "0", readOnly},
	"protocol_version": {numerical, "10", readOnly}, "query_cache_size": {numerical, "0", globalOnly}, "query_cache_type": {textual, "OFF", globalOnly},
	"require_secure_transport": {boolean, "0", globalOnly}, "secure_file_priv": {textual, "", readOnly}, "socket": {textual, "", readOnly},
	"sql_auto_is_null": {boolean, "0", both}, "sql_log_bin": {boolean, "1", both},
	"sql_mode":              {textual, "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION", both},
	"sql_notes":             {boolean, "1", both},
	"sql_quote_show_create": {boolean, "1", both}, "sql_safe_updates": {boolean, "0", both}, "sql_select_limit": {numerical, "18446744073709551615", both},
	"sql_warnings": {boolean, "0", both}, "system_time_zone": {textual, "UTC", readOnly}, "table_definition_cache": {numerical, "2000", globalOnly},
	"thread_stack": {numerical, "1048576", readOnly}, "time_zone": {textual, "UTC", both}, "tls_version": {textual, "TLSv1.2,TLSv1.3", readOnly},
	"transaction_isolation": {textual, "REPEATABLE-READ", both}, "transaction_read_only": {boolean, "0", both},
	"tx_isolation": {textual, "REPEATABLE-READ", both}, "tx_read_only": {boolean, "0", both}, "unique_checks": {boolean, "1", both},
	"version_compile_machine": {textual, "x86_64", readOnly}, "version_compile_os": {textual, "Linux", readOnly}, "wait_timeout": {numerical, "28800", both},
}

// serverVariable is what a variable has when no session has set it.
func (s *Server) serverVariable(name string) (variable, bool) {
	v, ok := s.identity(name)
	if !ok {
		v, ok = systemVariables[name]
	}
	if value, set := s.config.Settings[name]; set {
		switch {
		case !ok:
			v = variable{kind: textual, access: readOnly}
			if numeric(value) {
				v.kind = numerical
			}
		case v.kind == boolean:
			value = onOffToDigit(value)
		}
		v.value = value
		return v, true
	}
	if !s.mariadb() && (name == "tx_isolation" || name == "tx_read_only" || strings.HasPrefix(name, "query_cache_")) {
		return variable{}, false // MySQL 8 has them no longer
	}
	return v, ok
}

// onOffToDigit makes what people write for a boolean "1" or "0".
func onOffToDigit(s string) string {
	switch strings.ToLower(s) {
	case "1", "on", "true", "yes":
		return "1"
	}
	return "0"
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// variableNames are the names of all variables, sorted.
func (s *Server) variableNames() []string {
	names := slices.Collect(maps.Keys(systemVariables))
	names = append(names, identityVariables...)
	names = slices.AppendSeq(names, maps.Keys(s.config.Settings))
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		_, ok := s.serverVariable(name)
		return !ok
	})
}

// variable is a variable as the session sees it, or with scope "global" as a new one would.
func (s *session) variable(scope, name string) (variable, bool) {
	v, ok := s.server.serverVariable(name)
	if scope == "global" {
		return v, ok
	}
	switch name {
	case "last_insert_id", "identity":
		return variable{kind: numerical, value: strconv.FormatInt(s.lastInsertID, 10), access: readOnly}, true
	case "pseudo_thread_id":
		return variable{kind: numerical, value: strconv.FormatUint(s.number, 10), access: readOnly}, true
	case "warning_count", "error_count":
		return variable{kind: numerical, value: "0", access: readOnly}, true
	}
	if value, set := s.variables[name]; ok && set {
		v.value = value
	}
	return v, ok
}

// setting is the value of a variable that the session acts upon.
func (s *session) setting(name string) string {
	v, _ := s.variable("session", name)
	return v.value
}

// shown is the value as SHOW VARIABLES prints it.
func (v variable) shown() string {
	if v.kind != boolean {
		return v.value
	}
	if v.value == "1" {
		return "ON"
	}
	return "OFF"
}

func unknownVariable(name string) error {
	return errorf(1193, "HY000", "Unknown system variable '%s'", name)
}

// lookup supplies the parser with the values of variables.
type lookup struct{ *session }

// User implements syntax.Variables.
func (l lookup) User(name string) sql.Expr {
	if x, ok := l.userVariables[name]; ok {
		return x
	}
	return sql.Null{}
}

// System implements syntax.Variables.
func (l lookup) System(scope, name string) (sql.Expr, error) {
	v, ok := l.variable(scope, name)
	switch {
	case !ok:
		return nil, unknownVariable(name)
	case v.kind == textual:
		return sql.String{Text: v.value}, nil
	}
	return sql.Number{Text: v.value}, nil
}

// parse parses what the client sent, in the way the session's variables say.
func (s *session) parse(source string) ([]syntax.Statement, error) {
	options := syntax.Options{Database: s.database, Tables: s.server.config.Database, MariaDB: s.server.mariadb(), Version: s.server.versionNumber(), Variables: lookup{s}}
	for _, mode := range strings.Split(s.setting("sql_mode"), ",") {
		switch mode {
		case "ANSI":
			options.AnsiQuotes, options.PipesAsConcat = true, true
		case "ANSI_QUOTES":
			options.AnsiQuotes = true
		case "PIPES_AS_CONCAT":
			options.PipesAsConcat = true
		case "NO_BACKSLASH_ESCAPES":
			options.NoBackslashEscapes = true
		}
	}
	return syntax.Parse(source, options)
}

// set changes a system variable; value is nil for DEFAULT.
func (s *session) set(scope, name string, value any) error {
	v, ok := s.server.serverVariable(name)
	switch {
	case !ok:
		return unknownVariable(name)
	case v.access == readOnly:
		return errorf(1238, "HY000", "Variable '%s' is a read only variable", name)
	case scope == "global" || scope == "persist":
		return errorf(1227, "42000", "Access denied; you need (at least one of) the SUPER or SYSTEM_VARIABLES_ADMIN privilege(s) for this operation")
	case v.access == globalOnly:
		return errorf(1229, "HY000", "Variable '%s' is a GLOBAL variable and should be set with SET GLOBAL", name)
	}
	stored, err := s.checkVariable(name, v, value)
	if err != nil {
		return err
	}
	if name == "autocommit" && stored == "1" && s.setting(name) == "0" {
		if err := s.commit(); err != nil { // turning it on ends the transaction
			return err
		}
	}
	s.variables[name] = stored
	if twin := twins[name]; twin != "" {
		s.variables[twin] = stored
	}
	return nil
}

// twins are variables that are one under two names.
var twins = map[string]string{"transaction_isolation": "tx_isolation", "tx_isolation": "transaction_isolation",
	"transaction_read_only": "tx_read_only", "tx_read_only": "transaction_read_only"}

// checkVariable gives what to store for a value, nil being the default.
func (s *session) checkVariable(name string, v variable, value any) (string, error) {
	if value == defaultValue {
		return v.value, nil
	}
	shown := "NULL"
	if value != nil {
		shown = toText(value, 0)
	}
	refused := errorf(1231, "42000", "Variable '%s' can't be set to the value of '%s'", name, shown)
	switch v.kind {
	case boolean:
		switch strings.ToLower(shown) {
		case "1", "on", "true":
			return "1", nil
		case "0", "off", "false":
			return "0", nil
		}
		return "", refused
	case numerical:
		n, isInteger := value.(int64)
		if !isInteger {
			return "", errorf(1232, "42000", "Incorrect argument type to variable '%s'", name)
		}
		return strconv.FormatInt(max(n, 0), 10), nil
	}
	switch name {
	case "time_zone":
		if zone := strings.ToUpper(shown); zone != "UTC" && zone != "SYSTEM" && zone != "+00:00" && zone != "-00:00" {
			return "", errorf(1298, "HY000", "Unknown or incorrect time zone: '%s' (the lab knows UTC only)", shown)
		}
	case "character_set_client", "character_set_connection", "character_set_results":
		if !slices.Contains([]string{"utf8mb4", "utf8", "utf8mb3", "ascii", "latin1", "binary"}, strings.ToLower(shown)) &&
			(name != "character_set_results" || value != nil) {
			return "", errorf(1115, "42000", "Unknown character set: '%s'", shown)
		}
		return strings.ToLower(shown), nil
	case "transaction_isolation", "tx_isolation":
		level := strings.ToUpper(strings.ReplaceAll(shown, " ", "-"))
		if !slices.Contains([]string{"READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"}, level) {
			return "", refused
		}
		return level, nil
	case "sql_mode":
		return strings.ToUpper(shown), nil
	}
	if value == nil {
		return "", refused
	}
	return shown, nil
}

// defaultMark is the value of DEFAULT.
type defaultMark struct{}

var defaultValue any = defaultMark{}
