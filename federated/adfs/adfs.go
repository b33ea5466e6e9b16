package adfs

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/federated/internal/signin"
)

const code = "federated_auth"

// defaultParty is what AWS calls itself to identity providers.
const defaultParty = "urn:amazon:webservices"

// Options configure New.
type Options struct {
	federated.Options
	// RelyingParty is the identifier that AD FS knows AWS by. Default:
	// "urn:amazon:webservices".
	RelyingParty string
}

// New returns the plugin "federated_auth" for explicit use, as in
// pgdriver.WithPlugins(plugin). Several handles may have the same, which then sign in
// once for all. The error matches core.ErrConfig and names everything that is wrong.
func New(o Options) (core.Plugin, error) {
	party := cmp.Or(o.RelyingParty, defaultParty)
	client, err := signin.NewClient(o.Options)
	f := &flow{client: client, user: o.User, password: o.Password, party: party}
	if strings.ContainsFunc(party, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		err = errors.Join(err, fmt.Errorf("rp_identifier=%q: want the identifier of the relying party, a URI", party))
	}
	return federated.New(code, o.Options, f.signIn, err)
}

func init() {
	core.Register(core.Info{
		Code: code, Stage: core.StageLogin, Params: params(),
		Conflicts: []string{"iam", "aws_secrets_manager", "okta"},
		Default:   func(s core.Settings) bool { return federated.Wanted(s) && !s.Given("app_id") },
		New:       fromSettings,
		Doc:       "Logs in with the IAM token of a role that AD FS vouches for.",
	})
}

func params() []core.Param {
	return append(federated.Params(),
		core.Param{Name: "rp_identifier", Default: defaultParty, Doc: "What AD FS knows AWS by: the identifier of the relying party trust."},
		core.Param{Name: "idp_name", Kind: core.Enum, Values: []string{"adfs"}, Default: "adfs", Doc: "The kind of identity provider; for Okta there is a plugin of its own."},
	)
}

func fromSettings(s core.Settings) (core.Plugin, error) {
	o, err := federated.FromSettings(s)
	if err != nil {
		return nil, err
	}
	return New(Options{Options: o, RelyingParty: s.String("rp_identifier")})
}
