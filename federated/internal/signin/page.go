package signin

import (
	"bytes"
	"strings"

	"github.com/awsdb/awsdb/core"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Form is a form of a page.
type Form struct {
	// Action is where it wants to be sent, relative to the page; it may be empty.
	Action string
	// Inputs are in the order of the page, those without a name left out.
	Inputs []Input
}

// Input is a field of a form.
type Input struct {
	Name string
	// Type is in lower case, "text" if the page does not say.
	Type    string
	Value   string
	Checked bool
}

// Passwords counts the fields for a password.
func (f Form) Passwords() int {
	n := 0
	for _, i := range f.Inputs {
		if i.Type == "password" {
			n++
		}
	}
	return n
}

// Forms returns the forms of the page, in its order.
func (p *Page) Forms() []Form { return parseForms(p.Body)[1:] }

// Assertion returns what a browser would be made to post to AWS, "" if the page has
// no such thing.
func (p *Page) Assertion() core.Secret {
	for _, f := range parseForms(p.Body) {
		for _, i := range f.Inputs {
			if i.Name == "SAMLResponse" && i.Value != "" {
				return core.Secret(i.Value)
			}
		}
	}
	return ""
}

// parseForms returns the forms after one that has the inputs outside of all. As browsers
// do, it takes no notice of a form within a form.
func parseForms(page []byte) []Form {
	forms, current := make([]Form, 1), 0
	for z := html.NewTokenizer(bytes.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken: // the end
			return forms
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			switch {
			case token.DataAtom == atom.Form && current == 0:
				forms = append(forms, Form{Action: attribute(token, "action")})
				current = len(forms) - 1
			case token.DataAtom == atom.Input && attribute(token, "name") != "":
				forms[current].Inputs = append(forms[current].Inputs, input(token))
			}
		case html.EndTagToken:
			if z.Token().DataAtom == atom.Form {
				current = 0
			}
		}
	}
}

func input(token html.Token) Input {
	i := Input{Name: attribute(token, "name"), Type: strings.ToLower(attribute(token, "type")), Value: attribute(token, "value")}
	if i.Type == "" {
		i.Type = "text"
	}
	for _, a := range token.Attr {
		i.Checked = i.Checked || a.Key == "checked"
	}
	return i
}

// attribute returns the first attribute of the name; its key is in lower case and its
// value unescaped already.
func attribute(token html.Token, key string) string {
	for _, a := range token.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}
