package credentials

import (
	"errors"
	"net/url"
	"strings"
	"time"
)

// token is what a login token says.
type token struct {
	address, user, region, key string // address is host:port
	session, signature         string
	at                         time.Time // when it was made
}

func parseToken(text string) (token, error) {
	address, query, ok := strings.Cut(text, "?") // "host:port/?" is as good
	values, err := url.ParseQuery(query)
	scope := strings.Split(values.Get("X-Amz-Credential"), "/")
	if !ok || err != nil || len(scope) != 5 || values.Get("X-Amz-Signature") == "" {
		return token{}, errors.New("not a token")
	}
	at, err := time.Parse("20060102T150405Z", values.Get("X-Amz-Date"))
	return token{
		address: strings.TrimSuffix(address, "/"), user: values.Get("DBUser"), region: scope[2], key: scope[0],
		session: values.Get("X-Amz-Security-Token"), signature: values.Get("X-Amz-Signature"), at: at,
	}, err
}
