package realmaria

import (
	"context"
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
	"--innodb-log-file-size=" + logFileSize, "--innodb-flush-log-at-trx-commit=0",
}

const logFileSize = "8M" // 96 MB otherwise

// prepareTemplate returns the template for the flavor.
func prepareTemplate(ctx context.Context, found installation, who realserver.Account, flavor Flavor, scratch string) (realserver.Template, error) {
	key := []string{found.version, strings.Join(installArguments, " "), accountSQL, flavorSQL(flavor)}
	return realserver.PrepareTemplate("realmaria", key, scratch, "ibdata1", func(work, password string) error {
		return buildTemplate(ctx, found, who, flavor, scratch, work, password)
	})
}

// buildTemplate runs mariadb-install-db in scratch, where the servers' account may write.
func buildTemplate(ctx context.Context, found installation, who realserver.Account, flavor Flavor, scratch, work, password string) error {
	script := filepath.Join(scratch, "template.sql")
	if err := realserver.WriteFile(who, script, fmt.Sprintf(accountSQL, password)+flavorSQL(flavor), 0o600); err != nil {
		return err
	}
	defer os.Remove(script)
	temporary := filepath.Join(scratch, "template-tmp") // a server that starts empties it, whoever uses it
	if err := realserver.MakeDirectory(who, temporary); err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	arguments := append([]string{}, installArguments...) // --no-defaults has to be the first
	arguments = append(arguments, "--datadir="+work, "--tmpdir="+temporary, "--extra-file="+script)
	return realserver.Run(who.Command(ctx, scratch, found.install, arguments...))
}
