package cloud

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// requests are one request to each service.
func requests(ctx context.Context, t *testing.T, c *Cloud, i Identity) map[Operation]*http.Request {
	t.Helper()
	return map[Operation]*http.Request{
		SecretsManager: secretRequest(ctx, t, i, "us-east-1", `{"SecretId":"db"}`),
		STS: newRequest(ctx, t, http.MethodPost, "https://sts.us-east-1.amazonaws.com/", "application/x-www-form-urlencoded",
			"Action=AssumeRoleWithSAML&Version=2011-06-15"),
		ADFS: newRequest(ctx, t, http.MethodGet, adfsPageURL, "", ""),
		Okta: newRequest(ctx, t, http.MethodPost, oktaURL+"/api/v1/authn", "application/json", `{}`),
	}
}

func TestFaults(t *testing.T) {
	throttled := map[Operation]answer{
		SecretsManager: {status: 400, code: "ThrottlingException"}, STS: {status: 400, code: "Throttling"},
		ADFS: {status: 503}, Okta: {status: 429, code: "E0000047"},
	}
	well := map[Operation]answer{ // what the requests get, made without much care
		SecretsManager: {status: 200}, STS: {status: 400, code: "ValidationError"}, ADFS: {status: 200}, Okta: {status: 401, code: "E0000004"},
	}
	unavailable := map[Operation]answer{
		SecretsManager: {status: 503, code: "ServiceUnavailable"}, STS: {status: 503, code: "ServiceUnavailable"},
		ADFS: {status: 503}, Okta: {status: 503, code: "ServiceUnavailable"},
	}
	internal := map[Operation]answer{
		SecretsManager: {status: 500, code: "InternalServiceError"}, STS: {status: 500, code: "InternalServiceError"},
		ADFS: {status: 500}, Okta: {status: 500, code: "InternalServiceError"},
	}
	for name, tc := range map[string]struct {
		befall func(c *Cloud, o Operation)
		want   []map[Operation]answer // of each call
	}{
		"none":     {func(*Cloud, Operation) {}, []map[Operation]answer{well}},
		"throttle": {func(c *Cloud, o Operation) { c.Throttle(o, 2) }, []map[Operation]answer{throttled, throttled, well}},
		"limit":    {func(c *Cloud, o Operation) { c.Limit(o, 2) }, []map[Operation]answer{well, well, throttled, throttled}},
		"outage":   {func(c *Cloud, o Operation) { c.Fail(o, 503, "") }, []map[Operation]answer{unavailable, unavailable}},
		"failure":  {func(c *Cloud, o Operation) { c.Fail(o, 500, "InternalServiceError") }, []map[Operation]answer{internal}},
		"healed": {func(c *Cloud, o Operation) {
			c.Fail(o, 503, "")
			c.Hang(o)
			c.Heal(o)
		}, []map[Operation]answer{well}},
		"all healed": {func(c *Cloud, o Operation) {
			c.Throttle(o, 9)
			c.Heal(Everything)
		}, []map[Operation]answer{well}},
		"another's": {func(c *Cloud, o Operation) { c.Fail(RDS, 503, "") }, []map[Operation]answer{well}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, c *Cloud) {
				c.PutSecret("db", "value")
				identity := c.AddIdentity("app", Policy{})
				for o := range requests(t.Context(), t, c, identity) {
					tc.befall(c, o)
					for n, want := range tc.want {
						got := mustSend(t, c, requests(t.Context(), t, c, identity)[o])
						t.Logf("%s, call %d", o, n+1)
						wantProblem(t, got, want[o].status, want[o].code)
					}
					wantEqual(t, "calls of "+string(o), c.Calls(o), len(tc.want))
				}
				wantEqual(t, "all calls", c.Calls(Everything), 4*len(tc.want))
				wantEqual(t, "calls of an operation", c.Calls(GetSecretValue), len(tc.want))
				wantEqual(t, "calls of another one", c.Calls(ADFSSignIn), 0)
			})
		})
	}
}

func TestLimitInTime(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cloud) {
		c.PutSecret("db", "value")
		identity := c.AddIdentity("app", Policy{})
		c.Limit(GetSecretValue, 1)
		refused := 0
		for range 20 { // in ten seconds
			if _, a := get(t, c, identity, "us-east-1", `{"SecretId":"db"}`); a.status != http.StatusOK {
				refused++
			}
			time.Sleep(500 * time.Millisecond)
		}
		wantEqual(t, "refused", refused, 10)
	})
}

