package cloud

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
)

// Client is a client whose every request, whatever its URL, is answered by the cloud in this process: no socket, no
// DNS, no certificate. It fits into aws.Config.HTTPClient. In a testing/synctest bubble its timeouts pass in virtual
// time. A request that hangs ends with its context or the client's Timeout; nothing is left running then. It keeps no cookies,
// unless it is given a Jar.
func (c *Cloud) Client() *http.Client { return &http.Client{Transport: transport{c}} }

// transport calls a handler.
type transport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		defer request.Body.Close()
	}
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	recorded := &recorder{header: http.Header{}}
	var failure error
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		defer func() { failure = abortion(recover()) }()
		t.handler.ServeHTTP(recorded, asReceived(request))
	}()
	select {
	case <-answered:
	case <-request.Context().Done():
		<-answered // the handler sees the same context, and leaves no goroutine behind
		return nil, request.Context().Err()
	}
	if failure != nil {
		return nil, failure
	}
	return recorded.response(request), nil
}

// abortion is what the client sees of a handler that ended with a panic.
func abortion(panicked any) error {
	switch panicked {
	case nil:
		return nil
	case http.ErrAbortHandler:
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("cloud: the handler panicked: %v", panicked)
}

// asReceived is a request as a server sees it.
func asReceived(request *http.Request) *http.Request {
	received := request.Clone(request.Context())
	received.Method, received.Host = cmp.Or(request.Method, http.MethodGet), cmp.Or(request.Host, request.URL.Host)
	received.RequestURI, received.RemoteAddr = request.URL.RequestURI(), "10.20.255.1:32768"
	received.URL.Scheme, received.URL.Host, received.URL.Path = "", "", cmp.Or(request.URL.Path, "/")
	if request.URL.Scheme == "https" {
		received.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: request.URL.Hostname()}
	}
	if received.Body == nil {
		received.Body = http.NoBody
	}
	return received
}

// recorder keeps an answer in memory.
type recorder struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status, r.sent = status, maps.Clone(r.header)
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

func (r *recorder) response(request *http.Request) *http.Response {
	r.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", r.status, http.StatusText(r.status)), StatusCode: r.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: r.sent,
		Body: &body{remaining: bytes.NewReader(r.body.Bytes())}, ContentLength: int64(r.body.Len()), Request: request,
	}
}

// body can be read until it is closed.
type body struct{ remaining *bytes.Reader }

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.remaining == nil {
		return 0, errors.New("http: read on closed response body")
	}
	return b.remaining.Read(p)
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.remaining = nil
	return nil
}
