package mysqldriver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

// authority is a certificate that signs others, all with the same key.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{key: key}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "authority"}}
	if a.cert, err = x509.ParseCertificate(a.sign(t, template)); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a authority) sign(t *testing.T, template *x509.Certificate) []byte {
	t.Helper()
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// leaf is a certificate for an address or a client.
func (a authority) leaf(t *testing.T, ip string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: ip}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if addr := net.ParseIP(ip); addr != nil {
		template.IPAddresses = []net.IP{addr}
	}
	return tls.Certificate{Certificate: [][]byte{a.sign(t, template)}, PrivateKey: a.key}
}

// pemFile writes blocks to a file and returns its name.
func pemFile(t *testing.T, kind string, ders ...[]byte) string {
	t.Helper()
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	name := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (a authority) keyFile(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pemFile(t, "PRIVATE KEY", der)
}

// What the ssl_ parameters make a connection check, against a server with TLS.
func TestTLSParameters(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	ca, otherCA := pemFile(t, "CERTIFICATE", ours.cert.Raw), pemFile(t, "CERTIFICATE", others.cert.Raw)
	both := pemFile(t, "CERTIFICATE", others.cert.Raw, ours.cert.Raw)
	client, key := pemFile(t, "CERTIFICATE", ours.leaf(t, "client").Certificate[0]), ours.keyFile(t)
	right, wrong := ours.leaf(t, "127.0.0.1"), ours.leaf(t, "192.0.2.1")

	unknown := func(err error) bool { return errors.As(err, new(x509.UnknownAuthorityError)) }
	badName := func(err error) bool { return errors.As(err, new(x509.HostnameError)) }
	tests := map[string]struct {
		server tls.Certificate
		params url.Values
		want   func(error) bool // nil: connected
	}{
		"the right authority":                 {right, url.Values{"ssl_ca": {ca}}, nil},
		"one of two authorities":              {right, url.Values{"ssl_ca": {both}}, nil},
		"tls=true beside it":                  {right, url.Values{"ssl_ca": {ca}, "tls": {"true"}}, nil},
		"another authority":                   {right, url.Values{"ssl_ca": {otherCA}}, unknown},
		"the system's authorities":            {right, url.Values{"ssl_verify_cert": {"true"}}, unknown},
		"the system's, only tls=true":         {right, url.Values{"tls": {"true"}}, unknown},
		"another name":                        {wrong, url.Values{"ssl_ca": {ca}}, badName},
		"another name, not looked at":         {wrong, url.Values{"ssl_ca": {ca}, "ssl_verify_identity": {"false"}}, nil},
		"another authority, only that":        {wrong, url.Values{"ssl_ca": {otherCA}, "ssl_verify_identity": {"false"}}, unknown},
		"the system's authorities, only they": {wrong, url.Values{"ssl_verify_identity": {"False"}}, unknown},
		"nothing is looked at":                {wrong, url.Values{"ssl_ca": {otherCA}, "ssl_verify_cert": {"false"}}, nil},
		"a client's certificate":              {right, url.Values{"ssl_ca": {ca}, "ssl_cert": {client}, "ssl_key": {key}}, nil},
		"no TLS":                              {right, url.Values{"ssl_disabled": {"true"}, "ssl_ca": {ca}}, nil},
		"no TLS, said twice":                  {right, url.Values{"ssl_disabled": {"true"}, "tls": {"false"}}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Pointer[tls.ConnectionState] // at the server
			s := startFake(t, nil)                       // TLS needs a buffer between both sides
			s.tls.Store(&tls.Config{Certificates: []tls.Certificate{test.server}, ClientAuth: tls.RequestClientCert,
				VerifyConnection: func(state tls.ConnectionState) error { seen.Store(&state); return nil }})
			k := connector(t, parsed(t, "app@tcp("+s.addr+")/x?"+test.params.Encode()), WithPlugins())
			c, err := k.Connect(t.Context())
			if test.want != nil {
				if !errors.Is(err, core.ErrConnect) || !test.want(err) || errors.As(err, new(*core.LostError)) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			_, disabled := test.params["ssl_disabled"]
			state := seen.Load()
			if (state == nil) != disabled {
				t.Errorf("TLS: %t", state != nil)
			}
			if _, sent := test.params["ssl_cert"]; sent && (len(state.PeerCertificates) != 1 || state.PeerCertificates[0].Subject.CommonName != "client") {
				t.Errorf("the server saw the certificates %v", state.PeerCertificates)
			}
		})
	}
}

func TestTLSParameterErrors(t *testing.T) {
	a := newAuthority(t)
	ca, key := pemFile(t, "CERTIFICATE", a.cert.Raw), a.keyFile(t)
	otherKey := newAuthority(t).keyFile(t)
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("no PEM\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing.pem")
	tests := map[string]struct {
		params url.Values
		want   []string
	}{
		"no such file":              {url.Values{"ssl_ca": {missing}}, []string{"ssl_ca: ", missing}},
		"no certificate":            {url.Values{"ssl_ca": {garbage}}, []string{garbage, "holds no certificate in PEM form"}},
		"a key is no certificate":   {url.Values{"ssl_ca": {key}}, []string{"holds no certificate in PEM form"}},
		"no key":                    {url.Values{"ssl_cert": {ca}}, []string{"ssl_cert and ssl_key belong together: write both"}},
		"no certificate for a key":  {url.Values{"ssl_key": {key}}, []string{"ssl_cert and ssl_key belong together: write both"}},
		"another key":               {url.Values{"ssl_cert": {ca}, "ssl_key": {otherKey}}, []string{"ssl_cert and ssl_key: "}},
		"garbage for a key":         {url.Values{"ssl_cert": {ca}, "ssl_key": {garbage}}, []string{"ssl_cert and ssl_key: "}},
		"a missing client's file":   {url.Values{"ssl_cert": {missing}, "ssl_key": {key}}, []string{"ssl_cert and ssl_key: ", missing}},
		"no booleans":               {url.Values{"ssl_verify_cert": {"perhaps"}, "ssl_disabled": {"x"}, "ssl_ca": {missing}}, []string{`ssl_verify_cert="perhaps": want true or false`, `ssl_disabled="x"`, missing}},
		"tls=false":                 {url.Values{"ssl_ca": {ca}, "tls": {"false"}}, []string{"contradict", "keep one"}},
		"tls=skip-verify":           {url.Values{"ssl_ca": {ca}, "tls": {"skip-verify"}}, []string{"contradict"}},
		"tls=preferred":             {url.Values{"ssl_ca": {ca}, "tls": {"preferred"}}, []string{"contradict"}},
		"ssl_disabled and tls=true": {url.Values{"ssl_disabled": {"true"}, "tls": {"true"}}, []string{"contradict"}},
	}
	for name, test := range tests {
		for _, dsn := range []string{"app:s3cr3t@tcp(db.example)/x?", "mysql://app:s3cr3t@db.example/x?", "mysql+aws_wrapper_mysqlconnector://app:s3cr3t@db.example/x?"} {
			k, err := Driver{}.OpenConnector(dsn + test.params.Encode())
			if k != nil || !errors.Is(err, core.ErrConfig) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%s: %v, %v", name, k, err)
				continue
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q is missing in %v", name, want, err)
				}
			}
		}
	}
	cfg := parsed(t, "app@tcp(db.example)/x?ssl_ca="+url.QueryEscape(ca))
	cfg.TLS = &tls.Config{}
	if _, err := NewConnector(cfg); !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), "Config.TLS") {
		t.Errorf("Config.TLS and ssl_ca: %v", err)
	}
}

