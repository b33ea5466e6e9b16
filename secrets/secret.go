package secrets

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/awsdb/awsdb/core"
)

// ErrInvalid is matched by errors about what a secret holds, or does not. Nothing of it is
// in their text.
var ErrInvalid = errors.New("the secret is not usable")

// credentials are what a login needs.
type credentials struct {
	user     string
	password core.Secret
}

// secret is one version of the secret.
type secret struct {
	credentials
	fetched time.Time
}

// versions is what the cache holds: the secret that is served, or what was found when a login
// was refused.
type versions struct {
	current secret
	// pending is the version that a rotation is making.
	pending  secret
	rotation rotation
	problem  error // why rotation is unknown
}

// rotation says whether the secret is being rotated.
type rotation uint8

const (
	rotationUnasked  rotation = iota
	rotationUnknown           // Secrets Manager did not say
	rotationNone              // there is no pending version, or it has nothing new
	rotationUnderWay          // there is
)

// keys are the names that the secret has the credentials under.
type keys struct{ user, password string }

// parse takes the credentials out of the text of a secret. The errors of package json are
// not wrapped: they quote what they do not understand.
func (k keys) parse(text string) (credentials, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &values); err != nil || values == nil {
		return credentials{}, fmt.Errorf("%w: it is no JSON object: it must have the keys %q and %q", ErrInvalid, k.user, k.password)
	}
	user, err := stringOf(values, k.user, "secrets_manager_secret_username_key")
	if err != nil {
		return credentials{}, err
	}
	password, err := stringOf(values, k.password, "secrets_manager_secret_password_key")
	if err != nil {
		return credentials{}, err
	}
	return credentials{user, core.Secret(password)}, nil
}

// stringOf returns a value that must be there. parameter is what the name of its key is
// set by.
func stringOf(values map[string]json.RawMessage, key, parameter string) (string, error) {
	raw, ok := values[key]
	if !ok {
		return "", fmt.Errorf("%w: it has no key %q: set %s if the key has another name", ErrInvalid, key, parameter)
	}
	var value *string
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		return "", fmt.Errorf("%w: the value of its key %q must be a string", ErrInvalid, key)
	}
	if *value == "" {
		return "", fmt.Errorf("%w: the value of its key %q is empty", ErrInvalid, key)
	}
	return *value, nil
}
