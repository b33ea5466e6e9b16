package idptest

import (
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/awsdb/awsdb/core"
)

// Writer is the host of the connection strings that Open is given.
const Writer = "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com"

// Parameters are those that a connection string must have for any sign-in, with the
// parameters of more: a "" there takes one away.
func Parameters(more map[string]string) map[string]string {
	all := map[string]string{
		"idp_endpoint": "idp.example.com", "db_user": "app",
		"iam_role_arn": "arn:aws:iam::123456789012:role/app", "iam_idp_arn": "arn:aws:iam::123456789012:saml-provider/corporate",
	}
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

// Open makes a handle of what a connection string says, with the plugins that are linked in.
func Open(user, password string, parameters map[string]string) (*core.Connector, error) {
	settings, err := core.TakeSettings(maps.Clone(parameters))
	if err != nil {
		return nil, err
	}
	return core.NewConnector(core.Config{Addr: Writer + ":5432", User: user, Password: core.Secret(password), Settings: settings})
}

// Serve lets idp and STS listen on the loopback interface until the test ends, and returns the
// parameters that lead to idp.
func Serve(t *testing.T, idp, sts http.Handler) map[string]string {
	t.Helper()
	provider := httptest.NewUnstartedServer(idp)
	provider.Config.ErrorLog = log.New(io.Discard, "", 0)
	provider.StartTLS()
	t.Cleanup(provider.Close)
	aws := httptest.NewServer(sts)
	t.Cleanup(aws.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", aws.URL)
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, t.TempDir()+"/none")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	port := provider.Listener.Addr().(*net.TCPAddr).Port //nolint:errcheck // httptest listens on TCP
	return map[string]string{"idp_endpoint": "https://127.0.0.1/", "idp_port": strconv.Itoa(port)}
}

// CheckConnectionString opens handles with the parameters of any sign-in and those of more, and
// wants what they log in with to be a token for the database user app, signed with the credentials of
// STS. idp knows the user and the password, which are the connection string's own where more has no
// others.
func CheckConnectionString(t *testing.T, idp http.Handler, user, password string, more map[string]string) {
	t.Helper()
	parameters := Parameters(Serve(t, idp, &STS{}))
	maps.Copy(parameters, more)
	if more["idp_username"]+more["idpUsername"] != "" {
		user, password = "somebody", "else"
	}
	k, err := Open(user, password, parameters)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close() //nolint:errcheck // it never fails
	as, token, err := k.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse("https://" + string(token))
	if err != nil {
		t.Fatal("the token is no address")
	}
	q := u.Query()
	if as != "app" || q.Get("DBUser") != "app" || u.Host != Writer+":5432" || !strings.HasPrefix(q.Get("X-Amz-Credential"), AccessKeyID(1)+"/") {
		t.Errorf("token of %s at %s, signed by %s", as, u.Host, q.Get("X-Amz-Credential"))
	}
}
