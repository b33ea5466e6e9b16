package cloud

import (
	"encoding/json"
	"encoding/xml"
	"html"
	"io"
	"net/http"
)

// kind is a problem that every service has, and calls by another code.
type kind int

const (
	other kind = iota
	unsigned
	incomplete
	unknownKey
	mismatched
	expired
	denied
	throttled
)

// problem is why a request fails.
type problem struct {
	kind    kind
	status  int    // of kind other
	code    string // of kind other
	message string
}

// answer sends the problem as the service does.
func (p *problem) answer(w http.ResponseWriter, o Operation) {
	switch o.service() {
	case SecretsManager:
		p.answerJSON(w)
	case STS, RDS:
		p.answerXML(w, o)
	case Okta:
		p.answerOkta(w)
	default:
		if p.kind == throttled {
			p = &problem{status: http.StatusServiceUnavailable}
		}
		answerPage(w, p.status, "<h1>"+html.EscapeString(http.StatusText(p.status))+"</h1>")
	}
}

// jsonCodes are the codes of services that speak JSON; all are sent with status 400.
var jsonCodes = map[kind]string{
	unsigned: "MissingAuthenticationTokenException", incomplete: "IncompleteSignatureException", unknownKey: "UnrecognizedClientException",
	mismatched: "InvalidSignatureException", expired: "ExpiredTokenException", denied: "AccessDeniedException", throttled: "ThrottlingException",
}

func (p *problem) answerJSON(w http.ResponseWriter) {
	status, code := http.StatusBadRequest, jsonCodes[p.kind]
	if p.kind == other {
		status, code = p.status, p.code
	}
	answerJSON(w, "application/x-amz-json-1.1", status, map[string]string{"__type": code, "message": p.message})
}

func answerJSON(w http.ResponseWriter, contentType string, status int, value any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // whether the client still listens is its own affair
}

// xmlCodes are the codes of services that speak XML; all but throttling are sent with status 403.
var xmlCodes = map[kind]string{
	unsigned: "MissingAuthenticationToken", incomplete: "IncompleteSignature", unknownKey: "InvalidClientTokenId",
	mismatched: "SignatureDoesNotMatch", expired: "ExpiredToken", denied: "AccessDenied", throttled: "Throttling",
}

func (p *problem) answerXML(w http.ResponseWriter, o Operation) {
	status, code := http.StatusForbidden, xmlCodes[p.kind]
	switch p.kind {
	case other:
		status, code = p.status, p.code
	case throttled:
		status = http.StatusBadRequest
	}
	answer := struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Namespace string   `xml:"xmlns,attr"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}{Namespace: namespaces[o.service()], Type: "Sender", Code: code, Message: p.message, RequestID: w.Header().Get("X-Amzn-RequestId")}
	if status >= http.StatusInternalServerError {
		answer.Type = "Receiver"
	}
	answerXML(w, status, answer)
}

var namespaces = map[Operation]string{
	STS: "https://sts.amazonaws.com/doc/" + stsVersion + "/",
	RDS: "http://rds.amazonaws.com/doc/" + rdsVersion + "/",
}

func answerXML(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(value)
}

// answerResult sends what an operation of a service that speaks XML returns: its elements within <action>Result.
func answerResult(w http.ResponseWriter, o Operation, result any) {
	type wrapper struct {
		XMLName   xml.Name
		Namespace string `xml:"xmlns,attr"`
		Result    any
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}
	answerXML(w, http.StatusOK, wrapper{
		XMLName: xml.Name{Local: o.action() + "Response"}, Namespace: namespaces[o.service()],
		Result: result, RequestID: w.Header().Get("X-Amzn-RequestId"),
	})
}

func answerPage(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache,no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<!DOCTYPE html>\r\n<html lang=\"en-US\">\r\n<head><title>Sign In</title></head>\r\n<body>\r\n"+body+"\r\n</body>\r\n</html>\r\n")
}
