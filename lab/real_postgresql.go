package lab

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/realpg"
)

// postgreSQLServers are real PostgreSQL servers.
type postgreSQLServers struct{ *realpg.Cluster }

func startPostgreSQL(ctx context.Context, c *Cluster) (realServers, error) {
	o := c.options
	options := realpg.Options{
		User: o.User, Password: o.Password, Database: o.Database, Settings: o.Settings, Names: c.realNames(),
		Flavor: map[Flavor]realpg.Flavor{
			AuroraPG: realpg.AuroraPostgreSQL, MultiAZPG: realpg.MultiAZPostgreSQL, PG: realpg.PostgreSQL,
		}[o.Flavor],
		Suffix: c.realSuffix(), EndpointPort: c.port(),
		RequireTLS: o.TLS == TLSRequired, TLS: map[string]realpg.KeyPair{},
	}
	directory, err := os.MkdirTemp("", "awsdb-lab-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory) // the servers have their own copies
	certificates, err := c.realCertificates()
	if err != nil {
		return nil, err
	}
	for id, certificate := range certificates {
		pair := realpg.KeyPair{CertFile: filepath.Join(directory, id+".crt"), KeyFile: filepath.Join(directory, id+".key")}
		if err := writePair(certificate, pair.CertFile, pair.KeyFile); err != nil {
			return nil, err
		}
		options.TLS[id] = pair
	}
	servers, err := realpg.Start(ctx, options)
	if errors.Is(err, realpg.ErrNotInstalled) {
		return nil, errors.Join(err, ErrNotInstalled)
	} else if err != nil {
		return nil, err
	}
	return postgreSQLServers{servers}, nil
}

func (postgreSQLServers) connect(_ string, client net.Conn, server *net.TCPConn) error {
	var requests sync.WaitGroup
	requests.Go(func() {
		if _, err := io.Copy(server, client); err != nil {
			server.Close()
			return
		}
		_ = server.CloseWrite() // fails when the server was faster
	})
	_, err := io.Copy(client, server)
	_ = client.SetReadDeadline(time.Unix(1, 0)) // whatever the client says now, nobody hears it
	requests.Wait()
	return err
}

func (s postgreSQLServers) dropSessions(ctx context.Context, id string) error {
	return s.Exec(ctx, id, `select pg_terminate_backend(pid)
		from pg_stat_activity where backend_type = 'client backend' and usename <> current_user`)
}

func (s postgreSQLServers) received(id string) ([]Statement, error) {
	received, err := s.Statements(id)
	statements := make([]Statement, len(received))
	for n, r := range received {
		statements[n] = Statement{
			Conn: uint64(r.Process), User: r.User, SQL: r.SQL, Args: arguments(r.Parameters), Ran: true, At: r.Time,
		}
	}
	return statements, err
}

// undefinedTable is the SQLSTATE for a table that does not exist.
const undefinedTable = "42P01"

func (s postgreSQLServers) rows(ctx context.Context, table string) ([][]any, error) {
	rows, err := s.readTable(ctx, table)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == undefinedTable {
		return nil, nil
	}
	return rows, err
}

func (s postgreSQLServers) readTable(ctx context.Context, table string) ([][]any, error) {
	session, err := s.Connect(ctx, s.Primary())
	if err != nil {
		return nil, err
	}
	defer hangUp(session)
	query := "select * from " + pgx.Identifier(strings.Split(table, ".")).Sanitize()
	results, err := session.PgConn().Exec(ctx, query).ReadAll() // the simple protocol: all values are text
	if err != nil {
		return nil, err
	}
	rows := [][]any{}
	for _, texts := range results[0].Rows {
		row := make([]any, len(texts))
		for n, field := range results[0].FieldDescriptions {
			if row[n], err = rowValue(session.TypeMap(), field.DataTypeOID, texts[n]); err != nil {
				return nil, fmt.Errorf("column %s: %w", field.Name, err)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// rowValue is a value as Rows gives it, from its text in SQL.
func rowValue(types *pgtype.Map, oid uint32, text []byte) (any, error) {
	if text == nil {
		return nil, nil
	}
	switch oid {
	case pgtype.BoolOID:
		return string(text) == "t", nil
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		return strconv.ParseInt(string(text), 10, 64)
	case pgtype.Float4OID, pgtype.Float8OID:
		return strconv.ParseFloat(string(text), 64)
	case pgtype.ByteaOID:
		return hex.DecodeString(strings.TrimPrefix(string(text), `\x`))
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		var at time.Time
		if err := types.Scan(oid, pgtype.TextFormatCode, text, &at); err != nil {
			return string(text), nil // infinity
		}
		return at, nil
	}
	return string(text), nil
}

// hangUp ends a session of the control plane even when its context has ended.
func hangUp(session *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = session.Close(ctx) // it was used, and its fate changes nothing
}

// arguments takes apart how a server prints bound parameters: $1 = 'it”s', $2 = NULL.
func arguments(printed string) []any {
	var values []any
	for printed != "" {
		_, rest, ok := strings.Cut(printed, " = ")
		if !ok {
			return values
		}
		if printed, ok = strings.CutPrefix(rest, "NULL"); ok {
			values = append(values, nil)
			continue
		}
		value := ""
		value, printed = quoted(rest)
		values = append(values, value)
	}
	return values
}

// quoted reads the literal at the start of text, in which a quote stands twice, and returns what follows it.
func quoted(text string) (value, rest string) {
	var b strings.Builder
	text = strings.TrimPrefix(text, "'")
	for {
		part, after, ok := strings.Cut(text, "'")
		b.WriteString(part)
		if !ok || !strings.HasPrefix(after, "'") {
			return b.String(), after
		}
		b.WriteByte('\'')
		text = after[1:]
	}
}
