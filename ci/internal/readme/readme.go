// Package readme checks the code that README files and the pages in docs show: a complete Go program
// must build from the packed modules, a fragment must parse, and what a comment
// above it marks is run.
//
//	<!-- ci: run -->          run the block below: a Go program in the sandbox,
//	                          shell commands in the folder of the page
//	<!-- ci: run outside -->  run the shell commands below in an empty folder
//	                          outside of the workspace, as a user without a clone
package readme

import (
	"fmt"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
)

// Block is one fenced block of code.
type Block struct {
	// Place is the file and the line of the opening fence, for messages.
	Place string
	// Language is what stands behind the fence, such as "go" or "sh".
	Language string
	// Mark is the text of a "<!-- ci: ... -->" comment directly above.
	Mark string
	// Text is what lies between the fences.
	Text string
}

var (
	fence = regexp.MustCompile("^ {0,3}(```+|~~~+) *([^ `]*)")
	mark  = regexp.MustCompile(`^<!-- ci: (.*?) *-->$`)
	// leadingImport is an import declaration at the beginning of a fragment.
	leadingImport = regexp.MustCompile(`^\s*import\s+(?:\([^)]*\)|[^\n]*)`)
)

// Parse returns the blocks of a Markdown text. A fence that is never closed is
// an error.
func Parse(name, text string) ([]Block, error) {
	var blocks []Block
	var open *Block
	closing, previous := "", ""
	for i, line := range strings.Split(text, "\n") {
		found := fence.FindStringSubmatch(line)
		switch {
		case open != nil && found != nil && found[2] == "" && strings.HasPrefix(found[1], closing):
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.Text += line + "\n"
		case found != nil:
			open = &Block{Place: fmt.Sprintf("%s:%d", name, i+1), Language: found[2]}
			if marked := mark.FindStringSubmatch(strings.TrimSpace(previous)); marked != nil {
				open.Mark = marked[1]
			}
			closing = found[1]
		}
		previous = line
	}
	if open != nil {
		return nil, fmt.Errorf("%s: the block of code is never closed", open.Place)
	}
	return blocks, nil
}

// complete tells whether a Go block is a whole file, and of which package.
func (b Block) complete() (packageName string, ok bool) {
	file, err := parser.ParseFile(token.NewFileSet(), "", b.Text, parser.PackageClauseOnly)
	if err != nil {
		return "", false
	}
	return file.Name.Name, true
}

// checkFragment parses a Go block that is not a whole file: declarations, or
// statements, each with or without imports before them.
func (b Block) checkFragment() error {
	parse := func(text string) error {
		_, err := parser.ParseFile(token.NewFileSet(), b.Place, text, parser.SkipObjectResolution)
		return err
	}
	if parse("package p\n"+b.Text) == nil {
		return nil
	}
	statements := b.Text
	for {
		at := leadingImport.FindStringIndex(statements)
		if at == nil {
			break
		}
		statements = statements[at[1]:]
	}
	if err := parse("package p\nfunc _() {\n" + statements + "\n}"); err != nil {
		return fmt.Errorf("%s: is no Go: %w", b.Place, err)
	}
	return nil
}
