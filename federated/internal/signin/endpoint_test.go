package signin

import (
	"strings"
	"testing"

	"github.com/awsdb/awsdb/federated"
)

func TestEndpoint(t *testing.T) {
	tests := []struct {
		endpoint string
		port     int
		want     string // "": an error
		error    string
	}{
		{"adfs.example.com", 0, "https://adfs.example.com/p?q=a+b", ""},
		{"adfs.example.com", 443, "https://adfs.example.com/p?q=a+b", ""},
		{"ADFS.Example.com", 8443, "https://adfs.example.com:8443/p?q=a+b", ""},
		{"https://adfs.example.com/", 0, "https://adfs.example.com/p?q=a+b", ""},
		{" HTTPS://adfs.example.com. ", 0, "https://adfs.example.com/p?q=a+b", ""},
		{"10.0.0.1", 0, "https://10.0.0.1/p?q=a+b", ""},
		{"", 0, "", "idp_endpoint is missing"},
		{"https://", 0, "", "idp_endpoint is missing"},
		{"http://adfs.example.com", 0, "", "by https only"},
		{"ftp://adfs.example.com", 0, "", "by https only"},
		{"adfs.example.com:8443", 0, "", "a port in idp_port"},
		{"adfs.example.com/adfs", 0, "", "want a host name"},
		{"user@adfs.example.com", 0, "", "want a host name"},
		{"adfs.example.com?x=1", 0, "", "want a host name"},
		{"adfs..example.com", 0, "", "want a host name"},
		{"-adfs.example.com", 0, "", "want a host name"},
		{"adfs example.com", 0, "", "want a host name"},
		{"adfs.example.com\r\nHost: x", 0, "", "want a host name"},
		{strings.Repeat("a", 64) + ".com", 0, "", "want a host name"},
		{"adfs.example.com", 65536, "", "idp_port=65536"},
		{"adfs.example.com", -1, "", "idp_port=-1"},
	}
	for _, test := range tests {
		c, err := NewClient(federated.Options{Endpoint: test.endpoint, Port: test.port})
		switch {
		case test.want == "":
			if err == nil || !strings.Contains(err.Error(), test.error) {
				t.Errorf("%q, port %d: error %v, want one with %q", test.endpoint, test.port, err, test.error)
			}
		case err != nil:
			t.Errorf("%q, port %d: %v", test.endpoint, test.port, err)
		default:
			if got := c.URL("/p", map[string][]string{"q": {"a b"}}).String(); got != test.want {
				t.Errorf("%q, port %d: %s, want %s", test.endpoint, test.port, got, test.want)
			}
		}
	}
}
