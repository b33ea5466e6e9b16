package iamauth

import (
	"strings"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

func init() {
	core.Register(core.Info{
		Code: Code, Stage: core.StageLogin, Params: params(), Conflicts: []string{"aws_secrets_manager", "federated_auth", "okta"},
		Default: wanted, New: fromSettings,
		Doc: "Logs in with IAM tokens instead of passwords.",
	})
}

func params() []core.Param {
	own := []core.Param{
		{Name: "iam_expiration", Aliases: []core.Alias{{Name: "iam_expiration_sec"}}, Kind: core.Duration, Unit: time.Second, Default: "870", Min: 0, Doc: "How long a token is used for new logins; at most 870 seconds, as the server takes it for 15 minutes. 0: every login gets a new one."},
		{Name: "iam_access_token_property_name", Ignored: true, Doc: "The drivers take a token as the password."},
	}
	return append(append(awsauth.TokenParams(), own...), awsauth.SourceParams()...)
}

// credentialPlugins are parameters that name another plugin for the login.
var credentialPlugins = []string{
	"secrets_manager_secret_id", "secrets_manager_region", "secrets_manager_endpoint",
	"idp_endpoint", "idp_port", "idp_username", "idp_password", "app_id", "iam_role_arn", "iam_idp_arn", "db_user",
}

// wanted tells whether the plugin runs when none are named.
func wanted(s core.Settings) bool {
	for _, name := range credentialPlugins {
		if s.Given(name) {
			return false
		}
	}
	for _, name := range []string{"iam_host", "iam_default_port", "iam_region", "iam_expiration", "iam_insecure_transport"} {
		if s.Given(name) {
			return true
		}
	}
	login := s.Login()
	return login.Password == "" && !login.Hook && signable(login.Host)
}

// signable tells that tokens can be made for a host without iam_host: its name is one of RDS, or may be
// an alias of one. Others are logged in to without a password by who is trusted there.
func signable(host string) bool {
	e := core.ParseEndpoint(host)
	socket := strings.ContainsAny(host, `/\@`)
	return e.Kind != core.EndpointIP && e.Host != "localhost" && !socket
}

func fromSettings(s core.Settings) (core.Plugin, error) {
	tokens := awsauth.TokenSettings(s)
	expiration := s.Duration("iam_expiration")
	tokens.Expiration = &expiration
	return build(awsauth.SourceOptions(s), tokens)
}
