package frontend

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/pgdriver"
)

// Handle is an open pool. Closing it ends everything.
type Handle struct {
	*sql.DB
	Connector *core.Connector
	// Native is the pool beneath, of a front end that is not database/sql's; else nil.
	Native *pgdriver.Pool

	adapter *poolAdapter // of Native
}

func newHandle(k driver.Connector) (*Handle, error) {
	connector, ok := k.(*core.Connector)
	if !ok {
		return nil, fmt.Errorf("%T is no *core.Connector", k)
	}
	return &Handle{DB: sql.OpenDB(connector), Connector: connector}, nil
}

// openNamed opens a handle of a registered driver. What the driver makes of the
// connection string stays hidden: there is no Connector.
func openNamed(driverName, dsn string) (*Handle, error) {
	db, err := sql.Open(driverName, dsn)
	if err != nil {
		return nil, err
	}
	return &Handle{DB: db}, nil
}

// Cluster is what awsdb knows of the hosts.
func (h *Handle) Cluster() *core.Cluster { return h.Connector.Cluster() }

// Conn takes a connection out of the pool.
func (h *Handle) Conn(ctx context.Context) (*sql.Conn, error) {
	c, err := h.DB.Conn(ctx)
	if err != nil || h.Native == nil {
		return c, err
	}
	err = c.Raw(func(driverConn any) error { return driverConn.(*adapted).acquire(ctx) })
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Dial opens a connection, whatever the pool has, and closes it.
func (h *Handle) Dial(ctx context.Context) error {
	if h.Native != nil {
		c, err := pgx.ConnectConfig(ctx, h.Native.Config().ConnConfig)
		if err != nil {
			return err
		}
		return c.Close(ctx)
	}
	c, err := h.Connector.Connect(ctx)
	if err != nil {
		return err
	}
	return c.Close()
}

// SetMaxIdleConns limits how many connections stay open that nobody uses.
func (h *Handle) SetMaxIdleConns(n int) {
	h.DB.SetMaxIdleConns(n)
	if h.Native != nil {
		h.adapter.keepIdle(n)
	}
}

// Link is the socket under a connection of the handle.
func (h *Handle) Link(c *sql.Conn) (link *core.Link, err error) {
	err = c.Raw(func(driverConn any) error {
		if a, ok := driverConn.(*adapted); ok {
			link = a.link()
		} else if conn := core.FromRaw(driverConn); conn != nil {
			link = conn.Link()
		}
		if link == nil {
			return fmt.Errorf("%T is not awsdb's", driverConn)
		}
		return nil
	})
	return link, err
}
