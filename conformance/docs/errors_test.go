package docs

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// speakers are the folders whose programs the errors on the page come from. The lab says what
// database servers do.
var speakers = []string{
	"../../core", "../../pgdriver", "../../mysqldriver", "../../awsauth", "../../iamauth", "../../secrets", "../../federated",
	"../../lab/wire.go", "../../lab/internal", filepath.Join(build.Default.GOROOT, "src/crypto/x509/verify.go"),
}

// TestErrors: each error that the page explains is one that a program can give. Where the page has
// an ellipsis, anything may stand.
func TestErrors(t *testing.T) {
	said := strings.Join(sayings(t), "\n")
	for _, row := range rows(t, credentials, "<!-- errors: checked by conformance/docs -->", "<!-- end of errors -->") {
		texts := quoted(row[0])
		if len(texts) == 0 {
			t.Errorf("no error in %q", row)
		}
		for _, text := range texts {
			pieces := strings.Split(text, "…")
			for n := range pieces {
				pieces[n] = regexp.QuoteMeta(strings.TrimSpace(pieces[n]))
			}
			if !regexp.MustCompile(strings.Join(pieces, ".*")).MatchString(said) {
				t.Errorf("nobody says %q", text)
			}
		}
	}
}

// sayings returns the texts in the source code of the speakers.
func sayings(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, speaker := range speakers {
		err := filepath.WalkDir(speaker, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				e, ok := n.(ast.Expr)
				if !ok {
					return true
				}
				text, ok := textOf(e)
				if ok {
					all = append(all, strings.NewReplacer("\n", " ", "%%", "%").Replace(text))
				}
				return !ok
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// textOf is what an expression of string literals says; "…" stands for what is added to them.
func textOf(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, leftOK := textOf(e.X)
		right, rightOK := textOf(e.Y)
		if !leftOK {
			left = "…"
		}
		if !rightOK {
			right = "…"
		}
		return left + right, leftOK || rightOK
	}
	return "", false
}
