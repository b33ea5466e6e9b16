package signin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestForms(t *testing.T) {
	tests := map[string]struct {
		page string
		want []Form
	}{
		"AD FS": {
			`<html><body><form method="post" id="loginForm" action="/adfs/ls/?loginToRp=urn:amazon:webservices&amp;client-request-id=1">
			<input id="userNameInput" name="UserName" type="email" value="" tabindex="1"/>
			<INPUT ID=p NAME=Password TYPE=Password>
			<input type="checkbox" name="Kmsi" value="true"/><input type=checkbox name=On value=1 checked>
			<input id="optionForms" type="hidden" name="AuthMethod" value="FormsAuthentication"/></form>
			<form id="options" action="/adfs/ls/"><input name="AuthMethod" type="hidden"></form></body></html>`,
			[]Form{
				{"/adfs/ls/?loginToRp=urn:amazon:webservices&client-request-id=1", []Input{
					{"UserName", "email", "", false}, {"Password", "password", "", false}, {"Kmsi", "checkbox", "true", false}, {"On", "checkbox", "1", true},
					{"AuthMethod", "hidden", "FormsAuthentication", false},
				}},
				{"/adfs/ls/", []Input{{"AuthMethod", "hidden", "", false}}},
			},
		},
		"entities":        {`<form action=?a=1&amp;b=2><input name=a value="&#x3d;&quot;&lt;&eacute;">`, []Form{{"?a=1&b=2", []Input{{"a", "text", `="<é`, false}}}}},
		"not a form":      {`<!-- <form action=/c><input name=c> --><script>var s = "<form action=/s><input name=s>";</script><textarea><form></textarea><input name=outside>`, nil},
		"nested":          {`<form action=/a><form action=/b><input name=x></form><input name=y>`, []Form{{"/a", []Input{{"x", "text", "", false}}}}},
		"cut":             {`<form action=/a><input name=x><input name="y`, []Form{{"/a", []Input{{"x", "text", "", false}}}}},
		"no name":         {`<form><input type=submit value=Go></form>`, []Form{{}}},
		"first attribute": {`<form action=/a action=/b></form>`, []Form{{Action: "/a"}}},
		"empty":           {"", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := &Page{Body: []byte(test.page)}
			got := p.Forms()
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAssertion(t *testing.T) {
	tests := map[string]struct{ page, want string }{
		"in a form":       {`<form action="https://signin.aws.amazon.com/saml"><input type="hidden" name="SAMLResponse" value="PHNhbWw+&#x3d;&#x3d;" /><noscript><input type="submit" value="Submit" /></noscript></form>`, "PHNhbWw+=="},
		"outside":         {`<input name=SAMLResponse value=QQ==>`, "QQ=="},
		"order":           {`<input value="QQ==" name='SAMLResponse'>`, "QQ=="},
		"empty":           {`<input name=SAMLResponse value="">`, ""},
		"another name":    {`<input name=SAMLRequest value="QQ==">`, ""},
		"only in a text":  {`<p>&lt;input name=SAMLResponse value="QQ=="&gt;</p>`, ""},
		"only in comment": {`<!-- <input name=SAMLResponse value="QQ=="> -->`, ""},
	}
	for name, test := range tests {
		if got := string((&Page{Body: []byte(test.page)}).Assertion()); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// Whatever comes back, parsing ends, and what it finds is on the page.
func FuzzForms(f *testing.F) {
	f.Add(`<form action="/a&amp;b"><input name=UserName><input type=password name=Password value="&#120;"></form>`)
	f.Add(`<form><form><input name="a"/></form><script><input name=b></script><!--<form>--><INPUT NAME=c CHECKED>`)
	f.Add("<form action=\x00><input name=\xff value=\"\n\">")
	f.Fuzz(func(t *testing.T, page string) {
		p := &Page{Body: []byte(page)}
		forms := parseForms(p.Body)
		if len(forms) != len(p.Forms())+1 {
			t.Fatalf("%d forms of %d", len(p.Forms()), len(forms))
		}
		inputs := 0
		for _, form := range forms {
			inputs += len(form.Inputs)
			if form.Passwords() > len(form.Inputs) {
				t.Fatal("more passwords than inputs")
			}
			for _, i := range form.Inputs {
				if i.Name == "" || i.Type == "" || i.Type != strings.ToLower(i.Type) {
					t.Fatalf("input %+v", i)
				}
			}
		}
		if written := strings.Count(strings.ToLower(page), "<input"); inputs > written {
			t.Fatalf("%d inputs, %d on the page", inputs, written)
		}
		_ = p.Assertion()
	})
}
