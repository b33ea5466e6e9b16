package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// meaningless are package names that say nothing about what is inside.
var meaningless = map[string]bool{
	"util": true, "utils": true, "common": true, "helper": true, "helpers": true,
}

// waits are the functions of package time that wait, or start a wait that
// nobody can stop.
var waits = map[string]bool{"Sleep": true, "After": true, "Tick": true}

// compares are the functions of package strings that tell what a text is.
var compares = map[string]bool{
	"Contains": true, "ContainsAny": true, "Cut": true, "EqualFold": true,
	"HasPrefix": true, "HasSuffix": true, "Index": true,
}

// mayWait are the top folders of code that nobody imports: commands and tests.
var mayWait = map[string]bool{"bench": true, "cmd": true, "conformance": true}

// allowWait, followed by the reason, lets the line that it ends wait.
const allowWait = "//ci:wait "

// checkSource checks one Go file.
func (c *checker) checkSource(path, place string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		c.report(place, "does not parse: %v", err)
		return nil
	}
	if name := strings.TrimSuffix(file.Name.Name, "_test"); meaningless[name] {
		c.report(place, "package %s: name a package after what it does", name)
	}
	if strings.HasSuffix(path, "_test.go") {
		return nil
	}
	source := source{checker: c, place: place, files: files, imports: imports(file), allowed: allowedLines(files, file)}
	folder, _, _ := strings.Cut(place, "/")
	source.mayWait = mayWait[folder]
	ast.Inspect(file, source.inspect)
	return nil
}

type source struct {
	*checker
	place   string
	files   *token.FileSet
	imports map[string]string // local name to import path
	allowed map[int]bool      // lines with an allowWait comment
	mayWait bool
}

func (s *source) inspect(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.SelectorExpr:
		if s.from(node, "time") && waits[node.Sel.Name] && !s.mayWait && !s.allowed[s.line(node)] {
			s.report(s.at(node), "time.%s cannot be stopped: select on a timer and the context, or end the line with %sreason", node.Sel.Name, allowWait)
		}
	case *ast.CallExpr:
		function, ok := node.Fun.(*ast.SelectorExpr)
		if ok && s.from(function, "strings") && compares[function.Sel.Name] && readsError(node.Args...) {
			s.report(s.at(node), "strings.%s looks into the text of an error: use errors.Is or errors.As", function.Sel.Name)
		}
	case *ast.BinaryExpr:
		if (node.Op == token.EQL || node.Op == token.NEQ) && readsError(node.X, node.Y) {
			s.report(s.at(node), "%s compares the text of an error: use errors.Is or errors.As", node.Op)
		}
	}
	return true
}

// from tells whether the selector names something of the package.
func (s *source) from(selector *ast.SelectorExpr, path string) bool {
	name, ok := selector.X.(*ast.Ident)
	return ok && s.imports[name.Name] == path
}

func (s *source) line(node ast.Node) int { return s.files.Position(node.Pos()).Line }

func (s *source) at(node ast.Node) string { return fmt.Sprintf("%s:%d", s.place, s.line(node)) }

// readsError tells whether one of the expressions contains a call of a method
// Error() without arguments. Only the type checker could say that it is the one
// of an error, but nothing else is called so.
func readsError(expressions ...ast.Expr) bool {
	found := false
	for _, expression := range expressions {
		ast.Inspect(expression, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok && len(call.Args) == 0 {
				method, ok := call.Fun.(*ast.SelectorExpr)
				found = found || ok && method.Sel.Name == "Error"
			}
			return !found
		})
	}
	return found
}

// imports maps the names under which a file knows the packages it imports;
// without a name of its own, the last element of the path is right for the
// standard library.
func imports(file *ast.File) map[string]string {
	names := make(map[string]string, len(file.Imports))
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	return names
}

func allowedLines(files *token.FileSet, file *ast.File) map[int]bool {
	lines := make(map[int]bool)
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if reason, ok := strings.CutPrefix(comment.Text, allowWait); ok && strings.TrimSpace(reason) != "" {
				lines[files.Position(comment.Pos()).Line] = true
			}
		}
	}
	return lines
}
