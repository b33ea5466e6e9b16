package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/iamauth"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
	"github.com/awsdb/awsdb/secrets"
)

// Credentials may take longer than a host has to answer one of awsdb's own questions: that says nothing
// about the host.
func TestSlowCredentials(t *testing.T) {
	for _, takes := range []time.Duration{4 * time.Second, 7 * time.Second, 20 * time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			virtual(t, lab.Options{Auth: lab.IAM}, func(t *testing.T, s *stage) {
				r := s.role("app", time.Hour)
				r.takes = takes
				p := s.open(t, s.Endpoint(), r.iam(t, iamauth.Options{}))
				began := time.Now()
				p.mustDial(t)
				within(t, "the first dial", began, takes+atOnce)
				p.isNoFailover(t, nil)
			})
		})
	}
}

// cut is a network that leads nowhere.
type cut struct{ err error }

func (c cut) RoundTrip(*http.Request) (*http.Response, error) { return nil, c.err }

// B41: AWS and identity providers that cannot be reached say nothing about the database: no failover, no host
// that is taken for dead, and no wait for either.
func TestB41_NoWayToAWS(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for name, err := range map[string]error{
		"refused":  refused,
		"no name":  &net.DNSError{Err: "no such host", Name: "aws", IsNotFound: true},
		"reset":    &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		"cut":      io.ErrUnexpectedEOF,
		"timeout":  &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded},
		"stranger": &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{Auth: lab.IAM}, func(t *testing.T, s *stage) {
				away := &http.Client{Transport: cut{err}}
				config := s.as(s.aws.AddIdentity("reader", cloud.Policy{}))
				config.Config.HTTPClient = away
				o := federated.Options{
					Endpoint: "idp.example.com", User: alice, Password: core.Secret(s.password(1)), DBUser: app,
					RoleARN: "arn:aws:iam::123456789012:role/app", ProviderARN: s.aws.ProviderARN(cloud.Okta), HTTPClient: away, AWS: config,
				}
				r := s.role("app", time.Hour)
				r.fail(err)
				plugins := []core.Plugin{s.keeper(t, secrets.Options{AWS: config}), r.iam(t, iamauth.Options{})}
				for _, idp := range providers {
					plugin, err := idp.build(o)
					if err != nil {
						t.Fatal(err)
					}
					plugins = append(plugins, plugin)
				}
				for _, plugin := range plugins {
					p := s.open(t, s.Endpoint(), plugin, "failover_timeout_sec=60")
					for range 3 {
						began := time.Now()
						err := p.dial(t.Context())
						demand.Is(t, plugin.Code(), err, core.ErrConnect)
						within(t, plugin.Code(), began, 15*time.Second)
						p.isNoFailover(t, err)
					}
				}
				if n := dialsOf(s.Cluster); n > 0 {
					t.Errorf("%d dials to the database", n)
				}
			})
		})
	}
}
