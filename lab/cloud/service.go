package cloud

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Operation names one operation of a service, "sts.AssumeRoleWithSAML", or all of them, "sts".
type Operation string

// The services.
const (
	Everything     Operation = ""
	SecretsManager Operation = "secretsmanager"
	STS            Operation = "sts"
	RDS            Operation = "rds"
	ADFS           Operation = "adfs"
	Okta           Operation = "okta"
)

// The operations.
const (
	GetSecretValue             Operation = "secretsmanager.GetSecretValue"
	AssumeRoleWithSAML         Operation = "sts.AssumeRoleWithSAML"
	DescribeDBClusters         Operation = "rds.DescribeDBClusters"
	DescribeGlobalClusters     Operation = "rds.DescribeGlobalClusters"
	DescribeDBClusterEndpoints Operation = "rds.DescribeDBClusterEndpoints"
	ADFSPage                   Operation = "adfs.Page"   // GET of the sign-in page, and of what follows a sign-in
	ADFSSignIn                 Operation = "adfs.SignIn" // POST of its form
	OktaAuthenticate           Operation = "okta.Authenticate"
	OktaSAML                   Operation = "okta.SAML"
)

// service is the one an operation belongs to.
func (o Operation) service() Operation {
	name, _, _ := strings.Cut(string(o), ".")
	return Operation(name)
}

// action is the operation's name within its service.
func (o Operation) action() string {
	_, name, _ := strings.Cut(string(o), ".")
	return name
}

// call is one request.
type call struct {
	*http.Request
	body   []byte
	form   url.Values // of the query, and of the body if that is a form
	signer signer     // of a signed request
}

// operations are what each operation does. What it returns instead of an answer is in the form of its service.
var operations = map[Operation]func(c *Cloud, w http.ResponseWriter, r *call) *problem{
	GetSecretValue:             (*Cloud).getSecretValue,
	AssumeRoleWithSAML:         (*Cloud).assumeRoleWithSAML,
	DescribeDBClusters:         (*Cloud).describeDBClusters,
	DescribeGlobalClusters:     (*Cloud).describeGlobalClusters,
	DescribeDBClusterEndpoints: (*Cloud).describeDBClusterEndpoints,
	ADFSPage:                   (*Cloud).adfsPage,
	ADFSSignIn:                 (*Cloud).adfsSignIn,
	OktaAuthenticate:           (*Cloud).oktaAuthenticate,
	OktaSAML:                   (*Cloud).oktaSAML,
}

// signed are the services whose requests are signed.
var signed = []Operation{SecretsManager, RDS}

// largestBody bounds a request.
const largestBody = 1 << 20

// ServeHTTP implements http.Handler. Whatever the host name: what a request says tells the service it is for.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if err != nil {
		http.Error(w, "cannot read the request", http.StatusBadRequest)
		return
	}
	request := &call{Request: r, body: body, form: r.URL.Query()}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			http.Error(w, "malformed form", http.StatusBadRequest)
			return
		}
		for key, values := range form {
			request.form[key] = append(values, request.form[key]...)
		}
	}
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat)) // clients look whether their clock is right
	operation := request.operation()
	serve := operations[operation]
	if serve == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("X-Amzn-RequestId", c.requestID())
	problem := c.fate(r.Context(), operation)
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // whoever asked has gone
	}
	if problem == nil && slices.Contains(signed, operation.service()) {
		if request.signer, problem = c.verify(r, body, string(operation.service())); problem == nil {
			problem = request.signer.permitted(operation)
		}
	}
	if problem == nil {
		problem = serve(c, w, request)
	}
	if problem != nil {
		problem.answer(w, operation)
	}
}

// operation is what a request asks for; one that does not exist if it asks for nothing known.
func (r *call) operation() Operation {
	target, json := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	switch path := r.URL.Path; {
	case path == "/" && json:
		return SecretsManager + "." + Operation(target)
	case path == "/" && r.form.Get("Version") == stsVersion:
		return STS + "." + Operation(r.form.Get("Action"))
	case path == "/" && r.form.Get("Version") == rdsVersion:
		return RDS + "." + Operation(r.form.Get("Action"))
	case path == adfsPath && r.Method == http.MethodPost:
		return ADFSSignIn
	case path == adfsPath:
		return ADFSPage
	case path == oktaAuthenticationPath && r.Method == http.MethodPost:
		return OktaAuthenticate
	case strings.HasPrefix(path, oktaAppPath):
		return OktaSAML
	}
	return Everything
}

func (c *Cloud) requestID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", c.last)
}

// permitted tells why the signer may not do something.
func (s signer) permitted(o Operation) *problem {
	if slices.Contains(s.policy.Deny, o) || slices.Contains(s.policy.Deny, o.service()) {
		return s.denied(o, "*")
	}
	return nil
}

func (s signer) denied(o Operation, resource string) *problem {
	action := strings.Replace(string(o), ".", ":", 1)
	return &problem{kind: denied, message: fmt.Sprintf(
		"User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action", s.ARN, action, resource, action)}
}