// go-sql-driver forgets TLS for a whole configuration when it meets a server without
// (tls=preferred). Here that is true of one connection only.
func TestPreferredTLSComesBack(t *testing.T) {
	for name, prefer := range map[string]func(*mysql.Config){
		"tls=preferred": func(cfg *mysql.Config) { cfg.TLSConfig = "preferred" },
		"AllowFallbackToPlaintext": func(cfg *mysql.Config) {
			cfg.TLS, cfg.AllowFallbackToPlaintext = &tls.Config{InsecureSkipVerify: true}, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startFake(t, nil)
			cfg := parsed(t, "app@tcp("+s.addr+")/x")
			prefer(cfg)
			k := connector(t, cfg, WithPlugins())
			var encrypted []bool
			for _, offered := range []bool{false, true} {
				if offered {
					s.tls.Store(&tls.Config{Certificates: []tls.Certificate{newAuthority(t).leaf(t, "127.0.0.1")}})
				}
				var opening sync.WaitGroup
				for range 2 { // at the same time: the race detector watches
					opening.Go(func() {
						c, err := k.Connect(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						_ = c.Close() // has served
					})
				}
				opening.Wait()
				encrypted = append(encrypted, s.encrypted.Swap(false))
			}
			if diff := cmp.Diff([]bool{false, true}, encrypted); diff != "" {
				t.Errorf("encrypted (-want +got):\n%s", diff)
			}
		})
	}
}
