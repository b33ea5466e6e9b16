package lab_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
)

// loginAs is the outcome of one attempt to log in as a user, with a token or a password.
func loginAs(t *testing.T, cluster *lab.Cluster, host, user, password string, params ...string) error {
	t.Helper()
	if dsn := cluster.DSN(host, params...); strings.HasPrefix(dsn, "postgres://") {
		cfg := pgxConfig(t, cluster, dsn)
		cfg.User, cfg.Password = user, password
		return within(time.Minute, pool(t, stdlib.GetConnector(*cfg)).PingContext)
	}
	cfg := mysqlConfig(t, cluster, host, cluster.DSN(host, append(params, "allowCleartextPasswords=true")...))
	cfg.User, cfg.Passwd = user, password
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return within(time.Minute, pool(t, connector).PingContext)
}

// token is what an identity signs for the user app.
func token(e engine, identity cloud.Identity, host, region string) string {
	port, _ := strconv.Atoi(e.port)
	return identity.Token(host, port, region, "app")
}

func TestIAM(t *testing.T) {
	aws := cloud.New(cloud.Options{})
	o := lab.Options{Auth: lab.IAM, TLS: lab.TLSOptional, Cloud: aws, Users: map[string]string{"monitor": "watching"}}
	everywhere(t, o, func(t *testing.T, e engine, cluster *lab.Cluster) {
		identity := aws.AddIdentity("app", cloud.Policy{})
		writer, reader := cluster.Writer().Host(), cluster.Instance("mydb-2").Host()
		signed := func(host string) string { return token(e, identity, host, "us-east-1") }
		for _, tc := range []struct {
			name, host, user, password string
			params                     []string
			want                       string
		}{
			{"the instance's own name", writer, "app", signed(writer), nil, ""},
			{"the cluster endpoint", cluster.Endpoint(), "app", signed(cluster.Endpoint()), nil, ""},
			{"the reader endpoint", cluster.ReaderEndpoint(), "app", signed(cluster.ReaderEndpoint()), nil, ""},
			{"a reader", reader, "app", signed(reader), nil, ""},
			{"another instance", reader, "app", signed(writer), nil, e.wrongToken},
			{"the cluster endpoint's at a reader", reader, "app", signed(cluster.Endpoint()), nil, e.wrongToken},
			{"the reader endpoint's at the writer", writer, "app", signed(cluster.ReaderEndpoint()), nil, e.wrongToken},
			{"a password", writer, "app", "secret", nil, e.wrongToken},
			{"nothing", writer, "app", "", nil, e.wrongToken},
			{"without TLS", writer, "app", signed(writer), []string{e.withoutTLS}, e.wrongToken},
			{"a user with a password", writer, "monitor", "watching", nil, ""},
			{"such a user's token", writer, "monitor", signed(writer), nil, e.wrongPassword},
			{"nobody's token", writer, "nobody", signed(writer), nil, e.wrongPassword},
		} {
			err := loginAs(t, cluster, tc.host, tc.user, tc.password, tc.params...)
			if code(err) != tc.want || err != nil && tc.want == "" {
				t.Errorf("%s: %v, want code %q", tc.name, err, tc.want)
			}
		}
		wantEqual(t, "refusals of the reader", len(cluster.Instance("mydb-2").Refusals()), 2)
		for _, err := range cluster.Instance("mydb-2").Refusals() {
			if !strings.Contains(err.Error(), "it is for host") || strings.Contains(err.Error(), "Signature") {
				t.Errorf("refused because: %v", err)
			}
		}
	})
}

// withCloud runs f with each engine in virtual time.
func withCloud(t *testing.T, f func(t *testing.T, e engine, aws *cloud.Cloud, cluster *lab.Cluster)) {
	aws := cloud.New(cloud.Options{})
	inBubbles(t, lab.Options{Auth: lab.IAM, TLS: lab.TLSRequired, Cloud: aws}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		f(t, e, aws, cluster)
	})
}

// TestIAMFollowsEndpoints: a token for an endpoint is good for those instances that the endpoint leads to at that
// moment, and for names that are not RDS's nobody is.
func TestIAMFollowsEndpoints(t *testing.T) {
	withCloud(t, func(t *testing.T, e engine, aws *cloud.Cloud, cluster *lab.Cluster) {
		identity := aws.AddIdentity("app", cloud.Policy{})
		login := func(host, tokenHost string) error {
			return loginAs(t, cluster, host, "app", token(e, identity, tokenHost, "us-east-1"))
		}
		old, next := cluster.Writer().Host(), cluster.Instance("mydb-2").Host()
		if err := cluster.Promote("mydb-2", lab.PromoteOptions{DNSLag: time.Minute}); err != nil {
			t.Fatal(err)
		}
		wantError(t, login(old, cluster.Endpoint()), nil)
		wantCode(t, login(next, cluster.Endpoint()), e.wrongToken)
		time.Sleep(time.Minute)
		wantCode(t, login(old, cluster.Endpoint()), e.wrongToken)
		wantError(t, login(next, cluster.Endpoint()), nil)
		wantError(t, login(old, cluster.ReaderEndpoint()), nil)
		cluster.SetDNS(cluster.Endpoint(), "mydb-1")
		wantError(t, login(old, cluster.Endpoint()), nil)
		wantCode(t, login(next, cluster.Endpoint()), e.wrongToken)
		cluster.Alias("db.example.com", next)
		wantCode(t, login(next, "db.example.com"), e.wrongToken)
	})
}

