package signin

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/awsdb/awsdb/federated"
)

// The certificate is verified unless the options say otherwise, and no connection is left
// in either case.
func TestCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateIdle {
			t.Error("a connection is kept")
		}
	}
	server.StartTLS()
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	for _, insecure := range []bool{false, true} {
		c, err := NewClient(federated.Options{Endpoint: at.Hostname(), Port: port, InsecureTLS: insecure})
		if err != nil {
			t.Fatal(err)
		}
		s := c.Begin()
		page, err := s.Get(t.Context(), "looking", c.URL("/", nil))
		var certificate *tls.CertificateVerificationError
		switch {
		case insecure && (err != nil || string(page.Body) != "hello"):
			t.Errorf("without verification: %v", err)
		case !insecure && (!errors.Is(err, federated.ErrUnavailable) || !errors.As(err, &certificate)):
			t.Errorf("with verification: %v", err)
		}
	}
}

func TestInsecureWithClient(t *testing.T) {
	if _, err := NewClient(federated.Options{Endpoint: "idp.example.com", InsecureTLS: true, HTTPClient: &http.Client{}}); err == nil {
		t.Error("no error for ssl_secure=false beside a client of one's own")
	}
}

// The application's client is used, and is the same as before afterwards.
func TestGivenClient(t *testing.T) {
	given := &http.Client{Transport: http.NewFileTransport(http.Dir(t.TempDir()))}
	c, err := NewClient(federated.Options{Endpoint: "idp.example.com", HTTPClient: given})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Begin()
	page, err := s.Get(t.Context(), "looking", c.URL("/none", nil))
	if err != nil || page.Status != http.StatusNotFound {
		t.Errorf("status %v, %v", page, err)
	}
	if given.Jar != nil || given.CheckRedirect != nil {
		t.Error("the application's client was changed")
	}
}
