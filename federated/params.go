package federated

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

// Params declares the parameters of Options, for the plugins; FromSettings reads them.
func Params() []core.Param {
	return slices.Concat(params, awsauth.TokenParams(), awsauth.SourceParams())
}

var params = []core.Param{
	{Name: "db_user", Doc: "Database user that logs in."},
	{Name: "idp_endpoint", Doc: "Host name of the identity provider."},
	{Name: "idp_port", Kind: core.Int, Default: "443", Min: 1, Doc: "Port of the identity provider."},
	{Name: "idp_username", Doc: "Account at the identity provider. Absent: the user of the connection string."},
	{Name: "idp_password", Doc: "Its password. Absent: that of the connection string."},
	{Name: "iam_role_arn", Doc: "Role to assume, arn:aws:iam::<account>:role/<name>."},
	{Name: "iam_idp_arn", Doc: "What IAM calls the identity provider, arn:aws:iam::<account>:saml-provider/<name>."},
	{Name: "iam_token_expiration", Aliases: []core.Alias{{Name: "iam_token_expiration_sec"}}, Kind: core.Duration, Unit: time.Second, Default: "870", Doc: "How long a login token is used; never longer than 870 s. 0: each login gets one of its own."},
	{
		Name: "http_request_connect_timeout", Aliases: []core.Alias{{Name: "http_timeout_ms", Unit: time.Millisecond}, {Name: "http_client_connect_timeout", Unit: time.Millisecond}},
		Kind: core.Duration, Unit: time.Second, Default: "60", Doc: "Limit for each request of a sign-in, redirects included. 0: 60 s.",
	},
	{Name: "http_client_socket_timeout", Kind: core.Duration, Unit: time.Millisecond, Ignored: true, Doc: "http_request_connect_timeout bounds a request as a whole."},
	{Name: "ssl_secure", Kind: core.Bool, Default: "true", Doc: "false lets anybody be the identity provider: its certificate is not verified. For tests only."},
	{Name: "ssl_insecure", Kind: core.Bool, Default: "false", Doc: "The opposite of ssl_secure."},
}

// Wanted tells that a sign-in is configured, in full or with something missing to be told of.
func Wanted(s core.Settings) bool {
	return slices.ContainsFunc([]string{"idp_endpoint", "idp_port", "idp_username", "idp_password", "iam_role_arn", "iam_idp_arn", "db_user"}, s.Given)
}

// FromSettings returns the options that the parameters give. The account is that of the
// connection string where no other is named.
func FromSettings(s core.Settings) (Options, error) {
	if s.Given("ssl_secure") && s.Given("ssl_insecure") {
		return Options{}, fmt.Errorf("%w: %w", core.ErrConfig, errors.New("ssl_secure and ssl_insecure are the same setting: keep one"))
	}
	token := awsauth.TokenSettings(s)
	o := Options{
		Endpoint:     s.String("idp_endpoint"),
		Port:         s.Int("idp_port"),
		User:         s.String("idp_username"),
		Password:     core.Secret(s.String("idp_password")),
		RoleARN:      s.String("iam_role_arn"),
		ProviderARN:  s.String("iam_idp_arn"),
		DBUser:       s.String("db_user"),
		Timeout:      s.Duration("http_request_connect_timeout"),
		InsecureTLS:  !s.Bool("ssl_secure") || s.Bool("ssl_insecure"),
		TokenHost:    token.Host,
		TokenPort:    token.Port,
		Region:       token.RegionName,
		Expiration:   s.Duration("iam_token_expiration"),
		AnyTransport: token.AnyTransport,
		AWS:          awsauth.SourceOptions(s),
		dsnHost:      token.DSNHost,
	}
	if o.Expiration == 0 {
		o.Expiration = -1 // what 0 means in Options is the default
	}
	if !s.Given("idp_username") {
		o.User = s.Login().User
	}
	if !s.Given("idp_password") {
		o.Password = s.Login().Password
	}
	return o, nil
}
