package realpg

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// selfSigned writes a certificate for host and its key, and returns the files and a pool that trusts it.
func selfSigned(t *testing.T, host string) (KeyPair, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	pair := KeyPair{CertFile: filepath.Join(directory, "crt.pem"), KeyFile: filepath.Join(directory, "key.pem")}
	pool := x509.NewCertPool()
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(encoded)
	for path, content := range map[string][]byte{pair.CertFile: encoded, pair.KeyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pair, pool
}

func TestTLS(t *testing.T) {
	pair, pool := selfSigned(t, "a.test")
	c := startCluster(t, Options{Names: []string{"a", "b"}, TLS: map[string]KeyPair{"a": pair}})
	for name, encrypted := range map[string]bool{"a": true, "b": false} {
		config, err := pgx.ParseConfig("postgres://app:app@" + c.Addr(name) + "/app?sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		config.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "a.test"}
		connection, err := pgx.ConnectConfig(t.Context(), config)
		if encrypted != (err == nil) {
			t.Errorf("TLS to %s: %v", name, err)
		}
		if err == nil {
			hangUp(connection)
		}
	}
}
