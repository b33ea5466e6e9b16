package docs

import (
	"database/sql/driver"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

const credentials = "../../docs/credentials.md"

// block is a fenced block of code.
type block struct{ section, language, text string }

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks returns the blocks of a text with the title of the section that each is in.
func blocks(t *testing.T, text string) []block {
	t.Helper()
	var all []block
	for _, section := range strings.Split(text, "\n## ") {
		title, _, _ := strings.Cut(section, "\n")
		for _, found := range fence.FindAllStringSubmatch(section, -1) {
			all = append(all, block{title, found[1], found[2]})
		}
	}
	if len(all) == 0 {
		t.Fatal("the page shows no code")
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// bundle writes a file of certificates, which is read when a connection string is opened.
func bundle(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	server.Close()
	name := filepath.Join(t.TempDir(), "bundle.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// logins are the plugins of which one runs.
var logins = []string{"iam", "aws_secrets_manager", "federated_auth", "okta"}

// TestConnectionStrings opens all that the page shows, and wants each to be for the login that its
// section is about.
func TestConnectionStrings(t *testing.T) {
	const shown = "/etc/ssl/rds/global-bundle.pem"
	file := bundle(t)
	seen := map[string]int{}
	for _, b := range blocks(t, read(t, credentials)) {
		if b.language != "text" {
			continue
		}
		for dsn := range strings.Lines(b.text) {
			dsn = strings.TrimSpace(dsn)
			dsn = strings.ReplaceAll(dsn, shown, file)
			dsn = strings.ReplaceAll(dsn, strings.ReplaceAll(shown, "/", "%2F"), strings.ReplaceAll(file, "/", "%2F"))
			var d driver.DriverContext = mysqldriver.Driver{}
			if strings.HasPrefix(dsn, "postgres://") {
				d = pgdriver.Driver{}
				openPool(t, dsn)
			}
			opened, err := d.OpenConnector(dsn)
			if err != nil {
				t.Errorf("%s: %v", dsn, err)
				continue
			}
			k := opened.(*core.Connector)
			want := loginOf(b.section, dsn)
			if got := chosen(k.Settings()); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: logs in by %v, want %s", dsn, got, want)
			}
			seen[want]++
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, code := range logins {
		if seen[code] < 2 {
			t.Errorf("the page has %d connection strings for %s, want one for each engine", seen[code], code)
		}
	}
}

// openPool is the native pool's way. Nothing is dialled.
func openPool(t *testing.T, dsn string) {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatalf("%s: %v", dsn, err)
	}
	pool, err := pgdriver.NewPool(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%s: %v", dsn, err)
	}
	pool.Close()
}

// loginOf is the plugin that a connection string in a section is meant for.
func loginOf(section, dsn string) string {
	switch {
	case section == "Secrets Manager":
		return "aws_secrets_manager"
	case section == "AD FS and Okta" && strings.Contains(dsn, "app_id="):
		return "okta"
	case section == "AD FS and Okta":
		return "federated_auth"
	}
	return "iam"
}

// chosen are the logins that run with these settings.
func chosen(s core.Settings) []string {
	var codes []string
	for _, i := range core.Plugins() {
		named := slices.Contains(strings.Split(s.String("plugins"), ","), i.Code)
		if slices.Contains(logins, i.Code) && (named || !s.Given("plugins") && i.Default(s)) {
			codes = append(codes, i.Code)
		}
	}
	return codes
}

func TestPolicies(t *testing.T) {
	for _, b := range blocks(t, read(t, credentials)) {
		if b.language == "json" && !json.Valid([]byte(b.text)) {
			t.Errorf("this is no JSON:\n%s", b.text)
		}
	}
}

// TestCommands: the shell can read what the page shows, and awsdb has the flags.
func TestCommands(t *testing.T) {
	source := read(t, "../../cmd/awsdb/token.go")
	uses := 0
	for _, b := range blocks(t, read(t, credentials)) {
		if b.language != "sh" {
			continue
		}
		check := exec.CommandContext(t.Context(), "bash", "-n")
		check.Stdin = strings.NewReader(b.text)
		if output, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", b.text, err, output)
		}
		for _, use := range regexp.MustCompile(`awsdb token [^)]*`).FindAllString(b.text, -1) {
			uses++
			for _, flag := range regexp.MustCompile(`--([a-z]+)`).FindAllStringSubmatch(use, -1) {
				if !strings.Contains(source, strconv.Quote(flag[1])) {
					t.Errorf("%s: there is no flag %s", use, flag[0])
				}
			}
		}
	}
	if uses == 0 {
		t.Error("the page does not show how to use awsdb token")
	}
}

// TestApplicationTest keeps the page's example of a test equal to the one that runs here.
func TestApplicationTest(t *testing.T) {
	program := strings.Replace(read(t, "application_test.go"), "package docs_test\n", "package app_test\n", 1)
	replaceBetween(t, credentials, "<!-- application test: conformance/docs/application_test.go -->\n```go\n", "```\n", program)
}

// rows returns the cells of the tables between two marks of a page, without the heads of the tables.
func rows(t *testing.T, page, begin, end string) [][]string {
	t.Helper()
	_, rest, ok := strings.Cut(read(t, page), begin)
	text, _, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has lost the marks %q", page, begin)
	}
	var all [][]string
	lines := strings.Split(text, "\n")
	for n, line := range lines {
		if !strings.HasPrefix(line, "| ") || n+1 < len(lines) && strings.HasPrefix(lines[n+1], "|---") {
			continue
		}
		all = append(all, strings.Split(strings.Trim(line, "| "), " | "))
	}
	if len(all) == 0 {
		t.Fatalf("there is no table at %q", begin)
	}
	return all
}

var code = regexp.MustCompile("`([^`]+)`")

// quoted returns what a cell has in backquotes.
func quoted(cell string) []string {
	var all []string
	for _, found := range code.FindAllStringSubmatch(cell, -1) {
		all = append(all, found[1])
	}
	return all
}

// fold brings a name to the form in which they are compared.
func fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
}

// registered has the parameter or plugin of each folded name.
func registered() map[string]string {
	known := map[string]string{}
	for _, i := range core.Plugins() {
		for _, name := range append(i.Aliases, i.Code) {
			known[fold(name)] = i.Code
		}
		for _, p := range i.Params {
			known[fold(p.Name)] = p.Name
			for _, a := range p.Aliases {
				known[fold(a.Name)] = p.Name
			}
		}
	}
	return known
}

// TestNamesOfOtherWrappers: what the table calls the same is known by that name, and means that
// parameter or plugin.
func TestNamesOfOtherWrappers(t *testing.T) {
	known := registered()
	for _, row := range rows(t, credentials, "<!-- names of other wrappers: checked by conformance/docs -->", "<!-- end of names -->") {
		here := quoted(row[1])
		for _, name := range here {
			if known[fold(name)] != name {
				t.Errorf("%s is no parameter and no plugin", name)
			}
		}
		for _, name := range quoted(row[0]) {
			if !slices.Contains(here, known[fold(name)]) {
				t.Errorf("%s means %q here, the table says %v", name, known[fold(name)], here)
			}
		}
	}
}
