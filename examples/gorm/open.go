package main

import (
	"database/sql"
	"log/slog"
	"strings"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	"gorm.io/plugin/dbresolver"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	_ "github.com/awsdb/awsdb/mysqldriver"
	_ "github.com/awsdb/awsdb/pgdriver"
)

// openPool opens the database that a DATABASE_URL names, and puts GORM's own dialector on it: postgres for any URL that
// begins so, mysql for a mysql:// URL and for go-sql-driver's own form. The caller closes the pool.
func openPool(url string) (*sql.DB, gorm.Dialector, error) {
	if strings.HasPrefix(url, "postgres") {
		pool, err := sql.Open("awspg", url)
		return pool, postgres.New(postgres.Config{Conn: pool}), err
	}
	pool, err := sql.Open("awsmysql", url)
	return pool, mysql.New(mysql.Config{Conn: pool}), err
}

func config(l *slog.Logger) *gorm.Config {
	return &gorm.Config{
		TranslateError: true, // gorm.ErrDuplicatedKey, whatever the engine
		Logger: logger.NewSlogLogger(l, logger.Config{
			LogLevel:                  logger.Warn,
			SlowThreshold:             time.Second,
			IgnoreRecordNotFoundError: true,
			ParameterizedQueries:      true, // no values in the log
		}),
	}
}

// readFrom sends queries outside of transactions to the readers: one pool, of the cluster's reader endpoint. Its URL and the
// writer's have the same cluster_id, so that the pools share what is known of the cluster.
func readFrom(db *gorm.DB, readers gorm.Dialector) error {
	return db.Use(dbresolver.Register(dbresolver.Config{Replicas: []gorm.Dialector{readers}}))
}
