package secrets

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/awsdb/awsdb/awsauth"
)

// arn is what the ARN of a secret tells.
type arn struct{ partition, region string }

// parseARN reads "arn:<partition>:secretsmanager:<region>:<account>:secret:<name>". ok is false
// for the name of a secret, which cannot begin like that.
func parseARN(id string) (a arn, ok bool, err error) {
	if !strings.HasPrefix(id, "arn:") {
		return arn{}, false, nil
	}
	fields := strings.SplitN(id, ":", 7)
	if len(fields) < 7 || fields[1] == "" || fields[2] != "secretsmanager" || fields[4] == "" || fields[5] != "secret" || fields[6] == "" {
		return arn{}, true, fmt.Errorf("%q is no ARN of a secret: want arn:aws:secretsmanager:us-east-1:123456789012:secret:name", id)
	}
	if err := awsauth.CheckRegion(fields[3]); err != nil {
		return arn{}, true, fmt.Errorf("the ARN %q: %w", id, err)
	}
	return arn{fields[1], fields[3]}, true, nil
}

// checkEndpoint wants the address of a service. What it is not is not repeated: it could hold
// a password.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("want an absolute URL such as https://vpce-0123-4567.secretsmanager.us-east-1.vpce.amazonaws.com")
	}
	return nil
}
