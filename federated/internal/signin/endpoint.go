package signin

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// parseEndpoint reads idp_endpoint, a host name which may have https:// in front.
func parseEndpoint(endpoint string, port int) (url.URL, error) {
	host := strings.TrimSpace(endpoint)
	if scheme, rest, found := strings.Cut(host, "://"); found {
		if !strings.EqualFold(scheme, "https") {
			return url.URL{}, fmt.Errorf("idp_endpoint=%q: passwords are sent by https only: write the host name alone", endpoint)
		}
		host = rest
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(host, "/"), "."))
	switch {
	case host == "":
		return url.URL{}, errors.New("idp_endpoint is missing: write the host name of the identity provider")
	case len(host) > 253 || !isHostName(host):
		return url.URL{}, fmt.Errorf("idp_endpoint=%q: want a host name such as idp.example.com, and a port in idp_port", endpoint)
	case port < 0 || port > 65535:
		return url.URL{}, fmt.Errorf("idp_port=%d: want a port, or 0 for 443", port)
	}
	if port != 0 && port != 443 {
		host += ":" + strconv.Itoa(port)
	}
	return url.URL{Scheme: "https", Host: host}, nil
}

func isHostName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" || label[0] == '-' {
			return false
		}
	}
	return true
}
