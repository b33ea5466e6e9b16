package sqlengine

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// postgresSettings are the settings of PostgreSQL.
type postgresSettings struct{}

// defaultSettings are those that do not depend on the server or the session.
var defaultSettings = map[string]string{
	"application_name": "", "bytea_output": "hex", "client_encoding": "UTF8", "client_min_messages": "notice",
	"datestyle": "ISO, MDY", "default_transaction_deferrable": "off", "default_transaction_isolation": "read committed",
	"default_transaction_read_only": "off", "extra_float_digits": "1", "idle_in_transaction_session_timeout": "0",
	"idle_session_timeout": "0", "integer_datetimes": "on", "intervalstyle": "postgres", "jit": "on",
	"lc_messages": "en_US.UTF-8", "lock_timeout": "0", "max_connections": "5000", "max_identifier_length": "63",
	"password_encryption": "scram-sha-256", "plan_cache_mode": "auto", "role": "none", "row_security": "on",
	"search_path": `"$user", public`, "server_encoding": "UTF8", "ssl": "on", "standard_conforming_strings": "on",
	"statement_timeout": "0", "synchronous_commit": "on", "timezone": "UTC", "transaction_deferrable": "off",
	"transaction_isolation": "read committed", "work_mem": "4MB", "tcp_keepalives_idle": "0", "tcp_keepalives_interval": "0",
	"tcp_keepalives_count": "0", "tcp_user_timeout": "0", "geqo": "on", "default_text_search_config": "pg_catalog.english",
}

// fixedSettings cannot be changed by a session.
var fixedSettings = []string{"server_version", "server_version_num", "in_hot_standby", "integer_datetimes", "server_encoding",
	"max_connections", "max_identifier_length", "is_superuser", "ssl", "rds.extensions"}

// versionNumber is a version as server_version_num: 16.4 is 160004.
func versionNumber(version string) string {
	major, minor, _ := strings.Cut(version, ".")
	m, _ := strconv.Atoi(major)
	n, _ := strconv.Atoi(minor)
	return strconv.Itoa(m*10000 + n)
}

// Value implements Settings.
func (p postgresSettings) Value(s *Session, name string) (string, bool) {
	switch name {
	case "server_version":
		return s.Version(), true
	case "server_version_num":
		return versionNumber(s.Version()), true
	case "in_hot_standby":
		return onOff(!s.Host().Writable()), true
	case "transaction_read_only":
		return onOff(s.ReadOnly()), true
	case "is_superuser":
		return "off", true
	case "session_authorization":
		return s.User, true
	}
	if value, ok := s.Kept(name); ok {
		return value, true
	}
	return p.standard(s, name)
}

// standard is the default of the server.
func (postgresSettings) standard(s *Session, name string) (string, bool) {
	for key, value := range s.config.Settings {
		if strings.EqualFold(key, name) {
			return value, true
		}
	}
	if name == "rds.extensions" {
		switch s.flavor() {
		case AuroraPG, GlobalAuroraPG:
			return "aurora_stat_utils, apg_plan_mgmt, pg_stat_statements, plpgsql", true
		case MultiAZPG, RDSPG:
			return "pg_stat_statements, plpgsql, rds_tools", true
		}
		return "", false
	}
	value, ok := defaultSettings[name]
	return value, ok
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// Names implements Settings: the names in pg_settings.
func (p postgresSettings) Names(s *Session) []string {
	names := sortedKeys(defaultSettings)
	for name := range s.config.Settings {
		names = append(names, strings.ToLower(name))
	}
	names = append(names, "in_hot_standby", "is_superuser", "server_version", "server_version_num", "transaction_read_only")
	if _, ok := p.standard(s, "rds.extensions"); ok {
		names = append(names, "rds.extensions")
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ReadOnly implements Settings.
func (p postgresSettings) ReadOnly(s *Session) bool {
	value, _ := p.Value(s, "default_transaction_read_only")
	return value == "on"
}

// check reports whether a session may set name to value, and the value to store.
func (p postgresSettings) check(s *Session, name, value string) (string, error) {
	if slices.Contains(fixedSettings, name) {
		return "", Errorf("55P02", "parameter \"%s\" cannot be changed", name)
	}
	if _, known := p.Value(s, name); !known && !strings.Contains(name, ".") {
		return "", unknownSetting(name)
	}
	invalid := Errorf("22023", "invalid value for parameter \"%s\": \"%s\"", name, value)
	switch name {
	case "timezone":
		if !slices.Contains([]string{"utc", "gmt", "etc/utc", "default", "0"}, strings.ToLower(value)) {
			return "", Errorf("22023", "invalid value for parameter \"TimeZone\": \"%s\" (only UTC is simulated)", value)
		}
		return "UTC", nil
	case "client_encoding":
		if encoding := strings.ToUpper(strings.ReplaceAll(value, "-", "")); encoding != "UTF8" && encoding != "UNICODE" {
			return "", invalid
		}
		return "UTF8", nil
	case "default_transaction_read_only", "transaction_read_only", "standard_conforming_strings":
		b, err := parseBool(value)
		if err != nil {
			return "", Errorf("22023", "parameter \"%s\" requires a Boolean value", name)
		}
		if name == "transaction_read_only" && b == false && !s.Host().Writable() {
			return "", Errorf("0A000", "cannot set transaction read-write mode during recovery")
		}
		return onOff(b == true), nil
	case "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout":
		if _, ok := Milliseconds(value); !ok {
			return "", invalid
		}
	}
	return value, nil
}

// Set implements Settings. A setting of the open transaction lasts as long as that.
func (p postgresSettings) Set(s *Session, name, value string, scope Scope) error {
	value, err := p.check(s, name, value)
	if err != nil {
		return err
	}
	if scope != AtLogin {
		switch name {
		case "transaction_read_only":
			tx := s.begin()
			before := tx.readOnly
			tx.readOnly = value == "on"
			tx.undo = append(tx.undo, func() { tx.readOnly = before })
			return nil
		case "transaction_isolation":
			scope = ForTransaction
		}
	}
	s.Keep(name, value, scope)
	return nil
}

// Milliseconds reads a timeout: a number of milliseconds, or one with a unit.
func Milliseconds(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return time.Duration(n) * time.Millisecond, n >= 0
	}
	s = strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "min", "m")
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}
