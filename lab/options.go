package lab

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/awsdb/awsdb/lab/cloud"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Flavor is the kind of service a cluster pretends to be: which functions and settings a client finds.
type Flavor int

// The flavors.
const (
	AuroraPG       = Flavor(sqlengine.AuroraPG)       // Amazon Aurora PostgreSQL
	GlobalAuroraPG = Flavor(sqlengine.GlobalAuroraPG) // Aurora PostgreSQL in a global database, see Options.SecondaryRegions
	MultiAZPG      = Flavor(sqlengine.MultiAZPG)      // RDS for PostgreSQL, Multi-AZ DB cluster
	RDSPG          = Flavor(sqlengine.RDSPG)          // RDS for PostgreSQL, single instance
	PG             = Flavor(sqlengine.PG)             // community PostgreSQL

	AuroraMySQL       = Flavor(sqlengine.AuroraMySQL)       // Amazon Aurora MySQL
	GlobalAuroraMySQL = Flavor(sqlengine.GlobalAuroraMySQL) // Aurora MySQL in a global database, see Options.SecondaryRegions
	MultiAZMySQL      = Flavor(sqlengine.MultiAZMySQL)      // RDS for MySQL, Multi-AZ DB cluster
	RDSMySQL          = Flavor(sqlengine.RDSMySQL)          // RDS for MySQL, single instance
	MySQL             = Flavor(sqlengine.MySQL)             // community MySQL
	MariaDB           = Flavor(sqlengine.MariaDB)           // community MariaDB
)

// family is the engine of a flavor.
type family int

const (
	postgreSQL family = iota
	mySQL
)

func (f Flavor) family() family {
	if f >= AuroraMySQL {
		return mySQL
	}
	return postgreSQL
}

// global tells a global database.
func (f Flavor) global() bool { return f == GlobalAuroraPG || f == GlobalAuroraMySQL }

// engine is what the RDS API calls it.
func (f Flavor) engine() string {
	aurora := f == AuroraPG || f == GlobalAuroraPG || f == AuroraMySQL || f == GlobalAuroraMySQL
	switch {
	case f == MariaDB:
		return "mariadb"
	case f.family() == mySQL && aurora:
		return "aurora-mysql"
	case f.family() == mySQL:
		return "mysql"
	case aurora:
		return "aurora-postgresql"
	}
	return "postgres"
}

// port is the one every instance pretends to listen on.
func (f Flavor) port() int {
	if f.family() == mySQL {
		return 3306
	}
	return 5432
}

// Network is what carries the bytes.
type Network int

// The networks.
const (
	// Loopback is TCP on 127.0.0.1, one free port for each instance.
	Loopback Network = iota
	// Memory is inside the process. Everything waits on channels and timers only, so that a test in a
	// testing/synctest bubble runs in virtual time.
	Memory
)

// Auth is how a login is checked.
type Auth int

// The ways to log in.
const (
	// Password is Options.User and Options.Password, checked by SCRAM-SHA-256, with MySQL by caching_sha2_password, and by a
	// real MariaDB by mysql_native_password.
	Password Auth = iota
	// NativePassword is the same with MySQL's mysql_native_password.
	NativePassword
	// Cleartext is the password in the clear, as an IAM token is sent; see Options.VerifyPassword. MySQL asks for it
	// over TLS only.
	Cleartext
	// Trust lets everybody in.
	Trust
	// IAM is a login token of [Options.Cloud] instead of a password, over TLS only: as on RDS for those who have been
	// granted rds_iam, or been created with AWSAuthenticationPlugin. See Options.IAMUsers.
	IAM
)

// TLSMode says whether the instances speak TLS.
type TLSMode int

// The TLS modes.
const (
	TLSOff TLSMode = iota
	TLSOptional
	TLSRequired // a session without TLS is refused, with SQLSTATE 28000 or MySQL's error 3159
)

