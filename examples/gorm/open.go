package main

import (
	"log/slog"
	"strings"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	_ "github.com/awsdb/awsdb/mysqldriver"
	_ "github.com/awsdb/awsdb/pgdriver"
)

// open opens the database that a DATABASE_URL names. The pool is closed by way of db.DB().
func open(url string) (*gorm.DB, error) {
	return gorm.Open(dialector(url), config(slog.Default()))
}

// dialector returns GORM's own dialector, on awsdb's driver instead of the one it would take: postgres for any URL that
// begins so, mysql for a mysql:// URL and for go-sql-driver's own form.
func dialector(url string) gorm.Dialector {
	if strings.HasPrefix(url, "postgres") {
		return postgres.New(postgres.Config{DriverName: "awspg", DSN: url})
	}
	return mysql.New(mysql.Config{DriverName: "awsmysql", DSN: url})
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
