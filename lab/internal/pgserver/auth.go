package pgserver

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// authenticate checks who the client is.
func (s *session) authenticate() error {
	if s.server.config.Account == nil {
		return nil
	}
	account := s.server.config.Account(s.user)
	refused := sqlengine.Errorf("28P01", "password authentication failed for user \"%s\"", s.user)
	switch account.Auth {
	case SCRAM:
		return s.scram(account, refused)
	case PAM:
		if !s.encrypted() {
			return s.insecure()
		}
		refused = sqlengine.Errorf("28000", "PAM authentication failed for user \"%s\"", s.user)
	}
	password, err := s.askPassword()
	if err != nil {
		return err
	}
	if !account.accepts(password) {
		return refused
	}
	return nil
}

// insecure refuses a login without TLS.
func (s *session) insecure() error {
	return sqlengine.Errorf("28000", "no pg_hba.conf entry for user \"%s\", database \"%s\", no encryption", s.user, s.database)
}

// ask sends an authentication request and awaits the answer.
func (s *session) ask(request pgproto3.BackendMessage, authType uint32) (pgproto3.FrontendMessage, error) {
	s.backend.Send(request)
	if err := s.backend.SetAuthType(authType); err != nil {
		return nil, err
	}
	if err := s.backend.Flush(); err != nil {
		return nil, errConnection
	}
	message, err := s.backend.Receive()
	if err != nil {
		return nil, errConnection
	}
	return message, nil
}

func (s *session) askPassword() (string, error) {
	message, err := s.ask(&pgproto3.AuthenticationCleartextPassword{}, pgproto3.AuthTypeCleartextPassword)
	if err != nil {
		return "", err
	}
	answer, ok := message.(*pgproto3.PasswordMessage)
	if !ok {
		return "", sqlengine.Errorf("08P01", "expected password response, got %T", message)
	}
	return answer.Password, nil
}

// accepts checks a password that was sent as it is.
func (a Account) accepts(password string) bool {
	if a.Verify != nil {
		return a.Verify(password)
	}
	return !a.Unknown && subtle.ConstantTimeCompare([]byte(a.Password), []byte(password)) == 1
}

// scramIterations is what the real server uses by default.
const scramIterations = 4096

const scramMechanism = "SCRAM-SHA-256"

// secrets are the keys derived from passwords, computed once per password.
type secrets struct {
	salt [16]byte

	mu     sync.Mutex
	salted map[string]saltedPassword // by user
}

type saltedPassword struct {
	password string
	key      []byte
}

// key derives the key of a password. The derivation is repeated by those who ask at the same moment rather than
// done under the lock.
func (s *secrets) key(user, password string) ([]byte, error) {
	s.mu.Lock()
	known, ok := s.salted[user]
	s.mu.Unlock()
	if ok && known.password == password {
		return known.key, nil
	}
	key, err := pbkdf2.Key(sha256.New, password, s.salt[:], scramIterations, sha256.Size)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.salted == nil {
		s.salted = map[string]saltedPassword{}
	}
	s.salted[user] = saltedPassword{password, key}
	return key, nil
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

// scram is the server's side of RFC 5802 and 7677, without channel binding.
func (s *session) scram(account Account, refused error) error {
	message, err := s.ask(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{scramMechanism}}, pgproto3.AuthTypeSASL)
	if err != nil {
		return err
	}
	first, ok := message.(*pgproto3.SASLInitialResponse)
	if !ok || first.AuthMechanism != scramMechanism {
		return sqlengine.Errorf("08P01", "client selected an invalid SASL authentication mechanism")
	}
	header, bare, clientNonce, ok := parseClientFirst(string(first.Data))
	if !ok {
		return sqlengine.Errorf("08P01", "malformed SCRAM message")
	}
	var fresh [18]byte
	_, _ = rand.Read(fresh[:]) // never fails
	nonce := clientNonce + base64.StdEncoding.EncodeToString(fresh[:])
	salt := base64.StdEncoding.EncodeToString(s.server.secrets.salt[:])
	serverFirst := fmt.Sprintf("r=%s,s=%s,i=%d", nonce, salt, scramIterations)
	message, err = s.ask(&pgproto3.AuthenticationSASLContinue{Data: []byte(serverFirst)}, pgproto3.AuthTypeSASLContinue)
	if err != nil {
		return err
	}
	response, ok := message.(*pgproto3.SASLResponse)
	if !ok {
		return sqlengine.Errorf("08P01", "malformed SCRAM message")
	}
	withoutProof, proof, ok := parseClientFinal(string(response.Data), header, nonce)
	if !ok || account.Unknown {
		return refused
	}
	salted, err := s.server.secrets.key(s.user, account.Password)
	if err != nil {
		return sqlengine.Errorf("XX000", "cannot derive the key: %v", err)
	}
	signature, ok := checkProof(salted, proof, bare+","+serverFirst+","+withoutProof)
	if !ok {
		return refused
	}
	final := "v=" + base64.StdEncoding.EncodeToString(signature)
	s.backend.Send(&pgproto3.AuthenticationSASLFinal{Data: []byte(final)})
	return nil
}

// parseClientFirst takes "n,,n=user,r=nonce" apart. The user name in it is ignored, as the real server does.
func parseClientFirst(message string) (header, bare, nonce string, ok bool) {
	flag, rest, ok1 := strings.Cut(message, ",")
	authzid, bare, ok2 := strings.Cut(rest, ",")
	if !ok1 || !ok2 || flag != "n" && flag != "y" || authzid != "" {
		return "", "", "", false
	}
	_, nonce, ok = strings.Cut(bare, ",r=")
	nonce, _, _ = strings.Cut(nonce, ",")
	return flag + ",,", bare, nonce, ok && nonce != ""
}

// parseClientFinal takes "c=header,r=nonce,p=proof" apart.
func parseClientFinal(message, header, nonce string) (withoutProof string, proof []byte, ok bool) {
	at := strings.LastIndex(message, ",p=")
	if at < 0 {
		return "", nil, false
	}
	withoutProof = message[:at]
	proof, err := base64.StdEncoding.DecodeString(message[at+len(",p="):])
	want := "c=" + base64.StdEncoding.EncodeToString([]byte(header)) + ",r=" + nonce
	return withoutProof, proof, err == nil && len(proof) == sha256.Size && withoutProof == want
}

// checkProof verifies the client's proof and gives the server's signature.
func checkProof(salted, proof []byte, message string) ([]byte, bool) {
	clientKey := mac(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	candidate := mac(storedKey[:], message)
	for i := range candidate {
		candidate[i] ^= proof[i]
	}
	if !hmac.Equal(candidate, clientKey) {
		return nil, false
	}
	return mac(mac(salted, "Server Key"), message), true
}
