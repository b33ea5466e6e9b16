package realpg

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab/internal/realserver/servertest"
)

// selfSigned writes a certificate for host and its key, and returns the files and a pool that trusts it.
func selfSigned(t *testing.T, host string) (KeyPair, *x509.CertPool) {
	t.Helper()
	certificate, pool := servertest.SelfSigned(t, host)
	secret, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	pair := KeyPair{CertFile: filepath.Join(directory, "crt.pem"), KeyFile: filepath.Join(directory, "key.pem")}
	for path, block := range map[string]*pem.Block{
		pair.CertFile: {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}, pair.KeyFile: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
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
