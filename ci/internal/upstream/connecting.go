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

// connectingTests returns the names of the tests in dir that open a connection,
// themselves or in a function of the test files which they mention.
func connectingTests(dir string, edits []Edit) ([]string, error) {
	functions, err := testFunctions(dir, edits)
	if err != nil {
		return nil, err
	}
	// A function that mentions one which opens opens, too.
	for changed := true; changed; {
		changed = false
		for _, f := range functions {
			if !f.opens && slices.ContainsFunc(f.mentions, func(name string) bool { return functions[name] != nil && functions[name].opens }) {
				f.opens, changed = true, true
			}
		}
	}
	var tests []string
	for name, f := range functions {
		if f.opens && strings.HasPrefix(name, "Test") {
			tests = append(tests, name)
		}
	}
	slices.Sort(tests)
	if len(tests) == 0 {
		return nil, fmt.Errorf("no test in %s opens a connection", dir)
	}
	return tests, nil
}

type function struct {
	opens    bool
	mentions []string
}

// testFunctions reads the functions of the test files in dir that are compiled
// here. Methods count as one function with all others of their name, which can
// only make for a test too many.
func testFunctions(dir string, edits []Edit) (map[string]*function, error) {
	folder, err := build.Default.ImportDir(dir, 0)
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
			text := string(source[files.Position(declared.Pos()).Offset:files.Position(declared.End()).Offset])
			f.opens = f.opens || slices.ContainsFunc(edits, func(e Edit) bool { return e.Opens && strings.Contains(text, e.Old) })
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
