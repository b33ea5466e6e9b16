package realserver

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A Template is a data directory that every server of a cluster starts as a copy of.
type Template struct {
	Data     string // path of the data directory
	Password string // of the superuser
}

const (
	templateData     = "data"
	templatePassword = "password"
)

// PrepareTemplate returns the template of that kind made from what key lists. It is kept in the user's cache directory, as
// making one takes a second or more and copying it some 50 ms. When it is not there, build makes the data directory work,
// below scratch, whose superuser has the password, of letters and digits. A process that has no cache directory keeps the
// template in scratch too, which belongs to its cluster. Every data directory has the file marker in the end.
func PrepareTemplate(kind string, key []string, scratch, marker string, build func(work, password string) error) (Template, error) {
	sum := sha256.Sum256([]byte(strings.Join(key, "\x00")))
	cache, err := os.UserCacheDir()
	if err == nil {
		cache = filepath.Join(cache, "awsdb", kind)
		err = os.MkdirAll(cache, 0o700)
	}
	if err != nil {
		cache = filepath.Join(scratch, "template")
		if err := os.Mkdir(cache, 0o700); err != nil {
			return Template{}, err
		}
	}
	final := filepath.Join(cache, fmt.Sprintf("%x", sum[:8]))
	if ready, err := openTemplate(final, marker); err == nil {
		return ready, nil
	}
	draft, err := os.MkdirTemp(cache, "draft-")
	if err != nil {
		return Template{}, err
	}
	defer os.RemoveAll(draft)
	if err := makeTemplate(draft, filepath.Join(scratch, "template-data"), build); err != nil {
		return Template{}, fmt.Errorf("making the template data directory: %w", err)
	}
	// Whoever renames first wins; a template made elsewhere at the same time serves as well as this one.
	renamed := os.Rename(draft, final)
	ready, err := openTemplate(final, marker)
	if err != nil {
		return Template{}, errors.Join(renamed, err)
	}
	return ready, nil
}

func makeTemplate(draft, work string, build func(work, password string) error) error {
	defer os.RemoveAll(work)
	password := rand.Text()
	if err := build(work, password); err != nil {
		return err
	}
	if err := CopyTree(work, filepath.Join(draft, templateData), Account{}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(draft, templatePassword), []byte(password), 0o600)
}

func openTemplate(path, marker string) (Template, error) {
	if _, err := os.Stat(filepath.Join(path, templateData, marker)); err != nil {
		return Template{}, err
	}
	password, err := os.ReadFile(filepath.Join(path, templatePassword))
	if err != nil {
		return Template{}, err
	}
	return Template{Data: filepath.Join(path, templateData), Password: string(password)}, nil
}
