package cloud

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs f in virtual time, with a cloud.
func bubble(t *testing.T, o Options, f func(t *testing.T, c *Cloud)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, New(o)) })
}

// answer is what came back.
type answer struct {
	status int
	code   string // of an error
	body   string
}

// send sends a request and reads the answer.
func send(t *testing.T, client *http.Client, request *http.Request) (answer, error) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, body: string(body)}
	var inJSON struct {
		Type      string `json:"__type"`
		ErrorCode string `json:"errorCode"`
	}
	var inXML struct {
		Code string `xml:"Error>Code"`
	}
	switch {
	case response.StatusCode < 400:
	case json.Unmarshal(body, &inJSON) == nil:
		a.code = inJSON.Type + inJSON.ErrorCode
	case xml.Unmarshal(body, &inXML) == nil:
		a.code = inXML.Code
	}
	return a, nil
}

// mustSend is send for requests that are answered.
func mustSend(t *testing.T, c *Cloud, request *http.Request) answer {
	t.Helper()
	a, err := send(t, c.Client(), request)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newRequest(ctx context.Context, t *testing.T, method, address, contentType, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	return request
}

// sign signs a request as the SDK does: TestRequestOfTheSDK has one of its own.
func sign(request *http.Request, i Identity, service, region, body string) *http.Request {
	at := time.Now().UTC().Format(signatureDate)
	request.Host = request.URL.Host
	request.Header.Set("X-Amz-Date", at)
	headers := []string{"content-length", "content-type", "host", "x-amz-date"}
	if i.SessionToken != "" {
		request.Header.Set("X-Amz-Security-Token", i.SessionToken)
		headers = append(headers, "x-amz-security-token")
	}
	s := scope{i.AccessKeyID, at[:8], region, service}
	signature := s.sign(i.SecretAccessKey, at, canonicalRequest(request, headers, []byte(body)))
	request.Header.Set("Authorization", signatureAlgorithm+" Credential="+i.AccessKeyID+"/"+at[:8]+"/"+region+"/"+service+
		"/aws4_request, SignedHeaders="+strings.Join(headers, ";")+", Signature="+signature)
	return request
}

// secretRequest asks for a secret in a region.
func secretRequest(ctx context.Context, t *testing.T, i Identity, region, body string) *http.Request {
	t.Helper()
	request := newRequest(ctx, t, http.MethodPost, "https://secretsmanager."+region+".amazonaws.com/", "application/x-amz-json-1.1", body)
	request.Header.Set("X-Amz-Target", "secretsmanager.GetSecretValue")
	return sign(request, i, "secretsmanager", region, body)
}

// rdsRequest asks the RDS API.
func rdsRequest(t *testing.T, i Identity, region, action string, parameters url.Values) *http.Request {
	t.Helper()
	parameters.Set("Action", action)
	parameters.Set("Version", rdsVersion)
	body := parameters.Encode()
	request := newRequest(t.Context(), t, http.MethodPost, "https://rds."+region+".amazonaws.com", "application/x-www-form-urlencoded", body)
	return sign(request, i, "rds", region, body)
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wantProblem checks the status and the code of a failure.
func wantProblem(t *testing.T, got answer, status int, code string) {
	t.Helper()
	if got.status != status || got.code != code {
		t.Errorf("status %d, code %q, want %d, %q: %s", got.status, got.code, status, code, got.body)
	}
}
