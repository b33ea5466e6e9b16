package lab

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/realpg"
)

// ErrNotInstalled is in the chain of the error of [StartReal] on a machine without the PostgreSQL server programs.
// The error's text says which package has them.
var ErrNotInstalled = realpg.ErrNotInstalled

// StartReal is [Start] with real PostgreSQL servers behind the instances: for tests with SQL that the simulation
// does not have. ctx bounds the start, about a second. See "Real servers" in the package's documentation for
// what differs; Options that have no meaning there are refused.
func StartReal(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	flavor, err := o.realFlavor()
	if err != nil {
		return nil, err
	}
	c, err := newCluster(o)
	if err != nil {
		return nil, err
	}
	if err := c.startServers(ctx, flavor); err != nil {
		c.Close()
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := c.populate(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// realFlavor tells what servers to start, or why they cannot be real.
func (o Options) realFlavor() (realpg.Flavor, error) {
	switch {
	case o.Network != Loopback:
		return "", errors.New("lab: real servers cannot run in memory: leave Network as lab.Loopback, or use lab.Start")
	case o.Auth != Password:
		return "", errors.New("lab: real servers check passwords only: leave Auth as lab.Password, or use lab.Start")
	}
	switch o.Flavor {
	case AuroraPG:
		return realpg.AuroraPostgreSQL, nil
	case MultiAZPG:
		return realpg.MultiAZPostgreSQL, nil
	case PG:
		return realpg.PostgreSQL, nil
	}
	return "", errors.New("lab: real servers can be of Flavor lab.AuroraPG, lab.MultiAZPG or lab.PG only: use lab.Start for the others")
}

// startServers starts a server for each instance.
func (c *Cluster) startServers(ctx context.Context, flavor realpg.Flavor) error {
	o := c.options
	options := realpg.Options{
		User: o.User, Password: o.Password, Database: o.Database, Settings: o.Settings, Flavor: flavor,
		Suffix: strings.TrimPrefix(c.InstancePattern(), "?."), EndpointPort: o.Flavor.port(),
		RequireTLS: o.TLS == TLSRequired, TLS: map[string]realpg.KeyPair{},
	}
	directory, err := os.MkdirTemp("", "awsdb-lab-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory) // the servers have their own copies
	for n := range o.Instances {
		id := c.instanceID(o.Region, n)
		options.Names = append(options.Names, id)
		if c.authority == nil {
			continue
		}
		certificate, err := c.authority.issue(c.certificateNames(c.instanceHost(id, o.Region), o.Region))
		if err != nil {
			return err
		}
		pair := realpg.KeyPair{CertFile: filepath.Join(directory, id+".crt"), KeyFile: filepath.Join(directory, id+".key")}
		if err := writePair(certificate, pair.CertFile, pair.KeyFile); err != nil {
			return err
		}
		options.TLS[id] = pair
	}
	c.real, err = realpg.Start(ctx, options)
	return err
}

// mustSimulate panics when the instances are real servers: a test that asks for what those cannot do is wrong.
func (c *Cluster) mustSimulate(what string) {
	if c.real != nil {
		panic("lab: " + what + " needs a simulated cluster: lab.Start")
	}
}

// newBackend makes what is behind a new instance.
func (c *Cluster) newBackend(i *Instance) backend {
	if c.real != nil {
		return &server{Instance: i}
	}
	return newProcess(i)
}

// promoteReal promotes a real server and tells from when on it was the writer.
func (c *Cluster) promoteReal(i *Instance, o PromoteOptions) (time.Time, error) {
	if o.StatusLag != 0 {
		return time.Time{}, errors.New("the status functions of real servers have no StatusLag: leave it 0")
	}
	if err := c.real.Promote(c.life, i.id); err != nil {
		return time.Time{}, err
	}
	return c.real.PromotedAt().Truncate(time.Millisecond), nil
}

// AdminExec runs a statement as superuser on the server of an instance, in Options.Database: for grants, settings and
// whatever else a test has to prepare that Options.User may not do. The statement is not among the instance's
// Statements. It is an error in a simulated cluster, which has no superuser.
func (c *Cluster) AdminExec(ctx context.Context, id, sql string, args ...any) error {
	if c.real == nil {
		return errors.New("lab: AdminExec needs real servers: lab.StartReal")
	}
	if err := c.real.Exec(ctx, id, sql, args...); err != nil {
		return fmt.Errorf("lab: admin on %s: %w", id, err)
	}
	return nil
}

// controlLimit bounds what the control plane asks a server for its own purposes.
const controlLimit = 10 * time.Second

// undefinedTable is the SQLSTATE for a table that does not exist.
const undefinedTable = "42P01"

// realRows reads a table on the writer.
func (c *Cluster) realRows(table string) [][]any {
	ctx, cancel := context.WithTimeout(c.life, controlLimit)
	defer cancel()
	rows, err := c.readTable(ctx, table)
	var refused *pgconn.PgError
	if err != nil && !(errors.As(err, &refused) && refused.Code == undefinedTable) {
		c.fail(fmt.Errorf("lab: rows of %s: %w", table, err))
	}
	return rows
}

func (c *Cluster) readTable(ctx context.Context, table string) ([][]any, error) {
	session, err := c.real.Connect(ctx, c.real.Primary())
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
