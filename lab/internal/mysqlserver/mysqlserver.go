// Package mysqlserver speaks the MySQL protocol, version 10, for one instance of an Aurora-like cluster.
//
// A Server answers unmodified clients on any net.Conn, a TCP socket or a connection in memory: passwords in three ways, TLS,
// compression, the text and the binary protocol, several statements at once, LOAD DATA LOCAL. All instances of a cluster
// share one [sqlengine.Store], as the instances of an Aurora cluster share their storage; what an instance says about
// itself and its cluster comes from its [sqlengine.Host], asked anew for every statement. Config.Statement sees each
// statement an instance receives and may decide its fate: run it, lose it, run it and lose the answer, hang, delay,
// fail.
//
// The SQL it understands is what package syntax parses and package sqlengine runs: what tests and applications of moderate
// size write, and the variables and tables by which a client finds out what Aurora or RDS it talks to. What it does
// not understand fails with the number of the real server. It differs from the real server in this: isolation is read
// committed with row locks, whatever is asked for; texts compare byte by byte, as with a binary collation; names of
// tables are case-sensitive, names of columns are not; the only time zone is UTC; foreign keys are parsed and not enforced;
// plain indexes are accepted and do nothing; there are no warnings.
//
// Nothing here waits on anything but channels, timers and connections, so everything works in a testing/synctest
// bubble over in-memory connections.
package mysqlserver

import (
	"crypto/rsa"
	"crypto/tls"
	"strconv"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/fate"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Account is how a user logs in.
type Account struct {
	Auth     Auth
	Unknown  bool // there is no such user: no password will do, and the client is not told why
	Password string
	// Verify replaces Password for ClearPassword and Token.
	Verify func(password string) bool
}

// Config says how a Server behaves. Store and Host, whose flavor is one of MySQL's, are required.
type Config struct {
	Store *sqlengine.Store
	Host  sqlengine.Host

	// Account is asked about the user at each login. nil: everybody is who they say.
	Account func(user string) Account
	// ProposeNative lets the greeting, which comes before the user is known, propose mysql_native_password instead of
	// caching_sha2_password.
	ProposeNative bool
	// Key is what clients of CachingSHA2 encrypt their password with when there is no TLS. Making one takes a while, so
	// servers may share one. nil: the server makes its own when it is needed.
	Key *rsa.PrivateKey
	// Login, if set, sees each authenticated user and may refuse with an *Error (any other error becomes 1045).
	Login func(user string) error

	TLS        *tls.Config // nil: the server does not offer TLS
	RequireTLS bool        // refuse sessions without TLS with error 3159

	Database string            // the one database there is; empty: any name will do, and all mean the same
	Version  string            // default "8.0.39", "10.11.14-MariaDB" for MariaDB
	Settings map[string]string // further system variables, and values other than the default ones; names in lower case

	// Statement is called once for every statement the instance receives (for prepared ones: every execution), before it
	// runs, and decides what becomes of it. It may be called from several goroutines at once and must not block.
	// nil: run everything.
	Statement func(fate.Statement) fate.Fate
}

func (s *Server) flavor() sqlengine.Flavor { return s.config.Host.Flavor() }

func (s *Server) mariadb() bool { return s.flavor() == sqlengine.MariaDB }

// aurora reports whether the server is an instance of Aurora.
func (s *Server) aurora() bool {
	return s.flavor() == sqlengine.AuroraMySQL || s.flavor() == sqlengine.GlobalAuroraMySQL
}

func (s *Server) version() string {
	switch {
	case s.config.Version != "":
		return s.config.Version
	case s.mariadb():
		return "10.11.14-MariaDB"
	}
	return "8.0.39"
}

// versionNumber is the version as comments like /*!80039 … */ have it.
func (s *Server) versionNumber() int {
	number := 0
	for i, part := range strings.SplitN(s.version(), ".", 3) {
		digits := strings.TrimRight(part, strings.TrimLeft(part, "0123456789"))
		n, _ := strconv.Atoi(digits)
		number = number*100 + n
		if i == 2 {
			break
		}
	}
	return number
}
