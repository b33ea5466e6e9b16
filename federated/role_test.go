package federated

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/federated/internal/idptest"
	"github.com/google/go-cmp/cmp"
)

const (
	roleARN     = "arn:aws:iam::123456789012:role/databases/app"
	providerARN = "arn:aws:iam::123456789012:saml-provider/corporate"
	assertion   = "PHNhbWxwOlJlc3BvbnNlIElEPSJfMTIzNDU2Nzg5MCI+PC9zYW1scDpSZXNwb25zZT4="
)

// awsOf is the configuration of an AWS that h is. The credentials in it must not be used.
func awsOf(h http.Handler) awsauth.Options {
	return awsauth.Options{Config: &aws.Config{
		Region: "eu-west-1", HTTPClient: idptest.Client(h),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("nobody's credentials are needed")
		}),
	}}
}

func newRole(h http.Handler) *role {
	return &role{arn: roleARN, provider: providerARN, source: awsauth.NewSource(awsOf(h)), limit: 10 * time.Second}
}

func TestAssume(t *testing.T) {
	sts := &idptest.STS{}
	var hosts []string
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts = append(hosts, r.Host)
		sts.ServeHTTP(w, r)
	})
	for _, region := range []string{"us-east-1", "cn-north-1"} {
		got, err := newRole(h).assume(t.Context(), region, assertion)
		if err != nil {
			t.Fatal(err)
		}
		if got.SecretAccessKey != idptest.SecretAccessKey || got.SessionToken != idptest.SessionToken || !got.CanExpire || time.Until(got.Expires) < 59*time.Minute {
			t.Errorf("credentials %q until %s", got.AccessKeyID, got.Expires)
		}
	}
	if diff := cmp.Diff([]string{"sts.us-east-1.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn"}, hosts); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	call := sts.Calls()[0]
	call.Del("Version")
	want := map[string][]string{"Action": {"AssumeRoleWithSAML"}, "RoleArn": {roleARN}, "PrincipalArn": {providerARN}, "SAMLAssertion": {assertion}}
	if diff := cmp.Diff(want, map[string][]string(call)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// Each refusal of STS is another error, and none shows the assertion.
func TestAssumeFailures(t *testing.T) {
	quoting := "1 validation error detected: Value '" + assertion + "' at 'sAMLAssertion' failed to satisfy constraint"
	tests := map[string]struct {
		status        int
		code, message string
		want          error
		text          string
	}{
		"role":        {403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML", ErrRole, "sign-in at AWS STS in us-east-1, assuming the role: the role was refused, HTTP status 403, AccessDenied: let the trust policy of " + roleARN},
		"expired":     {400, "ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance", ErrAssertionExpired, "check the clocks"},
		"signature":   {400, "InvalidIdentityToken", "Response signature invalid", ErrAssertionRefused, "InvalidIdentityToken: Response signature invalid"},
		"quoted":      {400, "InvalidIdentityToken", "cannot read " + assertion, ErrAssertionRefused, "InvalidIdentityToken"},
		"rejected":    {403, "IDPRejectedClaim", "The identity provider rejected it", ErrAssertionRefused, "rejected"},
		"validation":  {400, "ValidationError", quoting, ErrAnswer, "unexpected answer, HTTP status 400, ValidationError"},
		"throttled":   {400, "Throttling", "Rate exceeded", ErrUnavailable, "unavailable, HTTP status 400, Throttling"},
		"outage":      {503, "ServiceUnavailable", "", ErrUnavailable, "HTTP status 503"},
		"odd failure": {500, "Odd", quoting, ErrUnavailable, "HTTP status 500, Odd"},
		"region":      {403, "RegionDisabledException", "STS is not activated in this region", ErrUnavailable, "not activated in the region"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the SDK waits before it tries again
				sts := &idptest.STS{}
				sts.Fail(test.status, test.code, test.message)
				_, err := newRole(sts).assume(t.Context(), "us-east-1", assertion)
				var e *Error
				if !errors.As(err, &e) || !errors.Is(err, test.want) || e.Code != test.code || !strings.Contains(err.Error(), test.text) {
					t.Errorf("error %v, want %v with %q", err, test.want, test.text)
				}
				idptest.NoSecret(t, err, assertion)
			})
		})
	}
}

func TestAssumeHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := newRole(http.HandlerFunc(idptest.Hang)).assume(t.Context(), "us-east-1", assertion)
		if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		idptest.NoSecret(t, err, assertion)
	})
}

func TestAssumeCanceled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	closed := errors.New("handle closed")
	cancel(closed)
	if _, err := newRole(&idptest.STS{}).assume(ctx, "us-east-1", assertion); !errors.Is(err, closed) {
		t.Errorf("error %v", err)
	}
}

// With a wrong clock every login would be a sign-in.
func TestAssumeExpired(t *testing.T) {
	_, err := newRole(&idptest.STS{Life: -time.Second}).assume(t.Context(), "us-east-1", assertion)
	if !errors.Is(err, ErrAnswer) || !strings.Contains(err.Error(), "clock") {
		t.Errorf("error %v", err)
	}
}

func TestAssumeWithoutCredentials(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<AssumeRoleWithSAMLResponse><AssumeRoleWithSAMLResult></AssumeRoleWithSAMLResult></AssumeRoleWithSAMLResponse>`))
	})
	if _, err := newRole(h).assume(t.Context(), "us-east-1", assertion); !errors.Is(err, ErrAnswer) {
		t.Errorf("error %v", err)
	}
}
