package sandbox

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/awsdb/awsdb/ci/internal/pack"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// StripOwnSums returns the content of a go.sum file without the lines about
// modules of the workspace. Those are not published yet: their checksums change
// with every edit, so none of them may be committed.
func StripOwnSums(sums []byte, work *workspace.Workspace) []byte {
	var kept strings.Builder
	for line := range strings.Lines(string(sums)) {
		path, _, _ := strings.Cut(line, " ")
		if _, own := work.Module(path); !own {
			kept.WriteString(line)
		}
	}
	return []byte(kept.String())
}

// Sums returns a go.sum file with every checksum that the workspace has
// committed and those of the packed modules, so that what is built in the
// sandbox is checked against them and needs no checksum database.
func (s *Sandbox) Sums() ([]byte, error) {
	sums := s.ownSums
	files := []string{filepath.Join(s.work.Root, "go.work.sum")}
	for _, own := range s.work.Modules {
		files = append(files, filepath.Join(own.Dir, "go.sum"))
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sums = mergeSums(sums, StripOwnSums(content, s.work))
	}
	return sums, nil
}

// completeSums replaces what the go.sum file in dir says about our own modules
// with the checksums of the packed ones.
func (s *Sandbox) completeSums(dir string) error {
	path := filepath.Join(dir, "go.sum")
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, mergeSums(s.ownSums, StripOwnSums(content, s.work)), 0o644)
}

// packedSums returns the go.sum lines of all packed modules.
func packedSums(proxy string, work *workspace.Workspace) ([]byte, error) {
	var sums strings.Builder
	for _, own := range work.Modules {
		versions, err := pack.Folder(proxy, own.Path)
		if err != nil {
			return nil, err
		}
		archives, err := filepath.Glob(filepath.Join(versions, "*.zip"))
		if err != nil {
			return nil, err
		}
		for _, archive := range archives {
			version := strings.TrimSuffix(filepath.Base(archive), ".zip")
			content, err := dirhash.HashZip(archive, dirhash.Hash1)
			if err != nil {
				return nil, err
			}
			goMod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
				return os.Open(strings.TrimSuffix(archive, ".zip") + ".mod")
			})
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&sums, "%s %s %s\n%s %s/go.mod %s\n", own.Path, version, content, own.Path, version, goMod)
		}
	}
	return mergeSums([]byte(sums.String())), nil
}

// mergeSums returns the lines of all the files, sorted, each once.
func mergeSums(files ...[]byte) []byte {
	lines := make(map[string]bool)
	for _, file := range files {
		for line := range strings.Lines(string(file)) {
			lines[strings.TrimSuffix(line, "\n")+"\n"] = true
		}
	}
	return []byte(strings.Join(slices.Sorted(maps.Keys(lines)), ""))
}