// Options say what [Start] and [StartReal] start. The zero value is an Aurora PostgreSQL cluster mydb with a writer and two
// readers on loopback.
type Options struct {
	Name      string  // cluster identifier; default "mydb"
	Instances int     // in each region; default 3: mydb-1, the first writer, mydb-2, mydb-3
	Region    string  // default "us-east-1"
	Flavor    Flavor  // default AuroraPG
	Network   Network // default Loopback

	// SecondaryRegions are the other regions of a global database; default for a global flavor: eu-west-1. Their
	// instances are called mydb-eu-west-1-1 and so on and are readers.
	SecondaryRegions []string

	User     string // default "app"
	Password string // default "secret"; not a secret, for nothing but the lab listens to it
	Database string // default "app"
	Auth     Auth   // default Password
	// VerifyPassword replaces all passwords when Auth is Cleartext: for another kind of token than IAM's.
	VerifyPassword func(user, password string) bool
	// Users are further users, with their passwords. See [Cluster.SetPassword].
	Users map[string]string
	// IAMUsers are those who log in with a token when Auth is IAM; all others use passwords, as with Auth: Password.
	// Default: User.
	IAMUsers []string
	// Cloud verifies the tokens of Auth: IAM, and describes the cluster in its RDS API. Clusters may share one.
	Cloud *cloud.Cloud
	// TLS: each cluster has its own authority, each instance a certificate for its own name and the endpoints of its
	// cluster. Default TLSOff.
	TLS TLSMode

	// Latency is the time from client to instance, and back again: a round trip takes twice as long, a new
	// connection one round trip more. In memory each connection takes up to 8 microseconds of its own longer,
	// so that no two do something at the same instant. On loopback the whole round trip is added before an
	// answer.
	Latency time.Duration

	// Settings are further server settings, visible to SHOW and current_setting, or to SHOW VARIABLES and SELECT @@name.
	Settings map[string]string
}

// identifier is what RDS accepts as the name of a cluster or instance.
var identifier = regexp.MustCompile(`^[a-z](-?[a-z0-9])*$`)

func checkIdentifier(id string) error {
	if identifier.MatchString(id) {
		return nil
	}
	return fmt.Errorf("lab: identifier %q: write lower-case letters, digits and single hyphens, a letter first", id)
}

func (o Options) withDefaults() (Options, error) {
	o.Name = cmp.Or(o.Name, "mydb")
	o.Instances = cmp.Or(o.Instances, 3)
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.User = cmp.Or(o.User, "app")
	o.Password = cmp.Or(o.Password, "secret")
	o.Database = cmp.Or(o.Database, "app")
	if o.Auth == IAM && o.IAMUsers == nil {
		o.IAMUsers = []string{o.User}
	}
	if o.Flavor.global() && o.SecondaryRegions == nil {
		o.SecondaryRegions = []string{"eu-west-1"}
	}
	if err := checkIdentifier(o.Name); err != nil {
		return o, err
	}
	if err := o.checkUsers(); err != nil {
		return o, err
	}
	switch {
	case o.Instances < 1 || o.Instances > 100:
		return o, fmt.Errorf("lab: %d instances: write 1 to 100", o.Instances)
	case o.Flavor < 0 || o.Flavor > MariaDB:
		return o, fmt.Errorf("lab: there is no flavor %d", o.Flavor)
	case o.Latency < 0:
		return o, fmt.Errorf("lab: latency %v is negative", o.Latency)
	case len(o.SecondaryRegions) > 0 && !o.Flavor.global():
		return o, errors.New("lab: SecondaryRegions needs Flavor: lab.GlobalAuroraPG or lab.GlobalAuroraMySQL")
	}
	return o, nil
}

// checkUsers tells why nobody could log in like that.
func (o Options) checkUsers() error {
	for _, name := range o.IAMUsers {
		if _, ok := o.Users[name]; ok {
			return fmt.Errorf("lab: user %q is in Users and IAMUsers: those who log in with a token have no password", name)
		}
	}
	switch {
	case o.VerifyPassword != nil && o.Auth != Cleartext:
		return errors.New("lab: VerifyPassword needs Auth: lab.Cleartext, no other login shows the server the password")
	case o.Auth == NativePassword && o.Flavor.family() != mySQL:
		return errors.New("lab: NativePassword is MySQL's: write Auth: lab.Password, or a Flavor of MySQL")
	case o.Auth == Cleartext && o.Flavor.family() == mySQL && o.TLS == TLSOff:
		return errors.New("lab: MySQL asks for a password in the clear over TLS only: add TLS: lab.TLSOptional")
	case o.Auth == IAM && o.Cloud == nil:
		return errors.New("lab: Auth: lab.IAM needs somebody who verifies the tokens: add Cloud: cloud.New(cloud.Options{})")
	case o.Auth == IAM && o.TLS == TLSOff:
		return errors.New("lab: login tokens are asked for over TLS only: add TLS: lab.TLSRequired")
	case o.Auth != IAM && o.IAMUsers != nil:
		return errors.New("lab: IAMUsers needs Auth: lab.IAM")
	}
	return nil
}
