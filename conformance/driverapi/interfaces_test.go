// Package driverapi compares what each driver gives to database/sql with what awsdb
// gives in its place: interfaces, methods, values (B100).
package driverapi

import (
	"go/importer"
	"go/token"
	"go/types"
	"reflect"
	"strings"
	"testing"
)

// driverInterfaces reads all interfaces of database/sql/driver from its source:
// name -> method -> signature. A Go release that adds one is noticed.
func driverInterfaces(t *testing.T) map[string]map[string]string {
	t.Helper()
	pkg, err := importer.ForCompiler(token.NewFileSet(), "source", nil).Import("database/sql/driver")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, name := range pkg.Scope().Names() {
		object, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok || !object.Exported() {
			continue
		}
		iface, ok := object.Type().Underlying().(*types.Interface)
		if !ok || iface.NumMethods() == 0 {
			continue
		}
		all[name] = map[string]string{}
		for m := range iface.Methods() {
			all[name][m.Name()] = signature(m.Signature())
		}
	}
	if len(all) < 20 {
		t.Fatalf("found only %d interfaces in database/sql/driver", len(all))
	}
	return all
}

// signature writes a function type as package reflect does.
func signature(s *types.Signature) string {
	list := func(tuple *types.Tuple) []string {
		var parts []string
		for v := range tuple.Variables() {
			text := types.TypeString(v.Type(), func(p *types.Package) string { return p.Name() })
			parts = append(parts, strings.ReplaceAll(text, "any", "interface {}"))
		}
		return parts
	}
	text := "func(" + strings.Join(list(s.Params()), ", ") + ")"
	switch results := list(s.Results()); len(results) {
	case 0:
	case 1:
		text += " " + results[0]
	default:
		text += " (" + strings.Join(results, ", ") + ")"
	}
	return text
}

// implemented lists the interfaces that v has.
func implemented(all map[string]map[string]string, v any) map[string]bool {
	has := map[string]bool{}
	for name, methods := range all {
		has[name] = true
		for method, want := range methods {
			m := reflect.ValueOf(v).MethodByName(method)
			if !m.IsValid() || m.Type().String() != want {
				has[name] = false
			}
		}
	}
	return has
}
