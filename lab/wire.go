package lab

import (
	"crypto/tls"
	"net"
	"strconv"

	"github.com/awsdb/awsdb/lab/internal/mysqlserver"
	"github.com/awsdb/awsdb/lab/internal/pgserver"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// wireServer speaks the clients' protocol for one process.
type wireServer interface {
	ServeConn(conn net.Conn)
	Terminate()              // ends all sessions as an orderly shutdown does
	failure(f failure) error // as the server sends it
}

func newWireServer(p *process) wireServer {
	var encryption *tls.Config
	if p.certificate != nil {
		encryption = &tls.Config{Certificates: []tls.Certificate{*p.certificate}}
	}
	if p.cluster.options.Flavor.family() == mySQL {
		return newMySQLServer(p, encryption)
	}
	return newPostgreSQLServer(p, encryption)
}

type postgreSQLServer struct{ *pgserver.Server }

func newPostgreSQLServer(p *process, encryption *tls.Config) wireServer {
	o := p.cluster.options
	return postgreSQLServer{pgserver.New(pgserver.Config{
		Store: p.cluster.store, Host: p, Database: o.Database, Settings: o.Settings,
		Account: p.postgreSQLAccount(), Login: p.login, Statement: p.statement, TLS: encryption, RequireTLS: o.TLS == TLSRequired,
	})}
}

// postgreSQLAccount is how users log in; nil: they need not.
func (p *process) postgreSQLAccount() func(user string) pgserver.Account {
	if p.cluster.options.Auth == Trust {
		return nil
	}
	auths := map[Auth]pgserver.Auth{Password: pgserver.SCRAM, Cleartext: pgserver.Cleartext, IAM: pgserver.PAM}
	return func(user string) pgserver.Account {
		a := p.cluster.credential(user)
		return pgserver.Account{Auth: auths[a.auth], Password: a.password, Unknown: a.unknown, Verify: p.verifier(user, a.auth)}
	}
}

// Terminate implements wireServer.
func (s postgreSQLServer) Terminate() { s.Server.Terminate("57P01") }

func (postgreSQLServer) failure(f failure) error {
	e := &sqlengine.Error{Severity: "ERROR", Code: f.code, Message: f.message}
	if f.fatal {
		e.Severity = "FATAL"
	}
	return e
}

type mySQLServer struct{ *mysqlserver.Server }

func newMySQLServer(p *process, encryption *tls.Config) wireServer {
	o := p.cluster.options
	return mySQLServer{mysqlserver.New(mysqlserver.Config{
		Store: p.cluster.store, Host: p, Database: o.Database, Settings: o.Settings,
		Account: p.mySQLAccount(), ProposeNative: o.Auth == NativePassword, Key: p.cluster.key, Login: p.login, Statement: p.statement, TLS: encryption, RequireTLS: o.TLS == TLSRequired,
	})}
}

// mySQLAccount is how users log in; nil: they need not.
func (p *process) mySQLAccount() func(user string) mysqlserver.Account {
	if p.cluster.options.Auth == Trust {
		return nil
	}
	auths := map[Auth]mysqlserver.Auth{
		Password: mysqlserver.CachingSHA2, NativePassword: mysqlserver.NativePassword,
		Cleartext: mysqlserver.ClearPassword, IAM: mysqlserver.Token,
	}
	return func(user string) mysqlserver.Account {
		a := p.cluster.credential(user)
		return mysqlserver.Account{Auth: auths[a.auth], Password: a.password, Unknown: a.unknown, Verify: p.verifier(user, a.auth)}
	}
}

func (mySQLServer) failure(f failure) error {
	number, err := strconv.ParseUint(f.code, 10, 16)
	if err != nil {
		return &mysqlserver.Error{Number: 1105, Message: "lab: error code " + strconv.Quote(f.code) + ": with a flavor of MySQL write a number, such as 1213"}
	}
	return &mysqlserver.Error{Number: uint16(number), Message: f.message, Fatal: f.fatal}
}
