package secrets

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hidden are all the secrets of the tests, and the parts of secrets that are wrong.
var hidden = []string{"first password", "second password", "third password", "hidden 1", "hidden2", "the-aws-secret-key", "dsn password"}

// expectNoSecret searches the error, in every form, and the log (B94).
func (w *world) expectNoSecret(t *testing.T, err error) {
	t.Helper()
	text := fmt.Sprintf("%v\n%+v\n%#v\n%s", err, err, err, w.log)
	for ; err != nil; err = errors.Unwrap(err) {
		text += fmt.Sprintf("\n%#v", err)
	}
	text += fmt.Sprintf("\n%v %+v %#v", w.plugin, w.plugin, w.plugin)
	for _, secret := range hidden {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}

// What a secret must hold; what is wrong is said without a byte of it (B91).
func TestSecret(t *testing.T) {
	for name, test := range map[string]struct {
		stored stored
		want   string // in the error; "": none
	}{
		"plain":                {stored{text: `{"username": "app", "password": "first password"}`}, ""},
		"of RDS, by hand":      {stored{text: `{"username": "app", "password": "first password", "host": "elsewhere", "port": 1, "dbname": null, "x": {"a": []}}`}, ""},
		"escaped":              {stored{text: `{"username": "\u0061pp", "password": "first\u0020password"}`}, ""},
		"no user":              {stored{text: `{"hidden2": "hidden 1", "password": "hidden 1"}`}, `no key "username": set secrets_manager_secret_username_key`},
		"no password":          {stored{text: `{"username": "hidden 1"}`}, `no key "password": set secrets_manager_secret_password_key`},
		"other case":           {stored{text: `{"Username": "hidden 1", "password": "hidden 1"}`}, `no key "username"`},
		"empty user":           {stored{text: `{"username": "", "password": "hidden 1"}`}, `"username" is empty`},
		"empty password":       {stored{text: `{"username": "hidden 1", "password": ""}`}, `"password" is empty`},
		"a number":             {stored{text: `{"username": "hidden 1", "password": 123456789}`}, `"password" must be a string`},
		"null":                 {stored{text: `{"username": null, "password": "hidden 1"}`}, `"username" must be a string`},
		"a list for a user":    {stored{text: `{"username": ["hidden 1"], "password": "hidden 1"}`}, `"username" must be a string`},
		"no JSON":              {stored{text: "hidden 1"}, "no JSON object"},
		"nearly JSON":          {stored{text: `{"username": "hidden 1", "password": "hidden2`}, "no JSON object"},
		"a string":             {stored{text: `"hidden 1"`}, "no JSON object"},
		"a list":               {stored{text: `["hidden 1"]`}, "no JSON object"},
		"the word null":        {stored{text: "null"}, "no JSON object"},
		"binary":               {stored{binary: []byte(`{"username": "hidden 1", "password": "hidden2"}`)}, "binary"},
		"no value":             {stored{}, "empty"},
		"several, one is text": {stored{text: `{"username": "hidden 1"} {"password": "hidden2"}`}, "no JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.manager.with(func(m *manager) { m.stages[stageCurrent] = test.stored })
				took, err := w.connect(t.Context())
				if test.want == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), test.want) || took > time.Second {
					t.Errorf("error after %s is %v, want %s", took, err, test.want)
				}
				w.expectNoSecret(t, err)
			})
		})
	}
}

// The keys may have other names.
func TestRenamedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.UsernameKey, o.PasswordKey = "login", "pass word" })
		w.manager.with(func(m *manager) {
			m.stages[stageCurrent] = stored{text: `{"login": "app", "pass word": "first password", "username": "hidden 1", "password": "hidden2"}`}
		})
		w.mustConnect(t, 0)
		w.manager.put(stageCurrent, "v2", "hidden 1", "hidden2")
		w.database.set("app", "second password")
		_, err := w.connect(t.Context())
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), `no key "login"`) {
			t.Errorf("error is %v", err)
		}
		w.expectNoSecret(t, err)
	})
}
