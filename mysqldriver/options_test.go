package mysqldriver

import (
	"io"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

func parsed(t *testing.T, dsn string) *mysql.Config {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func connector(t *testing.T, cfg *mysql.Config, opts ...Option) *core.Connector {
	t.Helper()
	k, err := NewConnector(cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.(io.Closer).Close() }) // never fails
	return k.(*core.Connector)
}
