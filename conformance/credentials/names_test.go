package credentials

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/iamauth"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
)

// unnamed are parameters for TLS that verifies the certificate but not the name in it, which
// is never that of an alias.
func (s *stage) unnamed(file string) []string {
	if s.front.Driver() == frontend.MySQL.Driver() {
		return []string{"ssl_ca=" + file, "ssl_verify_identity=false"}
	}
	return []string{"sslmode=verify-ca", "sslrootcert=" + file}
}

// aliased is a connection string for a name that is not RDS's.
func (s *stage) aliased(host string, port uint16, params ...string) string {
	login := frontend.Login{User: app, Host: host, Port: port, Database: "app"}
	return s.front.DSN(login, append(s.unnamed(s.CAFile()), params...)...)
}

const (
	domain  = ".c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	company = "db.example.com" // an alias of the cluster endpoint
)

// B87: whatever the connection string calls the cluster, tokens are for a name that the
// server knows itself by, with its port and its region. Each handle meets the writer, and
// after a failover another one.
func TestB87_NamesOfTheCluster(t *testing.T) {
	pattern := "cluster_instance_host_pattern=?" + domain
	for _, test := range []struct {
		name    string
		dsn     func(s *stage) string
		options iamauth.Options
		first   string // who the connection string's host is, in tokens; "": as it is dialled
	}{
		{name: "cluster endpoint", dsn: func(s *stage) string { return s.DSN(s.Endpoint()) }},
		{name: "cluster endpoint in capitals", dsn: func(s *stage) string { return s.DSN(strings.ToUpper(s.Endpoint()) + ".") }},
		{name: "instance", dsn: func(s *stage) string { return s.DSN("mydb-1"+domain, "failover_mode=strict-writer") }},
		{
			name: "alias", first: "mydb-1" + domain,
			dsn: func(s *stage) string { s.Alias(company, s.Endpoint()); return s.aliased(company, 0) },
		},
		{
			name: "alias and iam_host", first: "mydb.cluster-" + domain[1:], options: iamauth.Options{Host: "mydb.cluster-" + domain[1:]},
			dsn: func(s *stage) string { s.Alias(company, s.Endpoint()); return s.aliased(company, 0, pattern) },
		},
		{
			name: "alias and a pattern", first: "mydb-1" + domain, options: iamauth.Options{Host: "?" + domain},
			dsn: func(s *stage) string { s.Alias(company, s.Endpoint()); return s.aliased(company, 0, pattern) },
		},
		{
			name: "names of the company for each instance", first: "mydb-1" + domain, options: iamauth.Options{Host: "?" + domain},
			dsn: func(s *stage) string {
				s.Alias(company, s.Endpoint())
				for _, i := range s.Instances() {
					s.Alias(i.ID()+".example.com", i.Host())
				}
				return s.aliased(company, 0, "cluster_instance_host_pattern=?.example.com")
			},
		},
		{
			name: "address and iam_host", first: "mydb.cluster-" + domain[1:], options: iamauth.Options{Host: "mydb.cluster-" + domain[1:]},
			dsn: func(s *stage) string {
				return s.aliased(s.Instance("mydb-1").IP(), 0, pattern, "failover_mode=strict-writer")
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			virtual(t, lab.Options{Auth: lab.IAM}, func(t *testing.T, s *stage) {
				r := s.role("app", time.Hour)
				p := s.openDSN(t, test.dsn(s), r.iam(t, test.options))
				for range 5 {
					p.mustDial(t)
				}
				s.Writer().Crash()
				if err := s.Promote("mydb-2", lab.PromoteOptions{DNSLag: 20 * time.Second}); err != nil {
					t.Fatal(err)
				}
				_ = p.exec(t.Context(), "select 1")
				for range 5 {
					if id := p.where(t); id != "mydb-2" {
						t.Errorf("landed on %s", id)
					}
					_ = p.dial(t.Context())
				}
				own := ""
				for _, l := range p.take() {
					made, err := parseToken(l.password)
					if err != nil {
						t.Fatal(err)
					}
					host, port, _ := net.SplitHostPort(made.address)
					if l.Login.Own && own == "" {
						own = host
					}
					if !strings.HasSuffix(host, domain[1:]) || host != strings.ToLower(host) || made.region != "us-east-1" || port != portOf(l) {
						t.Errorf("a token for %s in %s was used for %s", made.address, made.region, l.Host.Addr)
					}
					if l.Host.ID != "" && host != l.Host.ID+domain && !l.Login.Own {
						t.Errorf("a token for %s was used for %s", made.address, l.Host.ID)
					}
				}
				if test.first != "" && own != test.first {
					t.Errorf("the first token is for %s, want %s", own, test.first)
				}
				s.refusedNone(t)
			})
		})
	}
}

