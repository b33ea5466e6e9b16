// Package consumer builds applications the way users do: from downloaded
// modules, without the workspace and without replace directives. It checks that
// they run, which versions and packages they are made of, and how large they are.
package consumer

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/awsdb/awsdb/ci/internal/sandbox"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

const (
	// MaxGrowth is how many bytes larger than its baseline an application may be
	// that has no limit of its own.
	MaxGrowth = 1_000_000
	// sdk is where the modules of the AWS SDK live, and service where those of its
	// clients do.
	sdk     = "github.com/aws/"
	service = sdk + "aws-sdk-go-v2/service/"
	// runTimeout bounds how long an application may run. It is a guard against
	// hanging, far above what one needs.
	runTimeout = 2 * time.Minute
)

// Check builds and examines every application and writes one line about each
// to w. The error tells of all that is wrong.
func Check(ctx context.Context, work *workspace.Workspace, applications []Application, w io.Writer) (err error) {
	box, err := sandbox.New(ctx, work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	var failures error
	sizes := make(map[string]int64)
	for i, application := range applications {
		b := build{Sandbox: box, Application: application}
		size, err := b.check(ctx, fmt.Sprintf("application%d", i))
		sizes[application.Name] = size
		line, tooLarge := compare(application, sizes)
		for _, err := range []error{err, tooLarge} {
			if err != nil {
				failures = errors.Join(failures, fmt.Errorf("%s: %w", application.Name, err))
			}
		}
		if size > 0 {
			fmt.Fprintln(w, line)
		}
	}
	return failures
}

// compare returns the line about an application, and an error when it is too
// large or there is nothing to compare it with. The size of what could not be
// built is 0.
func compare(application Application, sizes map[string]int64) (line string, err error) {
	size, baseline := sizes[application.Name], sizes[application.Baseline]
	line = fmt.Sprintf("%-34s %6.2f MB", application.Name, megabytes(size))
	switch {
	case size == 0 || application.Baseline == "":
		return line, nil
	case baseline == 0:
		return line, fmt.Errorf("there is no %q to compare its size with", application.Baseline)
	}
	growth := size - baseline
	if limit := cmp.Or(application.Limit, MaxGrowth); growth > limit {
		err = fmt.Errorf("is %.2f MB larger than %s, %.2f MB are allowed", megabytes(growth), application.Baseline, megabytes(limit))
	}
	line += fmt.Sprintf("  %+.2f MB", megabytes(growth))
	if bare := sizes[application.Bare]; bare > 0 {
		line += fmt.Sprintf(" (%+.2f MB from %s)", megabytes(size-bare), application.Bare)
	}
	return line, err
}

func megabytes(size int64) float64 { return float64(size) / 1e6 }

// build is one application in its sandbox.
type build struct {
	*sandbox.Sandbox
	Application
}

// check returns the size of the binary in bytes, 0 when there is none.
func (b build) check(ctx context.Context, folder string) (int64, error) {
	dir, err := b.Folder(folder)
	if err != nil {
		return 0, err
	}
	if err := b.write(dir); err != nil {
		return 0, err
	}
	// -mod=mod adds the indirect requirements, as go get would have.
	if _, err := b.Go(ctx, dir, "build", "-mod=mod", "-o", "application", "."); err != nil {
		return 0, err
	}
	binary := filepath.Join(dir, "application")
	info, err := os.Stat(binary)
	if err != nil {
		return 0, err
	}
	return info.Size(), errors.Join(b.checkVersions(binary), b.checkPackages(ctx, dir), b.run(ctx, dir))
}

func (b build) write(dir string) error {
	goMod := "module example.com/application\n\ngo 1.25.0\n\n"
	for _, path := range slices.Sorted(maps.Keys(b.Requires)) {
		goMod += fmt.Sprintf("require %s %s\n", path, b.Requires[path])
	}
	sums, err := b.Sums()
	if err != nil {
		return err
	}
	files := maps.Clone(b.Files)
	files["go.mod"], files["go.sum"] = goMod, string(sums)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// forbidden tells whether a module or package must not be in the application.
func (b build) forbidden(path string) bool {
	return b.foreign(path) || slices.ContainsFunc(b.Excludes, func(module string) bool {
		return path == module || strings.HasPrefix(path, module+"/")
	})
}

// foreign tells whether a path is of the AWS SDK and nothing that the application uses.
func (b build) foreign(path string) bool {
	if !strings.HasPrefix(path, sdk) {
		return false
	}
	client, isClient := strings.CutPrefix(path, service)
	client, _, _ = strings.Cut(client, "/")
	return len(b.Services) == 0 || (isClient && client != "internal" && !slices.Contains(b.Services, client))
}

// checkVersions reads what `go version -m` prints.
func (b build) checkVersions(binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	linked := make(map[string]string, len(info.Deps))
	var failures error
	for _, dependency := range info.Deps {
		linked[dependency.Path] = dependency.Version
		if b.forbidden(dependency.Path) {
			failures = errors.Join(failures, fmt.Errorf("links %s %s", dependency.Path, dependency.Version))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(b.Requires)) {
		if linked[path] != b.Requires[path] {
			failures = errors.Join(failures, fmt.Errorf("links %s %q, want %s", path, linked[path], b.Requires[path]))
		}
	}
	return failures
}

// checkPackages sees packages that the linker dropped as well: they still cost
// a download and compile time.
func (b build) checkPackages(ctx context.Context, dir string) error {
	listed, err := b.Go(ctx, dir, "list", "-mod=mod", "-deps", ".")
	if err != nil {
		return err
	}
	var failures error
	for _, path := range strings.Fields(listed) {
		if b.forbidden(path) {
			failures = errors.Join(failures, fmt.Errorf("imports %s", path))
		}
	}
	return failures
}

func (b build) run(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	_, err := b.Run(ctx, dir, "./application")
	return err
}
