package golangmigrate_test

import (
	"database/sql"
	"errors"
	"log"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database/pgx/v5"
	_ "github.com/golang-migrate/migrate/v4/source/file"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/golangmigrate"
	_ "github.com/awsdb/awsdb/pgdriver"
)

// A program that has a handle already, or makes one in its own way.
func ExampleWrap() {
	db, err := sql.Open("awspg", "postgres://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app")
	if err != nil {
		log.Fatal(err)
	}
	d, err := pgx.WithInstance(db, &pgx.Config{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := migrate.NewWithDatabaseInstance("file://migrations", "pgx5", golangmigrate.Wrap(d))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() // closes db, too
	if err := m.Up(); errors.Is(err, core.ErrFailover) {
		log.Print("look at the dirty version, then run again: ", err)
	}
}
