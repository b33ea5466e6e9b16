package awspg

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/golangmigrate/internal/options"
)

func TestSchemes(t *testing.T) {
	for _, scheme := range []string{"awspg", "postgresql+aws_wrapper_psycopg"} {
		if !slices.Contains(database.List(), scheme) {
			t.Errorf("%s is not registered", scheme)
		}
		if _, err := database.Open(scheme + "://host/db?x-unknown=1"); !errors.Is(err, core.ErrConfig) {
			t.Errorf("%s is not ours: %v", scheme, err)
		}
	}
}

func TestOptions(t *testing.T) {
	_, o := options.Take("awspg://host/db?x-migrations-table=%22a%22.%22b%22&x-migrations-table-quoted=1&x-multi-statement=true"+
		"&x-multi-statement-max-size=4096&x-statement-timeout=1500", known...)
	want := &pgx.Config{
		MigrationsTable: `"a"."b"`, MigrationsTableQuoted: true, MultiStatementEnabled: true, MultiStatementMaxSize: 4096,
		StatementTimeout: 1500 * time.Millisecond,
	}
	if diff := cmp.Diff(want, config(o), cmpopts.IgnoreUnexported(pgx.Config{})); diff != "" || o.Err() != nil {
		t.Errorf("%v (-want +got):\n%s", o.Err(), diff)
	}
}

func TestMistakes(t *testing.T) {
	for databaseURL, want := range map[string]string{
		"awspg://u:secret@host/db?x-migration-table=a":                                "x-migration-table is not known",
		"awspg://u:secret@host/db?x-multi-statement=perhaps":                          "want true or false",
		"awspg://u:secret@host/db?x-migrations-table-quoted=true":                     `write "table" or "schema"."table"`,
		"awspg://u:secret@host/db?x-migrations-table=a&x-migrations-table-quoted=1":   `write "table" or "schema"."table"`,
		"awspg://u:secret@host/db?x-migrations-table=%22&x-migrations-table-quoted=1": `write "table" or "schema"."table"`,
		"awspg:u:secret@host":                             "cannot be read",
		"mysql://u:secret@host/db":                        "cannot be read",
		"awspg://u:secret%zz@host/db":                     "cannot be read",
		"awspg://u:secret@host/db?failover_timeout_sec=a": "failover_timeout_sec",
	} {
		d, err := Open(databaseURL)
		if d != nil || !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s", databaseURL, err, want)
		}
	}
}

// TestNothingIsLeft: goleak looks at what a database that cannot be reached has left.
func TestNothingIsLeft(t *testing.T) {
	for _, scheme := range []string{"awspg", "postgres", "postgresql"} {
		d, err := Open(scheme + "://u:secret@127.0.0.1:1/db?connect_timeout=5")
		if d != nil || !errors.Is(err, core.ErrConnect) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}
