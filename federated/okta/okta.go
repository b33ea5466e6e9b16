package okta

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/federated/internal/signin"
)

const code = "okta"

// Options configure New.
type Options struct {
	federated.Options
	// AppID is the id of the application "AWS Account Federation" in Okta: what follows
	// /app/amazon_aws/ in its embed link. It must be set.
	AppID string
}

// New returns the plugin "okta" for explicit use, as in pgdriver.WithPlugins(plugin). Several
// handles may have the same, which then sign in once for all. The error matches
// core.ErrConfig and names everything that is wrong.
func New(o Options) (core.Plugin, error) {
	client, err := signin.NewClient(o.Options)
	f := &flow{client: client, user: o.User, password: o.Password, app: o.AppID}
	return federated.New(code, o.Options, f.signIn, errors.Join(err, checkApp(o.AppID)))
}

func checkApp(id string) error {
	if id == "" {
		return errors.New("app_id is missing: want what follows /app/amazon_aws/ in the application's embed link")
	}
	if strings.Trim(strings.ToLower(id), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return fmt.Errorf("app_id=%q: want what follows /app/amazon_aws/ in the application's embed link, letters and digits", id)
	}
	return nil
}

func init() {
	core.Register(core.Info{
		Code: code, Stage: core.StageLogin, Params: params(),
		Conflicts: []string{"iam", "aws_secrets_manager", "federated_auth"},
		Default:   wanted,
		New:       fromSettings,
		Doc:       "Logs in with the IAM token of a role that Okta vouches for.",
	})
}

// wanted tells that the plugin shall run where none is named: a sign-in is configured, and
// AD FS cannot be meant.
func wanted(s core.Settings) bool {
	return s.Given("app_id") || federated.Wanted(s) && !slices.ContainsFunc(core.Plugins(), func(i core.Info) bool { return i.Code == "federated_auth" })
}

func params() []core.Param {
	return append(federated.Params(),
		core.Param{Name: "app_id", Doc: "Id of the AWS application in Okta: what follows /app/amazon_aws/ in its embed link."},
	)
}

func fromSettings(s core.Settings) (core.Plugin, error) {
	o, err := federated.FromSettings(s)
	if err != nil {
		return nil, err
	}
	return New(Options{Options: o, AppID: s.String("app_id")})
}
