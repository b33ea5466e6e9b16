package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/awsdb/awsdb/lab/internal/realmaria"
)

// mariaDBServers are real MariaDB servers, seen through proxies that let them say of themselves what Aurora does.
type mariaDBServers struct{ *realmaria.Cluster }

func startMariaDB(ctx context.Context, c *Cluster) (realServers, error) {
	o := c.options
	options := realmaria.Options{
		User: o.User, Password: o.Password, Database: o.Database, Settings: o.Settings, Names: c.realNames(),
		Flavor: map[Flavor]realmaria.Flavor{
			AuroraMySQL: realmaria.AuroraMySQL, MultiAZMySQL: realmaria.MultiAZMySQL, MariaDB: realmaria.MariaDB,
		}[o.Flavor],
		Suffix: c.realSuffix(), EndpointPort: c.port(),
		RequireTLS: o.TLS == TLSRequired, TLS: map[string]*tls.Config{},
	}
	certificates, err := c.realCertificates()
	if err != nil {
		return nil, err
	}
	for id, certificate := range certificates {
		options.TLS[id] = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	servers, err := realmaria.Start(ctx, options)
	if errors.Is(err, realmaria.ErrNotInstalled) {
		return nil, errors.Join(err, ErrNotInstalled)
	} else if err != nil {
		return nil, err
	}
	return mariaDBServers{servers}, nil
}

func (s mariaDBServers) connect(id string, client net.Conn, server *net.TCPConn) error {
	return s.Proxy(id).Copy(client, server)
}

func (s mariaDBServers) dropSessions(ctx context.Context, id string) error {
	return s.DropSessions(ctx, id)
}

func (s mariaDBServers) received(id string) ([]Statement, error) {
	received, err := s.Statements(id)
	statements := make([]Statement, len(received))
	for n, r := range received {
		statements[n] = Statement{Conn: uint64(r.Session), User: r.User, SQL: r.SQL, Args: r.Arguments, Ran: true, At: r.Time}
	}
	return statements, err
}

func (s mariaDBServers) rows(ctx context.Context, table string) ([][]any, error) {
	return s.Rows(ctx, table)
}
