// Package servertest has what the tests of clusters of real servers have in common. Only tests import it.
package servertest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// victimVariable, when set, turns the test binary into a program that starts a cluster and waits for its end.
const victimVariable = "AWSDB_REALSERVER_VICTIM"

// Main is a TestMain. start starts a small cluster, and returns the servers' process ids; see KilledProcess.
func Main(m *testing.M, start func() ([]int, error)) {
	// The template cache is the only thing that outlives a cluster, and it is to be built by this run's code at least once.
	cache, err := os.MkdirTemp("", "awsdb-test-cache-")
	if err != nil {
		panic(err)
	}
	if err := os.Setenv("XDG_CACHE_HOME", cache); err != nil {
		panic(err)
	}
	if os.Getenv(victimVariable) != "" {
		victim(start)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(cache); err != nil && code == 0 {
			code = 1
		}
		os.Exit(code)
	}))
}

func victim(start func() ([]int, error)) {
	ids, err := start()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, id := range ids {
		fmt.Println(id)
	}
	select {}
}

// KilledProcess kills a process that runs the cluster of Main, which has the given number of servers, and fails the test
// unless all of them end. Only Linux ends them then.
func KilledProcess(t *testing.T, servers int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("this system cannot tie a process to its parent")
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), victimVariable+"=1")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Wait() }()
	defer func() { _ = command.Process.Kill() }()
	var members []realserver.Member
	lines := bufio.NewScanner(output)
	for range servers {
		var pid int
		if !lines.Scan() {
			t.Fatal("the program printed nothing")
		}
		if _, err := fmt.Sscan(lines.Text(), &pid); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		found, err := realserver.Tree(pid)
		if err != nil || len(found) == 0 {
			t.Fatalf("server %d: %v, %v", pid, found, err)
		}
		members = append(members, found...)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = realserver.Poll(ctx, func() (bool, error) {
		alive, err := realserver.AnyAlive(members)
		return !alive, err
	})
	if err != nil {
		t.Errorf("servers are left: %v", err)
	}
}

// TemporaryDirectory makes clusters use a directory of the test's own, which other users can pass.
func TemporaryDirectory(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	for _, path := range []string{directory, filepath.Dir(directory)} {
		if err := os.Chmod(path, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", directory)
	return directory
}

// Timed runs step and logs how long it took.
func Timed(t *testing.T, name string, step func() error) {
	t.Helper()
	begin := time.Now()
	if err := step(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Logf("%s: %d ms", name, time.Since(begin).Milliseconds())
}

// SelfSigned makes a certificate for host and its key, and a pool that trusts it.
func SelfSigned(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
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
	if certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
