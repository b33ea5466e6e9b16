package upstream

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// chosenTests returns the names of a suite's tests in dir.
func chosenTests(dir string, suite Suite) ([]string, error) {
	functions, err := testFunctions(dir, suite)
	if err != nil {
		return nil, err
	}
	all := !slices.ContainsFunc(suite.Edits, func(e Edit) bool { return e.Opens })
	if !all {
		spread(functions)
	}
	var tests []string
	for name, f := range functions {
		if f.test && (all || f.opens) {
			tests = append(tests, name)
		}
	}
	slices.Sort(tests)
	if len(tests) == 0 {
		return nil, fmt.Errorf("no test in %s opens a connection", dir)
	}
	return tests, nil
}

// spread notes what opens a connection in a function that it mentions.
func spread(functions map[string]*function) {
	for changed := true; changed; {
		changed = false
		for _, f := range functions {
			if !f.opens && slices.ContainsFunc(f.mentions, func(name string) bool { return functions[name] != nil && functions[name].opens }) {
				f.opens, changed = true, true
			}
		}
	}
}

type function struct {
	test     bool
	opens    bool
	mentions []string
}

// testFunctions reads the functions of the test files in dir that are compiled
// here. Methods count as one function with all others of their name, which can
// only make for a test too many.
func testFunctions(dir string, suite Suite) (map[string]*function, error) {
	context := build.Default
	context.BuildTags = strings.Split(suite.Tags, ",")
	folder, err := context.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	functions := make(map[string]*function)
	for _, name := range slices.Concat(folder.TestGoFiles, folder.XTestGoFiles) {
		source, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, declaration := range parsed.Decls {
			declared, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			f := functions[declared.Name.Name]
			if f == nil {
				f = &function{}
				functions[declared.Name.Name] = f
			}
			f.test = f.test || isTest(declared)
			text := string(source[files.Position(declared.Pos()).Offset:files.Position(declared.End()).Offset])
			f.opens = f.opens || slices.ContainsFunc(suite.Edits, func(e Edit) bool { return e.Opens && strings.Contains(text, e.Old) })
			ast.Inspect(declared, func(node ast.Node) bool {
				if identifier, ok := node.(*ast.Ident); ok && identifier.Name != declared.Name.Name {
					f.mentions = append(f.mentions, identifier.Name)
				}
				return true
			})
		}
	}
	return functions, nil
}

// isTest reports whether go test would run a function: any that is called
// Test… and has one argument, but TestMain.
func isTest(declared *ast.FuncDecl) bool {
	name, parameters := declared.Name.Name, declared.Type.Params.List
	if declared.Recv != nil || !strings.HasPrefix(name, "Test") || len(parameters) != 1 {
		return false
	}
	pointer, ok := parameters[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	selector, ok := pointer.X.(*ast.SelectorExpr)
	return ok && selector.Sel.Name == "T"
}
