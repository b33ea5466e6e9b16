// Package signin has what the sign-ins at identity providers share: the requests of one
// sign-in, and what the pages that come back hold.
package signin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/federated/internal/cause"
)

// Client talks to one identity provider.
type Client struct {
	endpoint url.URL
	limit    time.Duration
	http     http.Client // for each sign-in a copy
}

// NewClient returns the client for the identity provider that the options name. The error
// tells what is wrong with Endpoint, Port, HTTPClient and InsecureTLS.
func NewClient(o federated.Options) (*Client, error) {
	endpoint, err := parseEndpoint(o.Endpoint, o.Port)
	if err != nil {
		return nil, err
	}
	if o.InsecureTLS && o.HTTPClient != nil {
		return nil, errors.New("ssl_secure=false has no effect on an HTTP client of one's own: let that client's transport decide")
	}
	c := &Client{endpoint: endpoint, limit: cmp.Or(o.Timeout, federated.DefaultTimeout)}
	if o.HTTPClient != nil {
		c.http = *o.HTTPClient
	} else {
		c.http.Transport = newTransport(o.InsecureTLS)
	}
	c.http.CheckRedirect = checkRedirect
	return c, nil
}

// newTransport is like net/http's own, but keeps no connection: there is a sign-in once an
// hour, and what idles in between would outlive the database handle.
func newTransport(insecure bool) *http.Transport {
	t, ok := http.DefaultTransport.(*http.Transport)
	if ok {
		t = t.Clone()
	} else { // the application has replaced it
		t = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	}
	t.DisableKeepAlives = true
	if insecure {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // ssl_secure=false says so
	}
	return t
}

// URL returns the address of a page of the identity provider.
func (c *Client) URL(path string, query url.Values) *url.URL {
	u := c.endpoint
	u.Path, u.RawQuery = path, query.Encode()
	return &u
}

// Host is the identity provider's.
func (c *Client) Host() string { return c.endpoint.Host }

// Begin returns a new sign-in.
func (c *Client) Begin() *Session {
	s := &Session{http: c.http, limit: c.limit}
	s.http.Jar, _ = cookiejar.New(nil) // never fails
	return s
}

// Session is one sign-in: its requests share cookies, and nothing of it is kept.
type Session struct {
	http  http.Client
	limit time.Duration
}

// Page is an answer.
type Page struct {
	// URL is where it came from, after redirects.
	URL *url.URL
	// Status and Header are those of HTTP.
	Status int
	Header http.Header
	// Body must be in no error and no log.
	Body []byte
}

// Get fetches a page. step says in errors what is being done.
func (s *Session) Get(ctx context.Context, step string, u *url.URL) (*Page, error) {
	return s.do(ctx, step, &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{"Accept": {"text/html"}}})
}

// PostForm sends the fields of a form.
func (s *Session) PostForm(ctx context.Context, step string, u *url.URL, fields url.Values) (*Page, error) {
	h := http.Header{"Accept": {"text/html"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	return s.post(ctx, step, u, h, fields.Encode())
}

// PostJSON sends a JSON text.
func (s *Session) PostJSON(ctx context.Context, step string, u *url.URL, text []byte) (*Page, error) {
	return s.post(ctx, step, u, http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}, string(text))
}

func (s *Session) post(ctx context.Context, step string, u *url.URL, h http.Header, body string) (*Page, error) {
	r := &http.Request{Method: http.MethodPost, URL: u, Header: h, ContentLength: int64(len(body))}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	return s.do(ctx, step, r)
}

// largestPage bounds what is read of an answer: pages of AD FS with pictures in them have
// some 100 kB, assertions up to 100 kB.
const largestPage = 4 << 20

func (s *Session) do(ctx context.Context, step string, r *http.Request) (*Page, error) {
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	r.Header.Set("User-Agent", "awsdb") // browsers may be sent to Windows Integrated Authentication
	answer, err := s.http.Do(r.WithContext(limited))
	if err != nil {
		return nil, s.failure(ctx, limited, step, r.URL.Host, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	page := &Page{URL: answer.Request.URL, Status: answer.StatusCode, Header: answer.Header}
	page.Body, err = io.ReadAll(io.LimitReader(answer.Body, largestPage+1))
	if err != nil {
		return nil, s.failure(ctx, limited, step, page.URL.Host, err)
	}
	if len(page.Body) > largestPage {
		return nil, page.Unexpected(step, "the page has more than 4 MiB")
	}
	return page, nil
}

// failure makes an error of one that net/http returned.
func (s *Session) failure(caller, limited context.Context, step, host string, err error) error {
	var redirect *redirectError
	e := &federated.Error{Kind: federated.ErrUnavailable, Step: step, Host: host}
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		return fmt.Errorf("sign-in at %s, %s: %w", host, step, context.Cause(caller))
	case limited.Err() != nil, cause.Timeout(err):
		e.Kind, e.Err = federated.ErrTimeout, context.DeadlineExceeded
		if caller.Err() == nil {
			e.Advice = "http_request_connect_timeout is " + s.limit.String()
		}
	case errors.As(err, &redirect):
		e.Kind, e.Advice = federated.ErrAnswer, redirect.problem
	default:
		e.Err = cause.Of(err)
	}
	return e
}

// Unexpected returns an error about a page that the sign-in cannot go on with.
func (p *Page) Unexpected(step, advice string) error {
	return &federated.Error{Kind: federated.ErrAnswer, Step: step, Host: p.URL.Host, Advice: advice}
}

// CheckStatus returns an error unless the status is one of success.
func (p *Page) CheckStatus(step string) error {
	switch {
	case p.Status/100 == 2:
		return nil
	case p.Status/100 == 5, p.Status == http.StatusTooManyRequests:
		return &federated.Error{Kind: federated.ErrUnavailable, Step: step, Host: p.URL.Host, Status: p.Status}
	}
	return &federated.Error{Kind: federated.ErrAnswer, Step: step, Host: p.URL.Host, Status: p.Status}
}

// redirectError is why a redirect was not followed.
type redirectError struct{ problem string }

// Error implements error.
func (e *redirectError) Error() string { return e.problem }

// checkRedirect lets a sign-in be sent on, by https alone. What was posted, which is the
// password, goes to no other host that way (status 307 and 308 ask for that), and no host
// is told the address of the page before, which may be a one-time token.
func checkRedirect(r *http.Request, via []*http.Request) error {
	r.Header.Del("Referer")
	switch {
	case len(via) >= 10:
		return &redirectError{"more than ten redirects"}
	case r.URL.Scheme != "https":
		return &redirectError{"it redirects to a page without https"}
	case r.Method == http.MethodPost && r.URL.Host != via[len(via)-1].URL.Host:
		return &redirectError{"it redirects what was posted to another host"}
	}
	return nil
}
