package realpg

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"fmt"
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

// A template is a data directory that every server starts as a copy of.
type template struct {
	data     string // path of the data directory
	password string // of the superuser
}

const (
	templateData     = "data"
	templatePassword = "password"
)

// prepareTemplate returns the template for the flavor, which is kept in the user's cache directory: making one takes about a
// second, copying it some 50 ms. A process that has no cache directory makes one in scratch, which belongs to its cluster.
func prepareTemplate(ctx context.Context, found installation, who realserver.Account, flavor Flavor, scratch string) (template, error) {
	key := sha256.Sum256([]byte(strings.Join([]string{found.version, strings.Join(initdbArguments, " "), flavorSQL(flavor)}, "\x00")))
	path, err := realserver.Prepared("realpg", fmt.Sprintf("%x", key[:8]), scratch, completeTemplate, func(draft string) error {
		return buildTemplate(ctx, found, who, flavor, scratch, draft)
	})
	if err != nil {
		return template{}, err
	}
	password, err := os.ReadFile(filepath.Join(path, templatePassword))
	if err != nil {
		return template{}, err
	}
	return template{data: filepath.Join(path, templateData), password: string(password)}, nil
}

func completeTemplate(path string) bool {
	for _, part := range []string{filepath.Join(templateData, "PG_VERSION"), templatePassword} {
		if _, err := os.Stat(filepath.Join(path, part)); err != nil {
			return false
		}
	}
	return true
}

// buildTemplate runs initdb in scratch, where the servers' account may write, and moves the result to draft.
func buildTemplate(ctx context.Context, found installation, who realserver.Account, flavor Flavor, scratch, draft string) error {
	password := rand.Text()
	passwordFile := filepath.Join(scratch, "template-password")
	if err := realserver.WriteFile(who, passwordFile, password, 0o600); err != nil {
		return err
	}
	defer os.Remove(passwordFile)
	work := filepath.Join(scratch, "template-data")
	defer os.RemoveAll(work)
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
	if err := realserver.CopyTree(work, filepath.Join(draft, templateData), realserver.Account{}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(draft, templatePassword), []byte(password), 0o600)
}
