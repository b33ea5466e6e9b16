package realmaria

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// A Flavor says which managed MySQL the servers pretend to be. It decides which variables and tables a client finds, so that a
// dialect probe of the wrong kind fails with the server's own error.
type Flavor string

const (
	// AuroraMySQL has aurora_server_id, aurora_version, innodb_read_only and information_schema.replica_host_status. It is
	// the default.
	AuroraMySQL Flavor = "aurora-mysql"
	// MultiAZMySQL has mysql.rds_topology, SHOW REPLICA STATUS with MySQL's column names, and report_host, as an RDS Multi-AZ
	// DB cluster does.
	MultiAZMySQL Flavor = "rds-multi-az-mysql-cluster"
	// MariaDB adds nothing to the community server.
	MariaDB Flavor = "mariadb"
)

// Options describe a cluster. The zero value is a cluster of three Aurora MySQL instances.
type Options struct {
	// Instances is the number of servers. The default is 3, or the number of Names.
	Instances int
	// Names are the instance ids. The first one starts as the primary. The default is instance-1, instance-2 and so on.
	Names []string
	// User is who applications log in as, with mysql_native_password: it has what RDS gives a master user, which is neither
	// SUPER nor READ_ONLY ADMIN. The default is "app".
	User string
	// Password of User. The default is "app".
	Password string
	// Database is made at the start. The default is "app".
	Database string
	// Settings are further server variables. Those the package itself depends on are refused.
	Settings map[string]string
	// TLS has the configuration with which Serve speaks TLS for each instance, by name. An instance without an entry speaks
	// plain TCP only.
	TLS map[string]*tls.Config
	// RequireTLS refuses sessions without TLS; it needs an entry in TLS for every instance.
	RequireTLS bool
	// Suffix is what follows the instance id in the endpoints that mysql.rds_topology reports.
	// The default is "awsdblab.us-east-1.rds.amazonaws.com".
	Suffix string
	// EndpointPort is the port that mysql.rds_topology reports for every instance, for a test that maps host names to
	// servers itself. The default, 0, reports the port the server really listens on.
	EndpointPort int
	// Flavor defaults to AuroraMySQL.
	Flavor Flavor
}

// userName leaves out what the general log could not be read back with.
var userName = regexp.MustCompile(`^[^\[\]@\x00]{1,80}$`)

var settingName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// reservedSettings are the ones the cluster is made of: with another value a promotion could lose a commit, or the control
// plane could not find or read its servers.
var reservedSettings = []string{
	"bind_address", "binlog_format", "datadir", "general_log", "gtid_domain_id", "gtid_strict_mode", "init_file", "init_rpl_role",
	"innodb_flush_log_at_trx_commit", "innodb_log_file_size", "log_bin", "log_disabled_statements", "log_error", "log_output",
	"log_slave_updates", "pid_file", "port", "read_only", "relay_log", "report_host", "rpl_semi_sync_master_enabled",
	"rpl_semi_sync_master_timeout", "rpl_semi_sync_master_wait_no_slave", "rpl_semi_sync_master_wait_point",
	"rpl_semi_sync_slave_enabled", "server_id", "skip_networking", "skip_slave_start", "socket", "sync_binlog", "tmpdir", "user",
}

// withDefaults returns a copy of o with every default filled in, or an error that says what to write instead.
func (o Options) withDefaults() (Options, error) {
	names, err := realserver.InstanceNames(o.Instances, o.Names)
	if err != nil {
		return o, fmt.Errorf("realmaria: %w", err)
	}
	o.Names, o.Instances = names, len(names)
	o.User = cmp.Or(o.User, "app")
	o.Password = cmp.Or(o.Password, "app")
	o.Database = cmp.Or(o.Database, "app")
	o.Suffix = cmp.Or(strings.TrimPrefix(o.Suffix, "."), "awsdblab.us-east-1.rds.amazonaws.com")
	o.Flavor = cmp.Or(o.Flavor, AuroraMySQL)
	return o, o.validate()
}

func (o Options) validate() error {
	if !slices.Contains([]Flavor{AuroraMySQL, MultiAZMySQL, MariaDB}, o.Flavor) {
		return fmt.Errorf("realmaria: flavor %q: write %q, %q or %q", o.Flavor, AuroraMySQL, MultiAZMySQL, MariaDB)
	}
	if o.User == superuser {
		return fmt.Errorf("realmaria: user %q is the servers' own superuser: choose another name", o.User)
	}
	if !userName.MatchString(o.User) {
		return fmt.Errorf("realmaria: user %q: write 1 to 80 characters other than @, [ and ]", o.User)
	}
	if strings.ContainsRune(o.Password+o.Database, 0) || len(o.Database) > 64 {
		return fmt.Errorf("realmaria: password and database must not contain a NUL byte, and a database has no more than 64 characters")
	}
	if err := realserver.CheckEndpoints(o.Suffix, o.EndpointPort); err != nil {
		return fmt.Errorf("realmaria: %w", err)
	}
	for name := range o.TLS {
		if !slices.Contains(o.Names, name) {
			return fmt.Errorf("realmaria: TLS for %q, which is no instance: write one of %s", name, strings.Join(o.Names, ", "))
		}
	}
	if o.RequireTLS && len(o.TLS) < o.Instances {
		return fmt.Errorf("realmaria: RequireTLS with %d TLS configurations for %d instances: give every instance one", len(o.TLS), o.Instances)
	}
	return o.validateSettings()
}

func (o Options) validateSettings() error {
	reserved := func(name string) bool { return slices.Contains(reservedSettings, variableName(name)) }
	if err := realserver.CheckSettings(o.Settings, settingName, reserved, "\n\r\x00\""); err != nil {
		return fmt.Errorf("realmaria: %w", err)
	}
	return nil
}

// variableName is the usual form of a name that may be written in others.
func variableName(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }
