package cloud

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

const (
	signInURL    = "https://signin.aws.amazon.com/saml"
	samlAudience = "urn:amazon:webservices"
	samlLifetime = 5 * time.Minute // in which AWS wants to see an assertion
	roleName     = "https://aws.amazon.com/SAML/Attributes/Role"
	sessionName  = "https://aws.amazon.com/SAML/Attributes/RoleSessionName"
)

// samlResponse is what an identity provider has a browser post to AWS.
type samlResponse struct {
	XMLName      xml.Name   `xml:"urn:oasis:names:tc:SAML:2.0:protocol Response"`
	ID           string     `xml:"ID,attr"`
	Version      string     `xml:"Version,attr"`
	IssueInstant time.Time  `xml:"IssueInstant,attr"`
	Destination  string     `xml:"Destination,attr"`
	Status       samlStatus `xml:"Status>StatusCode"`
	Assertion    assertion  `xml:"urn:oasis:names:tc:SAML:2.0:assertion Assertion"`
}

// assertion is what AWS reads in it.
type assertion struct {
	Issuer     string          `xml:"Issuer"`
	Signature  string          `xml:"Signature>SignatureValue"`
	NameID     string          `xml:"Subject>NameID"`
	Conditions samlConditions  `xml:"Conditions"`
	Attributes []samlAttribute `xml:"AttributeStatement>Attribute"`
}

type samlStatus struct {
	Value string `xml:"Value,attr"`
}

type samlConditions struct {
	NotBefore    time.Time `xml:"NotBefore,attr"`
	NotOnOrAfter time.Time `xml:"NotOnOrAfter,attr"`
	Audience     string    `xml:"AudienceRestriction>Audience"`
}

type samlAttribute struct {
	Name   string   `xml:"Name,attr"`
	Values []string `xml:"AttributeValue"`
}

// ProviderARN is what AWS knows an identity provider as, [ADFS] or [Okta].
func (c *Cloud) ProviderARN(idp Operation) string {
	return c.arn("iam", "", "saml-provider/"+string(idp.service()))
}

// assert is what an identity provider says of a user, as it is sent to AWS.
func (c *Cloud) assert(idp Operation, name string) string {
	now := time.Now().UTC()
	response := samlResponse{
		ID: "_" + rand.Text(), Version: "2.0", IssueInstant: now, Destination: signInURL,
		Status: samlStatus{"urn:oasis:names:tc:SAML:2.0:status:Success"},
		Assertion: assertion{
			Issuer: c.ProviderARN(idp), NameID: name,
			Conditions: samlConditions{NotBefore: now.Add(-time.Second), NotOnOrAfter: now.Add(samlLifetime), Audience: samlAudience},
			Attributes: []samlAttribute{{Name: sessionName, Values: []string{name}}, {Name: roleName}},
		},
	}
	for _, role := range c.rolesOf(name) {
		roles := &response.Assertion.Attributes[1]
		roles.Values = append(roles.Values, role+","+c.ProviderARN(idp))
	}
	response.Assertion.Signature = c.signature(response)
	return base64.StdEncoding.EncodeToString(response.document())
}

func (r samlResponse) document() []byte {
	r.XMLName = xml.Name{} // that of the type
	document, err := xml.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("cloud: assertion: %v", err)) // all fields can be written
	}
	return document
}

// signature takes the place of XML signatures, which only the cloud itself verifies.
func (c *Cloud) signature(r samlResponse) string {
	r.Assertion.Signature = ""
	return base64.StdEncoding.EncodeToString(mac(c.key, string(r.document())))
}

// parseAssertion reads what assert has written, or tells in AWS's words what is wrong with it.
func (c *Cloud) parseAssertion(encoded string) (a assertion, failure string) {
	document, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return a, "Invalid base64 SAMLResponse"
	}
	var response samlResponse
	if xml.Unmarshal(document, &response) != nil {
		return a, "Invalid SAML response: it is no XML of the expected form"
	}
	a = response.Assertion
	if !hmac.Equal([]byte(c.signature(response)), []byte(a.Signature)) {
		return a, "Response signature invalid"
	}
	return a, ""
}

// grants tells whether the assertion lists a role.
func (a assertion) grants(role, provider string) bool {
	for _, attribute := range a.Attributes {
		for _, value := range attribute.Values {
			if attribute.Name == roleName && strings.TrimSpace(value) == role+","+provider {
				return true
			}
		}
	}
	return false
}
