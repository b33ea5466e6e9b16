package secrets

import (
	"errors"
	"slices"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

func init() {
	core.Register(core.Info{
		Code:    "aws_secrets_manager",
		Aliases: []string{"secrets_manager", "aws_secrets_manager2", "secrets_manager2"},
		Stage:   core.StageLogin,
		Params:  append(slices.Clone(params), awsauth.SourceParams()...),
		// Another plugin that logs in would overwrite what this one says.
		Conflicts: []string{"iam", "federated_auth", "okta"},
		Default:   wanted,
		New:       fromSettings,
		Doc:       "Logs in with a secret of AWS Secrets Manager, also while it is being rotated.",
	})
}

var params = []core.Param{
	{Name: "secrets_manager_secret_id", Aliases: []core.Alias{{Name: "secret_id"}}, Doc: "Name or ARN of the secret that holds user and password."},
	{Name: "secrets_manager_region", Aliases: []core.Alias{{Name: "secret_region"}}, Doc: "Region of the secret. Absent: what its ARN or the host name says, then the SDK's default."},
	{Name: "secrets_manager_endpoint", Aliases: []core.Alias{{Name: "secret_endpoint"}}, Doc: "URL of Secrets Manager. Absent: the region's."},
	{Name: "secrets_manager_secret_username_key", Aliases: []core.Alias{{Name: "secrets_manager_secret_username_property"}, {Name: "secret_username_property"}}, Default: "username", Doc: "Key of the user in the secret."},
	{Name: "secrets_manager_secret_password_key", Aliases: []core.Alias{{Name: "secrets_manager_secret_password_property"}, {Name: "secret_password_property"}}, Default: "password", Doc: "Key of the password in the secret."},
	{Name: "secrets_manager_expiration", Aliases: []core.Alias{{Name: "secrets_manager_expiration_sec"}, {Name: "secrets_manager_expiration_time_sec"}, {Name: "secret_expiration_sec"}}, Kind: core.Duration, Unit: time.Second, Default: "870", Doc: "Age at which the secret is fetched anew, in the background; 0: for every login."},
	{Name: "secrets_manager_connect_retry_timeout_ms", Kind: core.Duration, Unit: time.Millisecond, Default: "30000", Doc: "How long a refused login is repeated while the secret is being rotated; 0: not at all."},
	{Name: "secrets_manager_connect_retry_interval_ms", Kind: core.Duration, Unit: time.Millisecond, Default: "1000", Min: 1, Doc: "First pause between these logins; the others grow, to 30 seconds at most."},
}

// wanted tells that one of the parameters is given. A connection string that has only others
// than the secret's name is a mistake to be told of.
func wanted(s core.Settings) bool {
	return slices.ContainsFunc(params, func(p core.Param) bool { return s.Given(p.Name) })
}

func fromSettings(s core.Settings) (core.Plugin, error) {
	o := Options{
		SecretID:      s.String("secrets_manager_secret_id"),
		Region:        s.String("secrets_manager_region"),
		Endpoint:      s.String("secrets_manager_endpoint"),
		UsernameKey:   s.String("secrets_manager_secret_username_key"),
		PasswordKey:   s.String("secrets_manager_secret_password_key"),
		RetryInterval: s.Duration("secrets_manager_connect_retry_interval_ms"),
		AWS:           awsauth.SourceOptions(s),
	}
	expiration, timeout := s.Duration("secrets_manager_expiration"), s.Duration("secrets_manager_connect_retry_timeout_ms")
	o.Expiration, o.RetryTimeout = &expiration, &timeout
	for _, p := range params {
		if p.Kind == core.String && s.Given(p.Name) && s.String(p.Name) == "" {
			return nil, errors.New(p.Name + " is empty: give it a value or leave it out")
		}
	}
	p, problems := build(o, s.Login().Host)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return p, nil
}
