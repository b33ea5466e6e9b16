package federated

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated/internal/cause"
)

// role is what an assertion is exchanged for.
type role struct {
	arn, provider string
	source        *awsauth.Source
	limit         time.Duration
}

const assuming = "assuming the role"

// assume asks STS of a region for the credentials of the role. The request is not signed,
// for the assertion is what identifies us. They last for as long as STS
// thinks right, which is an hour unless the assertion says otherwise.
func (r *role) assume(ctx context.Context, region string, assertion core.Secret) (aws.Credentials, error) {
	cfg, err := r.source.Config(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	limited, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	// Clients are cheap: what they share is in cfg.
	client := sts.NewFromConfig(cfg, func(o *sts.Options) {
		o.Region = region
		o.ClientLogMode = 0 // the assertion would be in the log of requests
	})
	answer, err := client.AssumeRoleWithSAML(limited, &sts.AssumeRoleWithSAMLInput{
		RoleArn: &r.arn, PrincipalArn: &r.provider, SAMLAssertion: (*string)(&assertion),
	})
	if err != nil {
		return aws.Credentials{}, r.failure(ctx, limited, region, assertion, err)
	}
	c := answer.Credentials
	if c == nil || aws.ToString(c.AccessKeyId) == "" || c.Expiration == nil {
		return aws.Credentials{}, &Error{Kind: ErrAnswer, Step: assuming, Host: stsHost(region), Advice: "there are no credentials in it"}
	}
	if !time.Now().Before(*c.Expiration) { // nobody would keep them, so that each login would be a sign-in
		return aws.Credentials{}, &Error{Kind: ErrAnswer, Step: assuming, Host: stsHost(region), Advice: "the credentials have expired already: is this machine's clock right?"}
	}
	return aws.Credentials{
		AccessKeyID: *c.AccessKeyId, SecretAccessKey: aws.ToString(c.SecretAccessKey), SessionToken: aws.ToString(c.SessionToken),
		Source: "SAML", CanExpire: true, Expires: *c.Expiration,
	}, nil
}

func stsHost(region string) string { return "AWS STS in " + region }

// failure makes an error of one that the SDK returned. That is not kept: its text has
// what STS says of the request, in which the assertion may be quoted.
func (r *role) failure(caller, limited context.Context, region string, assertion core.Secret, err error) error {
	e := &Error{Kind: ErrUnavailable, Step: assuming, Host: stsHost(region)}
	var api smithy.APIError
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		return fmt.Errorf("sign-in at %s, %s: %w", e.Host, e.Step, context.Cause(caller))
	case errors.As(err, &api):
		var response *smithyhttp.ResponseError
		if errors.As(err, &response) {
			e.Status = response.HTTPStatusCode()
		}
		e.Code = api.ErrorCode()
		r.explain(e, harmlessText(api.ErrorMessage(), assertion))
	case limited.Err() != nil, cause.Timeout(err):
		e.Kind, e.Err = ErrTimeout, context.DeadlineExceeded
		if caller.Err() == nil {
			e.Advice = "http_request_connect_timeout is " + r.limit.String()
		}
	default:
		e.Err = cause.Of(err)
	}
	return e
}

// explain says what an error of STS means, and leaves one that it does not know at
// ErrUnavailable if asking again may help. Codes are those of the API reference.
func (r *role) explain(e *Error, message string) {
	switch e.Code {
	case "AccessDenied", "AccessDeniedException":
		e.Kind = ErrRole
		e.Advice = "let the trust policy of " + r.arn + " allow sts:AssumeRoleWithSAML to " + r.provider + ", and the assertion's attribute Role name both"
	case "ExpiredTokenException", "ExpiredToken":
		e.Kind, e.Advice = ErrAssertionExpired, "check the clocks of the identity provider and of this machine"
	case "InvalidIdentityToken", "InvalidIdentityTokenException", "IDPRejectedClaim", "IDPRejectedClaimException":
		e.Kind, e.Advice = ErrAssertionRefused, message
	case "RegionDisabledException", "RegionDisabled":
		e.Advice = "STS is not activated in the region: see the account settings of IAM"
	case "Throttling", "ThrottlingException", "IDPCommunicationError":
	default:
		if e.Status/100 != 5 && e.Status != http.StatusTooManyRequests {
			e.Kind = ErrAnswer
		}
	}
}

// harmlessText returns a message of STS if it is short and does not quote the assertion.
func harmlessText(message string, assertion core.Secret) string {
	if len(message) > 200 || strings.Contains(message, string(assertion[:min(len(assertion), 24)])) {
		return ""
	}
	return message
}
