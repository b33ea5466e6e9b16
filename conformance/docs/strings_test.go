package docs

import (
	"go/scanner"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

var (
	pgString    = regexp.MustCompile(`^(postgres(ql)?(\+aws_wrapper_psycopg)?://|host=\S+ user=)`)
	mysqlString = regexp.MustCompile(`^(mysql(\+aws_wrapper_mysqlconnector)?://|(\w+(:\w+)?@)?tcp\()`)
)

// TestConnectionStringsOfAllPages opens all that stand in the Go code of the README and of docs, those of
// other drivers that are shown for comparison included: who changes nothing but the driver has these.
func TestConnectionStringsOfAllPages(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	file := bundle(t)
	count := 0
	for _, page := range append(pages, readme) {
		for _, found := range fence.FindAllStringSubmatch(read(t, page), -1) {
			if found[1] != "go" {
				continue
			}
			for _, text := range literals(found[2]) {
				text = strings.NewReplacer("/etc/ssl/rds/global-bundle.pem", file,
					"%2Fetc%2Fssl%2Frds%2Fglobal-bundle.pem", strings.ReplaceAll(file, "/", "%2F")).Replace(text)
				var err error
				switch {
				case strings.Contains(text, "…"), strings.Contains(text, "%s"):
					continue // left to the reader, or to the program
				case pgString.MatchString(text):
					err = closed(pgdriver.Driver{}.OpenConnector(text))
				case mysqlString.MatchString(text):
					err = closed(mysqldriver.Driver{}.OpenConnector(text))
				default:
					continue
				}
				count++
				if err != nil {
					t.Errorf("%s: %s: %v", page, text, err)
				}
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d connection strings were found", count)
	}
}

// literals are the strings in a piece of Go. What is put together by + is one; where a name is among it, there
// is an ellipsis in its place.
func literals(code string) []string {
	var s scanner.Scanner
	files := token.NewFileSet()
	s.Init(files.AddFile("", files.Base(), len(code)), []byte(code), nil, 0)
	var all []string
	var last, before token.Token
	for {
		_, kind, text := s.Scan()
		joins := last == token.ADD && before == token.STRING
		switch {
		case kind == token.EOF:
			return all
		case kind == token.STRING:
			value, _ := strconv.Unquote(text) // the compiler has seen it
			if !joins {
				all = append(all, "")
			}
			all[len(all)-1] += value
		case joins:
			all[len(all)-1] += "…"
		}
		last, before = kind, last
	}
}
