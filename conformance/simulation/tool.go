package simulation

import (
	"context"
	"maps"
	"slices"

	"github.com/awsdb/awsdb/conformance/recipes"
)

// toolAccess is an ORM or query builder on database/sql.
type toolAccess struct {
	sqlAccess
	program recipes.Program
}

func (a toolAccess) numbers(ctx context.Context, query string, each func(n int64)) error {
	all, err := a.program.Numbers(ctx, query)
	if err != nil {
		return err
	}
	for _, n := range all {
		each(n)
	}
	return nil
}

// ways are the tool's recipes. What ends in an error must say why, through whatever the tool
// has made of it.
func (a toolAccess) ways() []way {
	writes := maps.Clone(a.program.Writes)
	writes["once"] = a.program.Once
	var all []way
	for _, name := range slices.Sorted(maps.Keys(writes)) {
		write := writes[name]
		all = append(all, func(ctx context.Context, w *worker, id, tag string) error {
			w.note("%s: by %s", tag, name)
			return w.explain(ctx, name, write(ctx, id, tag))
		})
	}
	return all
}