func TestIAMInTime(t *testing.T) {
	withCloud(t, func(t *testing.T, e engine, aws *cloud.Cloud, cluster *lab.Cluster) {
		host := cluster.Writer().Host()
		long := token(e, aws.AddIdentity("app", cloud.Policy{}), host, "us-east-1")
		short := token(e, aws.AddSession("function", 10*time.Minute, cloud.Policy{}), host, "us-east-1")
		wantError(t, loginAs(t, cluster, host, "app", short), nil)
		time.Sleep(10 * time.Minute)
		wantCode(t, loginAs(t, cluster, host, "app", short), e.wrongToken)
		time.Sleep(5*time.Minute - time.Second)
		wantError(t, loginAs(t, cluster, host, "app", long), nil)
		time.Sleep(time.Second)
		wantCode(t, loginAs(t, cluster, host, "app", long), e.wrongToken)
		cluster.Writer().Restart()
		wantEqual(t, "refusals", len(cluster.Writer().Refusals()), 2)
	})
}

func TestIAMInTwoRegions(t *testing.T) {
	aws := cloud.New(cloud.Options{})
	eachEngine(t, func(t *testing.T, e engine) {
		o := lab.Options{Flavor: e.global, Instances: 1, Auth: lab.IAM, TLS: lab.TLSRequired, Cloud: aws}
		bubble(t, o, func(t *testing.T, cluster *lab.Cluster) {
			identity := aws.AddIdentity("app", cloud.Policy{})
			login := func(host, region string) error {
				return loginAs(t, cluster, host, "app", token(e, identity, host, region))
			}
			far := cluster.Instance("mydb-eu-west-1-1").Host()
			wantError(t, login(far, "eu-west-1"), nil)
			wantCode(t, login(far, "us-east-1"), e.wrongToken)
			wantError(t, login(cluster.GlobalEndpoint(), "us-east-1"), nil)
			if err := cluster.Promote("mydb-eu-west-1-1", lab.PromoteOptions{}); err != nil {
				t.Fatal(err)
			}
			wantCode(t, login(cluster.GlobalEndpoint(), "us-east-1"), e.wrongToken)
			wantError(t, login(cluster.GlobalEndpoint(), "eu-west-1"), nil)
		})
	})
}

// TestSetPassword: the next login needs the new password, also where the old one was remembered.
func TestSetPassword(t *testing.T) {
	for name, tc := range map[string]struct {
		auth lab.Auth
		tls  lab.TLSMode
	}{
		"proof": {lab.Password, lab.TLSOff}, "proof, TLS": {lab.Password, lab.TLSRequired}, "clear": {lab.Cleartext, lab.TLSRequired},
	} {
		t.Run(name, func(t *testing.T) {
			o := lab.Options{Auth: tc.auth, TLS: tc.tls, Users: map[string]string{"app_clone": "second"}}
			everywhere(t, o, func(t *testing.T, e engine, cluster *lab.Cluster) {
				login := func(user, password string) error {
					return loginAs(t, cluster, cluster.Endpoint(), user, password)
				}
				session := connect(t, cluster, cluster.Endpoint(), e.clearPassword...)
				for range 2 {
					wantError(t, login("app_clone", "second"), nil)
				}
				wantCode(t, login("app_clone", "secret"), e.wrongPassword)
				cluster.SetPassword("app", "changed")
				wantCode(t, login("app", "secret"), e.wrongPassword)
				for range 2 {
					wantError(t, login("app", "changed"), nil)
				}
				wantError(t, login("app_clone", "second"), nil)
				exec(t, session, "select 1")
				wantCode(t, login("late", "third"), e.wrongPassword)
				wantCode(t, login("late", ""), e.wrongPassword)
				cluster.SetPassword("late", "third")
				wantError(t, login("late", "third"), nil)
			})
		})
	}
	t.Run("native", func(t *testing.T) {
		bubble(t, lab.Options{Flavor: lab.AuroraMySQL, Auth: lab.NativePassword}, func(t *testing.T, cluster *lab.Cluster) {
			cluster.SetPassword("app", "changed")
			wantCode(t, loginAs(t, cluster, cluster.Endpoint(), "app", "secret"), "1045")
			wantError(t, loginAs(t, cluster, cluster.Endpoint(), "app", "changed"), nil)
		})
	})
}
