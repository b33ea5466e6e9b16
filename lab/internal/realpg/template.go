package realpg

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
func prepareTemplate(ctx context.Context, found installation, who account, flavor Flavor, scratch string) (template, error) {
	key := sha256.Sum256([]byte(strings.Join([]string{found.version, strings.Join(initdbArguments, " "), flavorSQL(flavor)}, "\x00")))
	cache, err := os.UserCacheDir()
	if err == nil {
		cache = filepath.Join(cache, "awsdb", "realpg")
		err = os.MkdirAll(cache, 0o700)
	}
	if err != nil {
		cache = filepath.Join(scratch, "template")
		if err := os.Mkdir(cache, 0o700); err != nil {
			return template{}, err
		}
	}
	final := filepath.Join(cache, fmt.Sprintf("%x", key[:8]))
	if ready, err := openTemplate(final); err == nil {
		return ready, nil
	}
	draft, err := os.MkdirTemp(cache, "draft-")
	if err != nil {
		return template{}, err
	}
	defer os.RemoveAll(draft)
	if err := buildTemplate(ctx, found, who, flavor, scratch, draft); err != nil {
		return template{}, fmt.Errorf("making the template data directory: %w", err)
	}
	// Whoever renames first wins; a template made elsewhere at the same time serves as well as this one.
	renamed := os.Rename(draft, final)
	ready, err := openTemplate(final)
	if err != nil {
		return template{}, errors.Join(renamed, err)
	}
	return ready, nil
}

func openTemplate(path string) (template, error) {
	if _, err := os.Stat(filepath.Join(path, templateData, "PG_VERSION")); err != nil {
		return template{}, err
	}
	password, err := os.ReadFile(filepath.Join(path, templatePassword))
	if err != nil {
		return template{}, err
	}
	return template{data: filepath.Join(path, templateData), password: string(password)}, nil
}

// buildTemplate runs initdb in scratch, where the servers' account may write, and moves the result to draft.
func buildTemplate(ctx context.Context, found installation, who account, flavor Flavor, scratch, draft string) error {
	password := rand.Text()
	passwordFile := filepath.Join(scratch, "template-password")
	if err := writeFile(who, passwordFile, password); err != nil {
		return err
	}
	defer os.Remove(passwordFile)
	work := filepath.Join(scratch, "template-data")
	defer os.RemoveAll(work)
	arguments := append([]string{"--pgdata=" + work, "--pwfile=" + passwordFile}, initdbArguments...)
	if err := run(who.command(ctx, scratch, found.program("initdb"), arguments...)); err != nil {
		return err
	}
	// A standby refuses a data directory whose last checkpoint was written at initdb's wal_level, so the server has to
	// run at least once even if there is no SQL for it.
	for _, database := range []string{"template1", "postgres"} {
		single := who.command(ctx, scratch, found.program("postgres"), "--single", "-j", "-D", work,
			"-c", "wal_level=replica", "-c", "fsync=off", "-c", "exit_on_error=on", "-c", "log_min_messages=error", database)
		single.Stdin = strings.NewReader(flavorSQL(flavor))
		if err := run(single); err != nil {
			return err
		}
	}
	if err := copyTree(work, filepath.Join(draft, templateData), account{}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(draft, templatePassword), []byte(password), 0o600)
}

// copyTree copies the directory from to to, which must not exist, and gives the copy to who.
func copyTree(from, to string, who account) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case entry.IsDir():
			err = os.Mkdir(target, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(path, target)
		default:
			err = fmt.Errorf("%s is neither a file nor a directory", path)
		}
		if err != nil {
			return err
		}
		return who.adopt(target)
	})
}

// copyFile leaves it to the kernel to share the blocks where the file system can.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}

// writeFile replaces path by a file of the account's that nobody else can read, in one step.
func writeFile(who account, path, content string) error {
	draft := path + ".draft"
	if err := os.WriteFile(draft, []byte(content), 0o600); err != nil {
		return err
	}
	if err := who.adopt(draft); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