// TestSlowAndHang: calls take their time, and end with their context, with the client's limit, or when all is well
// again.
func TestSlowAndHang(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cloud) {
		c.PutSecret("db", "value")
		identity := c.AddIdentity("app", Policy{})
		took := func(client *http.Client, limit time.Duration) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			begin := time.Now()
			_, err := send(t, client, secretRequest(ctx, t, identity, "us-east-1", `{"SecretId":"db"}`))
			return time.Since(begin), err
		}
		c.Slow(SecretsManager, 2*time.Second)
		c.Slow(GetSecretValue, time.Second)
		if d, err := took(c.Client(), time.Minute); d != 3*time.Second || err != nil {
			t.Errorf("slow: %v, %v", d, err)
		}
		if d, err := took(c.Client(), time.Second); d != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("too slow: %v, %v", d, err)
		}
		c.Heal(Everything)
		c.Hang(GetSecretValue)
		if d, err := took(c.Client(), 20*time.Second); d != 20*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hanging: %v, %v", d, err)
		}
		impatient := c.Client()
		impatient.Timeout = 5 * time.Second
		if d, err := took(impatient, time.Minute); d != 5*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hanging, with a limit of the client: %v, %v", d, err)
		}
		time.AfterFunc(time.Hour, func() { c.Heal(GetSecretValue) })
		if d, err := took(c.Client(), 2*time.Hour); d != time.Hour || err != nil {
			t.Errorf("healed: %v, %v", d, err)
		}
		wantEqual(t, "calls", c.Calls(GetSecretValue), 5)
	})
}

func TestClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(chan *http.Request, 1)
		client := &http.Client{Transport: transport{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/panic":
				panic("oh")
			case "/abort":
				panic(http.ErrAbortHandler)
			}
			seen <- r
			w.Header().Set("X-Early", "1")
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK) // too late
			w.Header().Set("X-Late", "1")
			_, _ = w.Write(append([]byte("got "), body...))
		})}}
		response, err := client.Post("https://example.com?x=1", "text/plain", strings.NewReader("it"))
		if err != nil {
			t.Fatal(err)
		}
		r := <-seen
		wantEqual(t, "request", []string{r.Method, r.Host, r.URL.String(), r.RequestURI, r.TLS.ServerName}, []string{"POST", "example.com", "/?x=1", "/?x=1", "example.com"})
		body, _ := io.ReadAll(response.Body)
		wantEqual(t, "answer", []string{response.Status, string(body), response.Header.Get("X-Early"), response.Header.Get("X-Late")}, []string{"418 I'm a teapot", "got it", "1", ""})
		response.Body.Close()
		if _, err := response.Body.Read(body); err == nil {
			t.Error("a closed body can be read")
		}
		for path, want := range map[string]string{"/panic": "the handler panicked: oh", "/abort": "unexpected EOF"} {
			response, err := client.Get("http://example.com" + path)
			if err == nil {
				response.Body.Close()
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", path, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := send(t, client, newRequest(ctx, t, http.MethodGet, "http://example.com", "", "")); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	})
}

// TestServer: the cloud behind a socket, from which a client goes away while it hangs.
func TestServer(t *testing.T) {
	c := New(Options{})
	c.PutSecret("db", "value")
	identity := c.AddIdentity("app", Policy{})
	server := httptest.NewTLSServer(c)
	defer server.Close()
	ask := func(ctx context.Context) (answer, error) {
		request := newRequest(ctx, t, http.MethodPost, server.URL, "application/x-amz-json-1.1", `{"SecretId":"db"}`)
		request.Header.Set("X-Amz-Target", "secretsmanager.GetSecretValue")
		return send(t, server.Client(), sign(request, identity, "secretsmanager", "us-east-1", `{"SecretId":"db"}`))
	}
	a, err := ask(t.Context())
	if err != nil || a.status != http.StatusOK {
		t.Errorf("%+v, %v", a, err)
	}
	c.Hang(SecretsManager)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := ask(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging: %v", err)
	}
}
