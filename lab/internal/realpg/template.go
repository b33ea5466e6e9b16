package realpg

import (
	"context"
	_ "embed"
	"os"
	"path/filepath"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// superuser owns the servers, as it does on RDS. Only the control plane knows its password.
const superuser = "rdsadmin"

var (
	//go:embed sql/common.sql
	commonSQL string
	//go:embed sql/aurora.sql
	auroraSQL string
	//go:embed sql/multiaz.sql
	multiAZSQL string
)

// flavorSQL is what a server of the flavor has beyond the community server.
func flavorSQL(flavor Flavor) string {
	switch flavor {
	case AuroraPostgreSQL:
		return commonSQL + "\n" + auroraSQL
	case MultiAZPostgreSQL:
		return commonSQL + "\n" + multiAZSQL
	default:
		return ""
	}
}

// initdbArguments make a small data directory: write-ahead log files of 1 MB instead of 16 are copied and recycled faster.
var initdbArguments = []string{
	"--username=" + superuser, "--auth=scram-sha-256", "--no-sync", "--locale=C", "--encoding=UTF8", "--wal-segsize=1",
}

// prepareTemplate returns the template for the flavor.
func prepareTemplate(ctx context.Context, found installation, who realserver.Account, flavor Flavor, scratch string) (realserver.Template, error) {
	key := []string{found.version, strings.Join(initdbArguments, " "), flavorSQL(flavor)}
	return realserver.PrepareTemplate("realpg", key, scratch, "PG_VERSION", func(work, password string) error {
		return buildTemplate(ctx, found, who, flavor, scratch, work, password)
	})
}

// buildTemplate runs initdb in scratch, where the servers' account may write.
func buildTemplate(ctx context.Context, found installation, who realserver.Account, flavor Flavor, scratch, work, password string) error {
	passwordFile := filepath.Join(scratch, "template-password")
	if err := realserver.WriteFile(who, passwordFile, password, 0o600); err != nil {
		return err
	}
	defer os.Remove(passwordFile)
	arguments := append([]string{"--pgdata=" + work, "--pwfile=" + passwordFile}, initdbArguments...)
	if err := realserver.Run(who.Command(ctx, scratch, found.program("initdb"), arguments...)); err != nil {
		return err
	}
	// A standby refuses a data directory whose last checkpoint was written at initdb's wal_level, so the server has to
	// run at least once even if there is no SQL for it.
	for _, database := range []string{"template1", "postgres"} {
		single := who.Command(ctx, scratch, found.program("postgres"), "--single", "-j", "-D", work,
			"-c", "wal_level=replica", "-c", "fsync=off", "-c", "exit_on_error=on", "-c", "log_min_messages=error", database)
		single.Stdin = strings.NewReader(flavorSQL(flavor))
		if err := realserver.Run(single); err != nil {
			return err
		}
	}
	return nil
}
