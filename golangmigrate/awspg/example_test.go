package awspg_test

import (
	"errors"
	"log"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/source/file"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/golangmigrate/awspg"
)

func Example() {
	m, err := migrate.New("file://migrations",
		"awspg://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app?x-migrations-table=versions&failover_timeout_sec=60")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() // ends everything that was started
	if err := m.Up(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
		log.Print(err)
	}
}