// refusedNone demands that no instance has refused a token.
func (s *stage) refusedNone(t *testing.T) {
	t.Helper()
	for _, i := range s.Instances() {
		for _, err := range i.Refusals() {
			t.Errorf("%s refused a token: %v", i.ID(), err)
		}
	}
}

// tunnel is a way to a host by another name and port, as a port forwarded by ssh.
type tunnel struct {
	*stage
	to func() string
}

func (tunnel) LookupHost(context.Context, string) ([]string, error) {
	return []string{"127.0.0.1"}, nil
}

func (tunnel) LookupCNAME(_ context.Context, host string) (string, error) { return host + ".", nil }

func (u tunnel) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return u.DialContext(ctx, network, u.to())
}

// B87: through a tunnel, which neither has the server's name nor its port, iam_host and
// iam_default_port say what tokens are for. Without them the error says so, and nothing is dialled.
func TestB87_Tunnel(t *testing.T) {
	for _, test := range []struct {
		name, host string
		port       uint16
		options    iamauth.Options
		remedy     string // "": logs in
	}{
		{name: "localhost", host: "localhost", port: 15432, remedy: "iam_host"},
		{name: "address", host: "127.0.0.1", port: 15432, remedy: "iam_host"},
		{name: "IPv6 address", host: "::1", port: 15432, remedy: "iam_host"},
		{name: "name of the company's", host: "tunnel.example.com", port: 15432, remedy: "iam_host"},
		{name: "pattern", host: "localhost", port: 15432, options: iamauth.Options{Host: "?" + domain}, remedy: "iam_host"},
		{name: "localhost, said who it is", host: "localhost", port: 15432, options: iamauth.Options{Host: "mydb-2" + domain, Port: -2}},
		{name: "address, said who it is", host: "127.0.0.1", port: 15432, options: iamauth.Options{Host: "mydb-2" + domain, Port: -2}},
		{name: "RDS name, another port", host: "mydb-2" + domain, port: 15432, options: iamauth.Options{Port: -2}},
		{name: "cluster endpoint, said who it is", host: "mydb.cluster-" + domain[1:], port: 15432, options: iamauth.Options{Host: "mydb-2" + domain, Port: -2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			virtual(t, lab.Options{Auth: lab.IAM, Instances: 2}, func(t *testing.T, s *stage) {
				o := test.options
				if _, port, _ := net.SplitHostPort(s.Writer().Addr()); o.Port == -2 {
					_, _ = fmt.Sscan(port, &o.Port)
				}
				u := tunnel{s, func() string { return s.Instance("mydb-2").Addr() }}
				p := s.openWith(t, frontend.Options{
					DSN: s.aliased(test.host, test.port), Plugins: []core.Plugin{s.role("app", 0).iam(t, o)}, Dial: u.dial, Resolver: u,
				})
				err := p.dial(t.Context())
				if test.remedy == "" {
					if err != nil {
						t.Error(err)
					}
					s.refusedNone(t)
					return
				}
				demand.Is(t, "no name to sign for", err, core.ErrConnect)
				if !strings.Contains(err.Error(), test.remedy) || !strings.Contains(err.Error(), test.host) {
					t.Errorf("the error does not say %s and %s: %v", test.host, test.remedy, err)
				}
				if n := dialsOf(s.Cluster); n > 0 {
					t.Errorf("%d dials", n)
				}
			})
		})
	}
}

