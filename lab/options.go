package lab

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Flavor is the kind of service a cluster pretends to be: which functions and settings a client finds.
type Flavor int

// The flavors.
const (
	AuroraPG       Flavor = iota // Amazon Aurora PostgreSQL
	GlobalAuroraPG               // Aurora PostgreSQL in a global database, see Options.SecondaryRegions
	MultiAZPG                    // RDS for PostgreSQL, Multi-AZ DB cluster
	RDSPG                        // RDS for PostgreSQL, single instance
	PG                           // community PostgreSQL
)

func (f Flavor) server() sqlengine.Flavor {
	switch f {
	case GlobalAuroraPG:
		return sqlengine.GlobalAuroraPG
	case MultiAZPG:
		return sqlengine.MultiAZPG
	case RDSPG:
		return sqlengine.RDSPG
	case PG:
		return sqlengine.PG
	}
	return sqlengine.AuroraPG
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
	SCRAM     Auth = iota // SCRAM-SHA-256 with Options.User and Options.Password
	Cleartext             // the password in the clear, as an IAM token is sent; see Options.VerifyPassword
	Trust                 // everybody is let in
)

// TLSMode says whether the instances speak TLS.
type TLSMode int

// The TLS modes.
const (
	TLSOff TLSMode = iota
	TLSOptional
	TLSRequired // a session without TLS is refused with SQLSTATE 28000
)

// Options say what [Start] and [StartReal] start. The zero value is an Aurora PostgreSQL cluster mydb with a writer and two
// readers on loopback.
type Options struct {
	Name      string  // cluster identifier; default "mydb"
	Instances int     // in each region; default 3: mydb-1, the first writer, mydb-2, mydb-3
	Region    string  // default "us-east-1"
	Flavor    Flavor  // default AuroraPG
	Network   Network // default Loopback

	// SecondaryRegions are the other regions of a global database; default for GlobalAuroraPG: eu-west-1. Their
	// instances are called mydb-eu-west-1-1 and so on and are readers.
	SecondaryRegions []string

	User     string // default "app"
	Password string // default "secret"; not a secret, for nothing but the lab listens to it
	Database string // default "app"
	Auth     Auth   // default SCRAM
	// VerifyPassword replaces User and Password when Auth is Cleartext.
	VerifyPassword func(user, password string) bool
	// TLS: each cluster has its own authority, each instance a certificate for its own name and the endpoints of its
	// cluster. Default TLSOff.
	TLS TLSMode

	// Latency is the time from client to instance, and back again: a round trip takes twice as long, a new
	// connection one round trip more. In memory each connection takes up to 8 microseconds of its own longer,
	// so that no two do something at the same instant. On loopback the whole round trip is added before an
	// answer.
	Latency time.Duration

	// Settings are further server settings, visible to SHOW and current_setting.
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
	if o.Flavor == GlobalAuroraPG && o.SecondaryRegions == nil {
		o.SecondaryRegions = []string{"eu-west-1"}
	}
	if err := checkIdentifier(o.Name); err != nil {
		return o, err
	}
	switch {
	case o.Instances < 1 || o.Instances > 100:
		return o, fmt.Errorf("lab: %d instances: write 1 to 100", o.Instances)
	case o.Flavor < AuroraPG || o.Flavor > PG:
		return o, fmt.Errorf("lab: there is no flavor %d", o.Flavor)
	case o.Latency < 0:
		return o, fmt.Errorf("lab: latency %v is negative", o.Latency)
	case o.VerifyPassword != nil && o.Auth != Cleartext:
		return o, errors.New("lab: VerifyPassword needs Auth: lab.Cleartext, no other login shows the server the password")
	case len(o.SecondaryRegions) > 0 && o.Flavor != GlobalAuroraPG:
		return o, errors.New("lab: SecondaryRegions needs Flavor: lab.GlobalAuroraPG")
	}
	return o, nil
}
