// Package standalone builds each module on its own, as its users do.
package standalone

import (
	"context"
	"errors"
	"fmt"

	"github.com/awsdb/awsdb/ci/internal/sandbox"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// Check unpacks each module outside of the workspace, builds it against the
// packed siblings, and vets it, which compiles its tests, too. The error tells
// of every module that fails.
func Check(ctx context.Context, work *workspace.Workspace) (err error) {
	box, err := sandbox.New(ctx, work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	var failures error
	for _, module := range work.Modules {
		if err := checkModule(ctx, box, module); err != nil {
			failures = errors.Join(failures, fmt.Errorf("%s: %w", module.Folder, err))
		}
	}
	return failures
}

func checkModule(ctx context.Context, box *sandbox.Sandbox, module workspace.Module) error {
	dir, err := box.Extract(module)
	if err != nil {
		return err
	}
	if _, err := box.Go(ctx, dir, "build", "./..."); err != nil {
		return err
	}
	_, err = box.Go(ctx, dir, "vet", "./...")
	return err
}
