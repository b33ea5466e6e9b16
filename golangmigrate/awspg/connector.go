package awspg

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"

	"github.com/awsdb/awsdb/core"
)

// connector knows the connections it has opened: golang-migrate's WithInstance leaves the one open that it could not use,
// and sql.DB.Close leaves what is in use.
type connector struct {
	*core.Connector

	mu    sync.Mutex // guards conns
	conns []driver.Conn
}

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	return conn, nil
}

// closeAll closes all connections. Nobody may use one any more.
func (c *connector) closeAll() error {
	c.mu.Lock()
	conns := c.conns
	c.mu.Unlock()
	var err error
	for _, conn := range conns {
		err = errors.Join(err, conn.Close())
	}
	return err
}
