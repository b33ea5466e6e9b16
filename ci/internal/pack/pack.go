// Package pack writes modules into a folder laid out as a module proxy, so
// that the go command downloads them from there exactly as it downloads a
// published version: with nothing but what a user would get.
package pack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/zip"

	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// license is the file that the go command copies from the root of a repository
// into the zip of a module that has none of its own.
const license = "LICENSE"

// Write packs every module of the workspace at its own version and at the next
// patch version into the proxy folder dir. Both versions have the same content
// and the same go.mod: the next one still requires the older siblings, as it
// would when only one module is released.
func Write(dir string, work *workspace.Workspace) error {
	for _, packed := range work.Modules {
		next, err := NextPatch(packed.Version)
		if err != nil {
			return fmt.Errorf("pack %s: %w", packed.Path, err)
		}
		for _, version := range []string{packed.Version, next} {
			if err := writeVersion(dir, work.Root, packed, version); err != nil {
				return fmt.Errorf("pack %s@%s: %w", packed.Path, version, err)
			}
		}
	}
	return nil
}

// NextPatch returns the version whose patch number is one higher. A version
// with a pre-release or build suffix is an error.
func NextPatch(version string) (string, error) {
	minor, patch, _ := strings.Cut(strings.TrimPrefix(version, semver.MajorMinor(version)), ".")
	number, err := strconv.Atoi(patch)
	if !semver.IsValid(version) || minor != "" || err != nil {
		return "", fmt.Errorf("%q is not a release version such as v0.1.0", version)
	}
	return fmt.Sprintf("%s.%d", semver.MajorMinor(version), number+1), nil
}

// Folder returns the folder below the proxy folder dir that holds the packed
// versions of a module: VERSION.info, VERSION.mod and VERSION.zip.
func Folder(dir, modulePath string) (string, error) {
	escaped, err := module.EscapePath(modulePath)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.FromSlash(escaped), "@v"), nil
}

func writeVersion(dir, root string, packed workspace.Module, version string) error {
	folder, err := Folder(dir, packed.Path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var archive bytes.Buffer
	files, err := moduleFiles(root, packed.Dir)
	if err != nil {
		return err
	}
	if err := zip.Create(&archive, module.Version{Path: packed.Path, Version: version}, files); err != nil {
		return err
	}
	goMod, err := os.ReadFile(filepath.Join(packed.Dir, "go.mod"))
	if err != nil {
		return err
	}
	info, err := json.Marshal(struct{ Version string }{version})
	if err != nil {
		return err
	}
	for suffix, content := range map[string][]byte{".info": info, ".mod": goMod, ".zip": archive.Bytes()} {
		if err := os.WriteFile(filepath.Join(folder, version+suffix), content, 0o644); err != nil {
			return err
		}
	}
	return appendLine(filepath.Join(folder, "list"), version)
}

func appendLine(path, line string) error {
	list, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := list.WriteString(line + "\n"); err != nil {
		_ = list.Close()
		return err
	}
	return list.Close()
}

// moduleFiles lists what belongs in the zip of the module in dir: x/mod/zip
// leaves out nested modules, version control and vendor folders.
func moduleFiles(root, dir string) ([]zip.File, error) {
	checked, err := zip.CheckDir(dir)
	if err != nil {
		return nil, err
	}
	files := make([]zip.File, 0, len(checked.Valid)+1)
	licensed := false
	for _, path := range checked.Valid {
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return nil, err
		}
		licensed = licensed || name == license
		files = append(files, diskFile{name: filepath.ToSlash(name), path: path})
	}
	rootLicense := filepath.Join(root, license)
	if _, err := os.Stat(rootLicense); err == nil && !licensed {
		files = append(files, diskFile{name: license, path: rootLicense})
	}
	return files, nil
}

// diskFile is a file to pack; it implements zip.File.
type diskFile struct {
	name string // slash-separated path inside the module
	path string // where it lies on disk
}

func (f diskFile) Path() string                 { return f.name }
func (f diskFile) Lstat() (os.FileInfo, error)  { return os.Lstat(f.path) }
func (f diskFile) Open() (io.ReadCloser, error) { return os.Open(f.path) }
