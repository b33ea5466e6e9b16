package realmaria

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
	case AuroraMySQL:
		return commonSQL + "\n" + auroraSQL
	case MultiAZMySQL:
		return commonSQL + "\n" + multiAZSQL
	default:
		return ""
	}
}

// accountSQL leaves nobody but the superuser: the other accounts of a new server need no password. The log of statements keeps
// every character.
const accountSQL = `flush privileges;
drop user if exists 'root'@'localhost';
create user '` + superuser + `'@'127.0.0.1' identified by '%s';
grant all privileges on *.* to '` + superuser + `'@'127.0.0.1' with grant option;
alter table mysql.general_log modify argument mediumtext character set utf8mb4 not null;
`

// installArguments make a small data directory, which is copied faster.
var installArguments = []string{
	"--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
	logFileSize, "--innodb-flush-log-at-trx-commit=0",
}

const logFileSize = "--innodb-log-file-size=8M"

// A template is a data directory that every server starts as a copy of.
type template struct {
	data     string // path of the data directory
	password string // of the superuser
}

const (
	templateData     = "data"
	templatePassword = "password"
)

// prepareTemplate returns the template for the flavor, which is kept in the user's cache directory: making one takes more than
// a second, copying it some 50 ms.
func prepareTemplate(ctx context.Context, found installation, who realserver.Account, flavor Flavor, scratch string) (template, error) {
	key := sha256.Sum256([]byte(strings.Join([]string{found.version, strings.Join(installArguments, " "), accountSQL, flavorSQL(flavor)}, "\x00")))
	path, err := realserver.Prepared("realmaria", fmt.Sprintf("%x", key[:8]), scratch, completeTemplate, func(draft string) error {
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
	for _, part := range []string{filepath.Join(templateData, "ibdata1"), templatePassword} {
		if _, err := os.Stat(filepath.Join(path, part)); err != nil {
			return false
		}
	}
	return true
}

// buildTemplate runs mariadb-install-db in scratch, where the servers' account may write, and copies the result to draft.
func buildTemplate(ctx context.Context, found installation, who realserver.Account, flavor Flavor, scratch, draft string) error {
	password := rand.Text() // letters and digits, which need no quoting
	script := filepath.Join(scratch, "template.sql")
	if err := realserver.WriteFile(who, script, fmt.Sprintf(accountSQL, password)+flavorSQL(flavor), 0o600); err != nil {
		return err
	}
	defer os.Remove(script)
	work := filepath.Join(scratch, "template-data")
	defer os.RemoveAll(work)
	arguments := append([]string{}, installArguments...)
	arguments = append(arguments, "--datadir="+work, "--extra-file="+script)
	if err := realserver.Run(who.Command(ctx, scratch, found.install, arguments...)); err != nil {
		return err
	}
	if err := realserver.CopyTree(work, filepath.Join(draft, templateData), realserver.Account{}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(draft, templatePassword), []byte(password), 0o600)
}
