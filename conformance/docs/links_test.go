package docs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// TestLinks: what the pages of the repository link to is there. Nothing outside is asked for.
func TestLinks(t *testing.T) {
	pages := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "testdata") {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			pages++
			checkLinks(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pages < 10 {
		t.Errorf("%d pages were found", pages)
	}
}

// TestIndex: every page is linked to from the index of docs.
func TestIndex(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	index := read(t, "../../docs/README.md")
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(index, "("+name+")") {
			t.Errorf("the index lacks %s", name)
		}
	}
}

func checkLinks(t *testing.T, page string) {
	t.Helper()
	for _, found := range link.FindAllStringSubmatch(prose(read(t, page)), -1) {
		target := found[1]
		if strings.Contains(target, "://") {
			continue
		}
		file, anchor, _ := strings.Cut(target, "#")
		name := page
		if file != "" {
			name = filepath.Join(filepath.Dir(page), file)
		}
		if _, err := os.Stat(name); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			t.Errorf("%s links to %s, which is not there", page, target)
			continue
		}
		if anchor != "" && !hasAnchor(t, name, anchor) {
			t.Errorf("%s links to %s, but there is no such heading", page, target)
		}
	}
}

// prose is a text without its blocks of code.
func prose(text string) string { return fence.ReplaceAllString(text, "") }

// hasAnchor tells that a page has a heading of that anchor, as GitHub makes them.
func hasAnchor(t *testing.T, page, anchor string) bool {
	t.Helper()
	for _, found := range heading.FindAllStringSubmatch(prose(read(t, page)), -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, found[1])
		if slug == anchor {
			return true
		}
	}
	return false
}
