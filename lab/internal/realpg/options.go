package realpg

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// A Flavor says which managed PostgreSQL the servers pretend to be. It decides which functions and settings exist, so
// that a dialect probe of the wrong kind fails with the server's own error.
type Flavor string

const (
	// AuroraPostgreSQL has the aurora_* functions, rds_tools and rds.extensions. It is the default.
	AuroraPostgreSQL Flavor = "aurora-pg"
	// MultiAZPostgreSQL has rds_tools and rds.extensions, as an RDS Multi-AZ DB cluster does.
	MultiAZPostgreSQL Flavor = "rds-multi-az-pg-cluster"
	// PostgreSQL adds nothing to the community server.
	PostgreSQL Flavor = "pg"
)

// A KeyPair names the PEM files one server uses for TLS.
type KeyPair struct {
	CertFile string
	KeyFile  string
}

// Options describe a cluster. The zero value is a cluster of three Aurora PostgreSQL instances.
type Options struct {
	// Instances is the number of servers. The default is 3, or the number of Names.
	Instances int
	// Names are the instance ids, which are also each server's cluster_name. The first one starts as the primary.
	// The default is instance-1, instance-2 and so on.
	Names []string
	// User is the role applications log in with; it may not be a superuser. The default is "app".
	User string
	// Password of User. The default is "app".
	Password string
	// Database is owned by User. The default is "app".
	Database string
	// Settings are further lines for postgresql.conf. Those the package itself depends on are refused.
	Settings map[string]string
	// TLS has the certificate of each instance, by name. An instance without an entry speaks plain TCP only.
	TLS map[string]KeyPair
	// RequireTLS refuses sessions without TLS; it needs an entry in TLS for every instance.
	RequireTLS bool
	// Suffix is what follows the instance id in the endpoints that rds_tools.show_topology reports.
	// The default is "awsdblab.us-east-1.rds.amazonaws.com".
	Suffix string
	// EndpointPort is the port that rds_tools.show_topology reports for every instance, for a test that maps
	// host names to servers itself. The default, 0, reports the port the server really listens on.
	EndpointPort int
	// Flavor defaults to AuroraPostgreSQL.
	Flavor Flavor
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// reservedSettings are the ones the cluster is made of: with another value a promotion could lose a commit, or
// the control plane could not find or read its servers.
var reservedSettings = []string{
	"cluster_name", "config_file", "data_directory", "fsync", "full_page_writes", "hba_file", "hot_standby", "lc_messages", "listen_addresses",
	"log_connections", "log_destination", "log_line_prefix", "logging_collector", "port", "primary_conninfo", "rds.extensions",
	"restore_command", "ssl", "ssl_cert_file", "ssl_key_file", "synchronous_commit", "synchronous_standby_names",
	"unix_socket_directories", "wal_level",
}

// withDefaults returns a copy of o with every default filled in, or an error that says what to write instead.
func (o Options) withDefaults() (Options, error) {
	names, err := realserver.InstanceNames(o.Instances, o.Names)
	if err != nil {
		return o, fmt.Errorf("realpg: %w", err)
	}
	o.Names, o.Instances = names, len(names)
	o.User = cmp.Or(o.User, "app")
	o.Password = cmp.Or(o.Password, "app")
	o.Database = cmp.Or(o.Database, "app")
	o.Suffix = cmp.Or(strings.TrimPrefix(o.Suffix, "."), "awsdblab.us-east-1.rds.amazonaws.com")
	if o.Flavor == "" {
		o.Flavor = AuroraPostgreSQL
	}
	return o, o.validate()
}

func (o Options) validate() error {
	if !slices.Contains([]Flavor{AuroraPostgreSQL, MultiAZPostgreSQL, PostgreSQL}, o.Flavor) {
		return fmt.Errorf("realpg: flavor %q: write %q, %q or %q", o.Flavor, AuroraPostgreSQL, MultiAZPostgreSQL, PostgreSQL)
	}
	if o.User == superuser {
		return fmt.Errorf("realpg: user %q is the servers' own superuser: choose another name", o.User)
	}
	if strings.ContainsRune(o.User+o.Password+o.Database, 0) {
		return fmt.Errorf("realpg: user, password and database must not contain a NUL byte")
	}
	if err := realserver.CheckEndpoints(o.Suffix, o.EndpointPort); err != nil {
		return fmt.Errorf("realpg: %w", err)
	}
	for name := range o.TLS {
		if !slices.Contains(o.Names, name) {
			return fmt.Errorf("realpg: TLS files for %q, which is no instance: write one of %s", name, strings.Join(o.Names, ", "))
		}
	}
	if o.RequireTLS && len(o.TLS) < o.Instances {
		return fmt.Errorf("realpg: RequireTLS with %d certificates for %d instances: give every instance one", len(o.TLS), o.Instances)
	}
	return o.validateSettings()
}

func (o Options) validateSettings() error {
	reserved := func(name string) bool { return slices.Contains(reservedSettings, strings.ToLower(name)) }
	if err := realserver.CheckSettings(o.Settings, settingName, reserved, "\n\r\x00"); err != nil {
		return fmt.Errorf("realpg: %w", err)
	}
	return nil
}
