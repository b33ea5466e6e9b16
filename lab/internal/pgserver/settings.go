package pgserver

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultSettings are the settings that do not depend on the server or the session.
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

// reportedSettings are told to the client at login and whenever they change.
var reportedSettings = []string{"application_name", "client_encoding", "DateStyle", "default_transaction_read_only",
	"in_hot_standby", "integer_datetimes", "IntervalStyle", "is_superuser", "server_encoding", "server_version",
	"session_authorization", "standard_conforming_strings", "TimeZone"}

func (s *Server) version() string {
	if s.config.Version != "" {
		return s.config.Version
	}
	return "16.4"
}

// versionNumber is the version as server_version_num: 16.4 is 160004.
func (s *Server) versionNumber() string {
	major, minor, _ := strings.Cut(s.version(), ".")
	m, _ := strconv.Atoi(major)
	n, _ := strconv.Atoi(minor)
	return strconv.Itoa(m*10000 + n)
}

// setting is the value of a setting as the session sees it.
func (s *session) setting(name string) (string, bool) {
	name = strings.ToLower(name)
	switch name {
	case "server_version":
		return s.server.version(), true
	case "server_version_num":
		return s.server.versionNumber(), true
	case "in_hot_standby":
		return onOff(!s.host().Writable()), true
	case "transaction_read_only":
		return onOff(s.readOnly()), true
	case "is_superuser":
		return "off", true
	case "session_authorization":
		return s.user, true
	}
	if value, ok := s.settings[name]; ok {
		return value, true
	}
	if value, ok := s.initial[name]; ok {
		return value, true
	}
	return s.server.setting(name, s.flavor())
}

// setting is the default of the server.
func (s *Server) setting(name string, flavor Flavor) (string, bool) {
	for key, value := range s.config.Settings {
		if strings.EqualFold(key, name) {
			return value, true
		}
	}
	if name == "rds.extensions" {
		switch flavor {
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

// settingNames are the names in pg_settings, sorted.
func (s *session) settingNames() []string {
	names := sortedKeys(defaultSettings)
	for name := range s.server.config.Settings {
		names = append(names, strings.ToLower(name))
	}
	names = append(names, "in_hot_standby", "is_superuser", "server_version", "server_version_num", "transaction_read_only")
	if _, ok := s.server.setting("rds.extensions", s.flavor()); ok {
		names = append(names, "rds.extensions")
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// checkSetting reports whether a session may set name to value, and the value to store.
func (s *session) checkSetting(name, value string) (string, error) {
	name = strings.ToLower(name)
	if slices.Contains(fixedSettings, name) {
		return "", errorf("55P02", "parameter \"%s\" cannot be changed", name)
	}
	if _, known := s.setting(name); !known && !strings.Contains(name, ".") {
		return "", errorf("42704", "unrecognized configuration parameter \"%s\"", name)
	}
	invalid := errorf("22023", "invalid value for parameter \"%s\": \"%s\"", name, value)
	switch name {
	case "timezone":
		if !slices.Contains([]string{"utc", "gmt", "etc/utc", "default", "0"}, strings.ToLower(value)) {
			return "", errorf("22023", "invalid value for parameter \"TimeZone\": \"%s\" (only UTC is simulated)", value)
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
			return "", errorf("22023", "parameter \"%s\" requires a Boolean value", name)
		}
		if name == "transaction_read_only" && b == false && !s.host().Writable() {
			return "", errorf("0A000", "cannot set transaction read-write mode during recovery")
		}
		return onOff(b == true), nil
	case "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout":
		if _, ok := milliseconds(value); !ok {
			return "", invalid
		}
	}
	return value, nil
}

// set changes a setting. A rollback of tx takes it back; so does its end when local.
func (s *session) set(tx *transaction, name, value string, local bool) error {
	value, err := s.checkSetting(name, value)
	if err != nil {
		return err
	}
	name = strings.ToLower(name)
	if name == "transaction_read_only" {
		before := tx.readOnly
		tx.readOnly = value == "on"
		tx.undo = append(tx.undo, func() { tx.readOnly = before })
		return nil
	}
	s.assign(tx, name, &value, local || name == "transaction_isolation")
	return nil
}

// reset puts a setting back to what it was at login.
func (s *session) reset(tx *transaction, name string, local bool) error {
	name = strings.ToLower(name)
	if _, ok := s.setting(name); !ok && !strings.Contains(name, ".") {
		return errorf("42704", "unrecognized configuration parameter \"%s\"", name)
	}
	s.assign(tx, name, nil, local)
	return nil
}

func (s *session) assign(tx *transaction, name string, value *string, local bool) {
	before, existed := s.settings[name]
	restore := func() {
		if existed {
			s.settings[name] = before
		} else {
			delete(s.settings, name)
		}
	}
	if value == nil {
		delete(s.settings, name)
	} else {
		s.settings[name] = *value
	}
	tx.undo = append(tx.undo, restore)
	if local {
		tx.atEnd = append(tx.atEnd, restore)
	}
}

// milliseconds reads a timeout: a number of milliseconds, or one with a unit.
func milliseconds(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return time.Duration(n) * time.Millisecond, n >= 0
	}
	s = strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "min", "m")
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}

// startupSettings takes the settings a client asked for at login.
func (s *session) startupSettings(parameters map[string]string) error {
	for _, name := range sortedKeys(parameters) {
		switch name {
		case "user", "database", "replication":
			continue
		case "options":
			if err := s.startupOptions(parameters[name]); err != nil {
				return err
			}
			continue
		}
		if strings.HasPrefix(name, "_pq_.") {
			continue
		}
		value, err := s.checkSetting(name, parameters[name])
		if err != nil {
			return err
		}
		s.initial[strings.ToLower(name)] = value
	}
	return nil
}

// startupOptions reads "-c name=value --name=value".
func (s *session) startupOptions(options string) error {
	fields := strings.Fields(options)
	for i := 0; i < len(fields); i++ {
		pair := fields[i]
		switch {
		case pair == "-c" && i+1 < len(fields):
			i++
			pair = fields[i]
		case strings.HasPrefix(pair, "-c"):
			pair = pair[2:]
		case strings.HasPrefix(pair, "--"):
			pair = strings.ReplaceAll(pair[2:], "-", "_")
		default:
			return errorf("42601", "invalid command-line argument for server process: %s", pair)
		}
		name, value, _ := strings.Cut(pair, "=")
		value, err := s.checkSetting(name, value)
		if err != nil {
			return err
		}
		s.initial[strings.ToLower(name)] = value
	}
	return nil
}