// B87, B112: a green host takes the name of its blue counterpart at the switchover. A token for the
// name that DNS still has is refused once; from then on tokens are for the new one.
func TestB87_B112_GreenHost(t *testing.T) {
	const green = "mydb-1-green-abc123" + domain
	virtual(t, lab.Options{Auth: lab.IAM, Instances: 2}, func(t *testing.T, s *stage) {
		if _, err := s.AddReader("mydb-green-abc123"); err != nil {
			t.Fatal(err)
		}
		r := s.role("app", 15*time.Minute)
		before := s.openPlain(t, s.DSN("mydb-green-abc123"+domain), r.iam(t, iamauth.Options{}))
		before.mustDial(t)
		s.refusedNone(t)

		s.SetDNS(green, "mydb-1") // which has its new name
		p := s.openPlain(t, s.aliased(green, 0), r.iam(t, iamauth.Options{}))
		for n := range 100 {
			p.mustDial(t)
			if refused := p.refused.take(); refused > 1 || refused > 0 && n > 0 {
				t.Errorf("dial %d: %d refusals", n, refused)
			}
			time.Sleep(time.Minute)
		}
		for who := range tokensOf(t, p.take()[1:]) {
			if !strings.Contains(who, "@mydb-1.") {
				t.Errorf("later on there is a token for %s", who)
			}
		}

		forbid(s, r)
		err := p.dial(t.Context())
		demand.Is(t, "a green host that refuses the user", err, core.ErrConnect)
		if n := p.refused.take(); n > 3 {
			t.Errorf("a green host that refuses the user was asked %d times", n)
		}
	})
}

// B87: a global database moves its writer to another region. Tokens for its own name, and for the
// instances, are signed for the region where each is.
func TestB87_GlobalDatabase(t *testing.T) {
	const patterns = "global_cluster_instance_host_patterns=[us-east-1]?.c9xyz0abcdef.us-east-1.rds.amazonaws.com,[eu-west-1]?.c9xyz0abcdef.eu-west-1.rds.amazonaws.com"
	for _, host := range []func(s *stage) string{func(s *stage) string { return s.GlobalEndpoint() }, func(s *stage) string { return s.Endpoint() }} {
		for _, region := range []string{"", "us-east-1"} {
			frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
				virtually(t, f, lab.Options{Auth: lab.IAM, Instances: 2, Flavor: f.Flavors().GlobalAurora}, func(t *testing.T, s *stage) {
					o := iamauth.Options{}
					if region != "" && host(s) != s.GlobalEndpoint() {
						o.Region = region
					}
					p := s.openDSN(t, s.DSN(host(s), patterns, "failover_mode=strict-writer"), s.role("app", time.Hour).iam(t, o))
					p.mustDial(t)
					s.Writer().Crash()
					if err := s.Promote("mydb-eu-west-1-1", lab.PromoteOptions{}); err != nil {
						t.Fatal(err)
					}
					_ = p.exec(t.Context(), "select 1")
					p.mustDial(t)
					regions := map[string]bool{}
					for _, l := range p.take() {
						made, err := parseToken(l.password)
						if err != nil {
							t.Fatal(err)
						}
						regions[made.region] = true
						if e := core.ParseEndpoint(l.Login.Host); e.Region != "" && e.Region != made.region {
							t.Errorf("a token for %s was used for %s", made.region, l.Host.Addr)
						}
					}
					if diff := cmp.Diff(map[string]bool{"us-east-1": true, "eu-west-1": true}, regions); diff != "" {
						t.Errorf("regions (-want +got):\n%s", diff)
					}
					s.refusedNone(t)
				})
			})
		}
	}
}

