package scenarios

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

const planted = "pl4nted S3cret/%?@:'\\x"

// clean demands that a text does not show the planted password, in any spelling.
func clean(t *testing.T, what, text string) {
	t.Helper()
	for _, s := range []string{
		planted, url.QueryEscape(planted), url.PathEscape(planted), url.UserPassword("", planted).String()[1:], "pl4nted", "S3cret",
	} {
		if strings.Contains(text, s) {
			t.Errorf("%s shows the password: %s", what, text)
			return
		}
	}
}

// cleanError is clean for an error, all that it wraps, and all formats.
func cleanError(t *testing.T, what string, err error) {
	t.Helper()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		clean(t, what, fmt.Sprintf(format, err))
	}
	for _, e := range unwrapAll(err) {
		for _, format := range []string{"%v", "%+v", "%s"} {
			clean(t, what, fmt.Sprintf(format, e))
		}
	}
}

func unwrapAll(err error) []error {
	var all []error
	switch e := err.(type) { //nolint:errorlint // walks the tree itself
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			all = append(append(all, inner), unwrapAll(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(append(all, inner), unwrapAll(inner)...)
		}
	}
	return all
}

// B94: a password is planted in every form of configuration. It is in no log
// record, no error in any format, no panic.
func TestB94_NoSecretAnywhere(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		login := application("mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com")
		login.Password = planted
		for form := range f.DSNs(login) {
			t.Run(form, func(t *testing.T) {
				dsn := func(password string, params ...string) string {
					login.Password = password
					return f.DSNs(login, append([]string{f.Params().NoTLS, "topology-monitoring-user=app"}, params...)...)[form]
				}
				mistakes := []string{"plugins=iam", "failover_mode=nobody", "failover_timeout_sec=x"}
				if f.Unlike().Parse == "" {
					mistakes = append(mistakes, f.Params().Wrong...)
				}
				for _, wrong := range mistakes {
					_, err := f.OpenDSN(dsn(planted, wrong))
					if err == nil {
						t.Errorf("%s was accepted", wrong)
					}
					cleanError(t, "configuration error of "+wrong, err)
				}
				virtually(t, f, lab.Options{Password: planted}, func(t *testing.T, c *cluster) {
					noSecretInTrouble(t, c, dsn)
				})
			})
		}
	})
}

func noSecretInTrouble(t *testing.T, c *cluster, dsn func(password string, params ...string) string) {
	p := openWith(t, c, frontend.Options{DSN: dsn(planted)})
	mustExec(t, p, "create table t (id bigint)")
	for _, l := range losses[:5] {
		old, next := c.Writer(), c.Readers()[0]
		l.do(old)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		cleanError(t, "error of a call", p.insert(ctx))
		cancel()
		promote(t, c, next.ID())
		for range 5 {
			cleanError(t, "error of a call", p.insert(t.Context()))
		}
		time.Sleep(time.Second)
		old.Restart()
	}
	refused := openWith(t, c, frontend.Options{DSN: dsn(planted + "!")})
	err := refused.PingContext(t.Context())
	c.says(t, "a wrong password", err, c.codes.WrongPassword)
	cleanError(t, "login error", err)
	c.FailDNS(true)
	p.SetMaxIdleConns(0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	cleanError(t, "DNS error", p.PingContext(ctx))
	c.FailDNS(false)
	clean(t, "log", p.all()+refused.all())
	for _, value := range []any{p.Connector, p.Cluster().Topology(), p.Connector.Host(), core.Secret(planted)} {
		clean(t, "value", fmt.Sprintf("%v %+v", value, value))
	}
}
