package sqlalchemy

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
)

// aws is the AWS around a cluster, and an identity provider, where the SDK and the plugins find them without a line of code.
type aws struct {
	*cloud.Cloud
	provider []string // parameters that lead to the identity provider
}

func newAWS(t *testing.T) *aws {
	t.Helper()
	a := &aws{Cloud: cloud.New(cloud.Options{})}
	service := httptest.NewServer(a)
	t.Cleanup(service.Close)
	provider := httptest.NewUnstartedServer(a)
	provider.Config.ErrorLog = log.New(io.Discard, "", 0)
	provider.StartTLS()
	t.Cleanup(provider.Close)
	port := provider.Listener.Addr().(*net.TCPAddr).Port //nolint:errcheck // httptest listens on TCP
	a.provider = []string{"idp_endpoint=127.0.0.1", "idp_port=" + strconv.Itoa(port), "ssl_secure=false"}
	identity := a.AddIdentity("program", cloud.Policy{DBUsers: []string{"app"}, Secrets: []string{secretID}})
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": identity.AccessKeyID, "AWS_SECRET_ACCESS_KEY": identity.SecretAccessKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_ENDPOINT_URL": service.URL, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
	} {
		t.Setenv(name, value)
	}
	return a
}

// way is how a program logs in.
type way struct {
	lab    lab.Options // what the cluster demands
	user   string      // in the connection string
	params []string
}

const (
	secretID = "prod/app"
	alice    = "alice@example.com"
	password = "correct horse @:/?#%"
)

func byToken(*testing.T, *aws) way {
	return way{lab: lab.Options{Auth: lab.IAM}, user: "app"}
}

func bySecret(_ *testing.T, a *aws) way {
	a.PutSecret(secretID, `{"username":"app","password":"`+password+`"}`)
	return way{lab: lab.Options{Password: password}, params: []string{"secrets_manager_secret_id=" + secretID}}
}

func byADFS(_ *testing.T, a *aws) way { return a.federated(cloud.ADFS) }

func byOkta(_ *testing.T, a *aws) way { return a.federated(cloud.Okta, "app_id=exk1awsdblab") }

// federated is a login with a role that the provider vouches for.
func (a *aws) federated(provider cloud.Operation, params ...string) way {
	a.AddUser(alice, password)
	role := a.AddRole("app-role", cloud.Policy{DBUsers: []string{"app"}})
	params = append(params, "db_user=app", "idp_username="+alice, "idp_password="+password, "iam_role_arn="+role, "iam_idp_arn="+a.ProviderARN(provider))
	return way{lab: lab.Options{Auth: lab.IAM}, params: append(params, a.provider...)}
}

// logsIn: the ORM logs in by the plugin, and again after a failover. Without the plugin nobody does.
func logsIn(t *testing.T, e engine, o orm, code string, prepare func(*testing.T, *aws) way) {
	a := newAWS(t)
	w := prepare(t, a)
	w.lab.Cloud, w.lab.TLS = a.Cloud, lab.TLSRequired
	s := &stage{publish(t, e, w.lab), e, o}
	url := func(plugins string) string {
		params := append([]string{"plugins=" + plugins}, e.Params().VerifiedTLS(s.CAFile())...)
		return e.DSNs(frontend.Login{User: w.user, Host: s.Endpoint(), Database: "app"}, append(params, w.params...)...)["URL"]
	}
	h := s.open(t, url("failover,"+code))
	s.table(t, h)
	s.works(t, h)
	s.failOver(t)
	s.arrives(t, h)
	plain, err := o.open(e, url("failover"))
	if err == nil {
		err = errors.Join(plain.Exec(t.Context(), "select 1"), plain.DB().Close())
	}
	demand.Is(t, "a login without the plugin", err, core.ErrConnect)
}