// B87: names of other partitions, which the lab's cluster has not, lead to one of its instances.
func TestB87_Partitions(t *testing.T) {
	for host, region := range map[string]string{
		"mydb.cluster-c9xyz0abcdef.us-gov-west-1.rds.amazonaws.com":    "us-gov-west-1",
		"mydb-1.c9xyz0abcdef.us-gov-east-1.rds.amazonaws.com":          "us-gov-east-1",
		"mydb.cluster-c9xyz0abcdef.rds.cn-north-1.amazonaws.com.cn":    "cn-north-1",
		"mydb-1.c9xyz0abcdef.rds.cn-northwest-1.amazonaws.com.cn":      "cn-northwest-1",
		"mydb.cluster-ro-c9xyz0abcdef.rds.cn-north-1.amazonaws.com.cn": "cn-north-1",
	} {
		t.Run(host, func(t *testing.T) {
			frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
				synctest.Test(t, func(t *testing.T) { partition(t, f, host, region) })
			})
		})
	}
}

func partition(t *testing.T, f frontend.Frontend, host, region string) {
	aws := cloud.New(cloud.Options{Region: region})
	var mu sync.Mutex
	var port int
	var refused []error
	verify := func(user, password string) bool {
		mu.Lock()
		defer mu.Unlock()
		err := aws.VerifyToken(password, []string{host}, port, user, region)
		if err != nil {
			refused = append(refused, err)
		}
		return err == nil
	}
	s := newStage(t, f, lab.Options{Auth: lab.Cleartext, VerifyPassword: verify, Cloud: aws, Instances: 1})
	_, number, _ := net.SplitHostPort(s.Writer().Addr())
	_, _ = fmt.Sscan(number, &port)
	s.SetDNS(host, "mydb-1")
	p := s.openPlain(t, s.aliased(host, 0), s.role("app", time.Hour).iam(t, iamauth.Options{}))
	p.mustDial(t)
	if len(refused) > 0 {
		t.Error(refused)
	}
}

// A region that cannot be is an error when the handle is opened.
func TestB87_ImpossibleRegions(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
		for _, test := range []struct {
			host   string
			params []string
			remedy []string // nothing: opens
		}{
			{"mydb-1" + domain, []string{"iam_region=us-east-1"}, nil},
			{"mydb-1" + domain, []string{"iam_region=eu-west-1"}, []string{"iam_region", "eu-west-1", "us-east-1"}},
			{"mydb-1" + domain, []string{"iam_region=us-gov-west-1"}, []string{"iam_region", "us-gov-west-1"}},
			{"mydb-1" + domain, []string{"iam_region=cn-north-1"}, []string{"iam_region", "cn-north-1"}},
			{"mydb-1" + domain, []string{"iamRegion=Virginia"}, []string{"iam", "Virginia"}},
			{"localhost", []string{"iam_host=mydb-1" + domain, "iam_region=eu-west-1"}, []string{"iam_region", "eu-west-1"}},
			{"localhost", []string{"iam_host=mydb-1" + domain, "iam_region=us-east-1"}, nil},
			{"localhost", []string{"iam_host=mydb-1" + domain + ":5432"}, []string{"iam_host"}},
			{"mydb-1" + domain, []string{"iam_default_port=70000"}, []string{"iam_default_port", "70000"}},
			{"mydb-1" + domain, []string{"iam_expiration=-1"}, []string{"iam_expiration"}},
			{"mydb.global-c9xyz0abcdef.global.rds.amazonaws.com", []string{"iam_region=eu-west-1"}, nil},
		} {
			login := frontend.Login{User: app, Host: test.host, Database: "app"}
			h, err := f.OpenDSN(f.DSN(login, append(test.params, "plugins=iam")...))
			if err == nil {
				err = h.Close()
			}
			if opened := err == nil; opened != (len(test.remedy) == 0) {
				t.Errorf("%s %v: %v", test.host, test.params, err)
				continue
			}
			if err != nil {
				demand.Is(t, "an impossible region", err, core.ErrConfig)
			}
			if i := slices.IndexFunc(test.remedy, func(text string) bool { return !strings.Contains(err.Error(), text) }); i >= 0 {
				t.Errorf("%s %v: the error does not say %q: %v", test.host, test.params, test.remedy[i], err)
			}
		}
	})
}
