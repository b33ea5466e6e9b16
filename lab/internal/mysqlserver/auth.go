package mysqlserver

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"sync"
)

// Auth is how a server checks a login.
type Auth int

// The ways to log in.
const (
	CachingSHA2    Auth = iota // caching_sha2_password against Account.Password
	NativePassword             // mysql_native_password against Account.Password
	ClearPassword              // the password as it is, under TLS only
	Token                      // the same, as AWSAuthenticationPlugin asks for login tokens: without TLS the login is just denied
)

const (
	cachingSHA2Plugin = "caching_sha2_password"
	nativePlugin      = "mysql_native_password"
	clearPlugin       = "mysql_clear_password"
)

func (a Auth) plugin() string {
	switch a {
	case NativePassword:
		return nativePlugin
	case ClearPassword, Token:
		return clearPlugin
	}
	return cachingSHA2Plugin
}

// greetingPlugin is what a server proposes before it knows the user: never to send the password as it is.
func (c *Config) greetingPlugin() string {
	if c.ProposeNative {
		return nativePlugin
	}
	return cachingSHA2Plugin
}

// Second bytes of packets of caching_sha2_password.
const (
	requestKey  = 2 // the client asks for the public key
	fastSuccess = 3
	fullLogin   = 4 // the server wants the password
)

// credentials are what a server keeps about logins.
type credentials struct {
	key func() *rsa.PrivateKey // for passwords sent without TLS

	mu    sync.Mutex
	cache map[string]string // password by user, once it was sent in full
}

// keyBits is the size of the key a server makes for itself, as the real server's.
const keyBits = 2048

func (c *credentials) init(key *rsa.PrivateKey) {
	c.cache = map[string]string{}
	c.key = sync.OnceValue(func() *rsa.PrivateKey {
		if key == nil {
			key, _ = rsa.GenerateKey(rand.Reader, keyBits) // the size is valid
		}
		return key
	})
}

// seen reports whether a user has sent this password in full before: not if it was changed since then.
func (c *credentials) seen(user, password string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cached, ok := c.cache[user]
	return ok && cached == password
}

func (c *credentials) remember(user, password string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cache[user] = password
}

// authenticate checks who the client is. auth is what its answer to the greeting had, made for plugin.
func (s *session) authenticate(plugin string, auth, salt []byte) error {
	if s.server.config.Account == nil {
		return nil
	}
	account := s.server.config.Account(s.user)
	wanted := account.Auth.plugin()
	if account.Auth == ClearPassword && !s.encrypted() {
		return insecure()
	}
	if account.Auth == Token && !s.encrypted() {
		return s.denied(true)
	}
	if plugin != wanted {
		var err error
		if auth, err = s.ask(append(append([]byte{0xfe}, wanted+"\x00"...), append(salt, 0)...)); err != nil {
			return err
		}
	}
	if bytes.Equal(auth, []byte{0}) { // an empty password of some clients
		auth = nil
	}
	ok := false
	switch account.Auth {
	case NativePassword:
		ok = !account.Unknown && nativeMatches(auth, account.Password, salt)
	case ClearPassword, Token:
		ok = account.accepts(string(bytes.TrimSuffix(auth, []byte{0})))
	default:
		var err error
		if ok, err = s.cachingSHA2(account, auth, salt); err != nil {
			return err
		}
	}
	if !ok {
		return s.denied(len(auth) > 0)
	}
	return nil
}

// denied refuses a login for its password.
func (s *session) denied(withPassword bool) *Error {
	return errorf(1045, "28000", "Access denied for user '%s'@'%s' (using password: %s)", s.user, s.clientHost(), yesNoText(withPassword))
}

// insecure refuses a login without TLS.
func insecure() *Error {
	return errorf(3159, "HY000", "Connections using insecure transport are prohibited while --require_secure_transport=ON.")
}

// ask sends a packet and awaits the answer.
func (s *session) ask(packet []byte) ([]byte, error) {
	if err := s.packets.write(packet); err != nil {
		return nil, err
	}
	if err := s.packets.flush(); err != nil {
		return nil, err
	}
	answer, err := s.packets.read()
	if err != nil {
		return nil, errConnection
	}
	return answer, nil
}

// accepts checks a password that was sent as it is.
func (a Account) accepts(password string) bool {
	if a.Verify != nil {
		return a.Verify(password)
	}
	return !a.Unknown && subtle.ConstantTimeCompare([]byte(a.Password), []byte(password)) == 1
}

// nativeMatches checks SHA1(password) XOR SHA1(salt + SHA1(SHA1(password))).
func nativeMatches(auth []byte, password string, salt []byte) bool {
	if password == "" || len(auth) == 0 {
		return password == "" && len(auth) == 0
	}
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	mask := sha1.Sum(append(bytes.Clone(salt), twice[:]...))
	subtle.XORBytes(mask[:], mask[:], once[:])
	return subtle.ConstantTimeCompare(mask[:], auth) == 1
}

// cachingSHA2 checks a proof of the password if the password has been seen in full before, or else asks for it.
func (s *session) cachingSHA2(account Account, auth, salt []byte) (bool, error) {
	if len(auth) == 0 {
		return account.accepts(""), nil
	}
	credentials := &s.server.credentials
	if credentials.seen(s.user, account.Password) && sha2Matches(auth, account.Password, salt) {
		return true, s.packets.write([]byte{1, fastSuccess})
	}
	password, err := s.fullPassword(salt)
	if err != nil || !account.accepts(password) {
		return false, err
	}
	credentials.remember(s.user, password)
	return true, nil
}

// sha2Matches checks SHA256(password) XOR SHA256(SHA256(SHA256(password)) + salt).
func sha2Matches(auth []byte, password string, salt []byte) bool {
	once := sha256.Sum256([]byte(password))
	twice := sha256.Sum256(once[:])
	mask := sha256.Sum256(append(twice[:], salt...))
	subtle.XORBytes(mask[:], mask[:], once[:])
	return subtle.ConstantTimeCompare(mask[:], auth) == 1
}

// fullPassword asks for the password itself: as it is under TLS, encrypted with the server's public key otherwise.
func (s *session) fullPassword(salt []byte) (string, error) {
	answer, err := s.ask([]byte{1, fullLogin})
	if err != nil {
		return "", err
	}
	if s.encrypted() {
		return string(bytes.TrimSuffix(answer, []byte{0})), nil
	}
	key := s.server.credentials.key()
	if bytes.Equal(answer, []byte{requestKey}) {
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return "", errorf(1105, "HY000", "cannot encode the public key: %v", err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		if answer, err = s.ask(append([]byte{1}, text...)); err != nil {
			return "", err
		}
	}
	masked, err := rsa.DecryptOAEP(sha1.New(), nil, key, answer, nil)
	if err != nil {
		return "", nil // no password, which is wrong
	}
	for i := range masked {
		masked[i] ^= salt[i%len(salt)]
	}
	return string(bytes.TrimSuffix(masked, []byte{0})), nil
}
