package sqlalchemy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/awsdb/awsdb/core"
)

const page = "../../docs/from-python-wrapper.md"

func readPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rows are the cells of the table between two marks, without its head.
func rows(t *testing.T, mark string) [][]string {
	t.Helper()
	_, rest, ok := strings.Cut(readPage(t), "<!-- "+mark+": checked by conformance/sqlalchemy -->\n")
	text, _, ok2 := strings.Cut(rest, "<!-- end of "+mark+" -->")
	if !ok || !ok2 {
		t.Fatalf("the page has lost the marks of %s", mark)
	}
	var all [][]string
	for line := range strings.Lines(text) {
		all = append(all, strings.Split(strings.Trim(line, "| \n"), " | "))
	}
	return all[2:]
}

var inBackquotes = regexp.MustCompile("`([^`]+)`")

func quoted(cell string) []string {
	var all []string
	for _, found := range inBackquotes.FindAllStringSubmatch(cell, -1) {
		all = append(all, found[1])
	}
	return all
}

// TestPageNamesTests: each case has its test, and the page knows all tests but those of itself.
func TestPageNamesTests(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") && name != "page_test.go" && name != "main_test.go" {
				there[f.Name.Name] = false
			}
		}
	}
	for _, name := range regexp.MustCompile("`(Test[A-Za-z]+)(?:/([a-z_0-9]+))?`").FindAllStringSubmatch(readPage(t), -1) {
		test, code := name[1], name[2]
		_, isTest := there[test]
		_, isPlugin := underORM[code]
		if !isTest || code != "" && (test != "TestPluginUnderORM" || !isPlugin) {
			t.Errorf("there is no %s", name[0])
		}
		there[test] = true
	}
	for name, named := range there {
		if !named {
			t.Errorf("the page does not name %s", name)
		}
	}
}

// TestPagePlugins: the page has all plugins, and says of each whether it is here.
func TestPagePlugins(t *testing.T) {
	said := map[string]bool{}
	for _, row := range rows(t, "plugins") {
		for _, code := range quoted(row[0]) {
			said[code] = true
			if yes := strings.HasPrefix(row[1], "yes"); yes == slices.Contains(missing, code) {
				t.Errorf("%s: %s", code, row[1])
			}
			if _, ok := underORM[code]; ok && !slices.Contains(quoted(row[3]), "TestPluginUnderORM/"+code) {
				t.Errorf("%s: its test is not named", code)
			}
		}
	}
	for _, code := range slices.Concat(pagePlugins, slices.Collect(maps.Keys(underORM))) {
		if !said[code] {
			t.Errorf("the page lacks %s", code)
		}
	}
}

// TestPageErrors: the classes on the page are those of the errors it names, and each error that is caused here has a line.
func TestPageErrors(t *testing.T) {
	sentinels := map[string]error{
		"core.ErrConnect": core.ErrConnect, "core.ErrFailover": core.ErrFailover, "core.ErrFailoverSuccess": core.ErrFailoverSuccess,
		"core.ErrFailoverFailed": core.ErrFailoverFailed, "core.ErrTransactionResolutionUnknown": core.ErrTransactionResolutionUnknown,
		"core.ErrOutcomeUnknown": core.ErrOutcomeUnknown, "core.ErrQueryTimeout": core.ErrQueryTimeout,
		"core.ErrReadWriteSplitting": core.ErrReadWriteSplitting, "core.ErrUnsupported": core.ErrUnsupported,
		"core.ErrConfig": core.ErrConfig, "core.ErrClosed": core.ErrClosed,
	}
	lines := map[string]bool{}
	for _, row := range rows(t, "errors") {
		for _, name := range quoted(row[0]) {
			lines[name] = true
		}
		for _, name := range quoted(row[2]) {
			if !strings.HasPrefix(name, "core.") {
				continue
			}
			if err := sentinels[name]; err == nil || core.ClassOf(&core.Error{Kind: err}).String() != row[3] {
				t.Errorf("%s: the page says %s", name, row[3])
			}
		}
	}
	for _, c := range classes {
		name, _, _ := strings.Cut(c.name, ",")
		if strings.HasSuffix(name, "Error") && !lines[name] {
			t.Errorf("the page lacks %s", name)
		}
	}
}
