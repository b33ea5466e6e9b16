package upstream

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startTimeout bounds how long a new MariaDB server may take to answer, far
	// above what it needs.
	startTimeout = time.Minute
	// mariadbUser is who the server runs as when we are root, which it refuses.
	mariadbUser = "mysql"
)

// mariadb is one MariaDB server with a data directory of its own.
type mariadb struct {
	dir    string
	setup  string // SQL that it executes first
	port   int
	server *exec.Cmd
	log    bytes.Buffer  // of the server; complete once it has ended
	ended  chan struct{} // closed when the server has; nil until it was started
}

// startMariaDB starts a server with databases of these names.
func startMariaDB(ctx context.Context, databases []string) (*mariadb, error) {
	dir, err := os.MkdirTemp("", "awsdb-mariadb-")
	if err != nil {
		return nil, err
	}
	m := &mariadb{dir: dir, setup: mariadbSetup(databases)}
	if err := m.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start MariaDB: %w", err), m.Close())
	}
	return m, nil
}

// mariadbSetup makes the tests' user and databases. Each statement is one line, as --init-file wants it.
func mariadbSetup(databases []string) string {
	var sql strings.Builder
	fmt.Fprintf(&sql, "create user %[1]s@'%%' identified by '%[2]s';\ngrant all on *.* to %[1]s@'%%' with grant option;\n", testUser, testPassword)
	for _, database := range databases {
		fmt.Fprintf(&sql, "create database %s;\n", database)
	}
	return sql.String()
}

func (m *mariadb) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port)) }

func (m *mariadb) file(name string) string { return filepath.Join(m.dir, name) }

func (m *mariadb) start(ctx context.Context) error {
	program, err := exec.LookPath("mariadbd")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/mariadbd") // where Debian has it, and few users look
	}
	if err != nil {
		return fmt.Errorf("%w: apt-get install mariadb-server", err)
	}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	// It does not end with ctx: Close stops it in an orderly way.
	m.server = command(context.Background(), m.dir, m.dir, program, m.options("--no-defaults",
		"--datadir="+m.file("data"), "--tmpdir="+m.file("tmp"), "--socket="+m.file("socket"), "--pid-file="+m.file("pid"), "--init-file="+m.file("setup.sql"),
		"--bind-address=127.0.0.1", "--port="+strconv.Itoa(m.port), "--skip-name-resolve",
		"--ssl-cert="+m.file("cert.pem"), "--ssl-key="+m.file("key.pem"),
		"--innodb-buffer-pool-size=32M", "--innodb-log-file-size=64M", "--innodb-flush-log-at-trx-commit=0",
		"--local-infile=ON", "--performance-schema=ON", "--max-allowed-packet=64M")...)
	m.server.Stdout, m.server.Stderr = &m.log, &m.log
	if err := m.server.Start(); err != nil {
		return err
	}
	m.ended = make(chan struct{})
	go func() { // Close awaits it
		defer close(m.ended)
		_ = m.server.Wait() // ProcessState says it
	}()
	return m.await(ctx)
}

// await returns once the server has executed the setup and listens.
func (m *mariadb) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", m.addr())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-retry.C:
		case <-m.ended:
			return fmt.Errorf("it ended: %s\n%s", m.server.ProcessState, m.log.String())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close stops the server and removes its directory.
func (m *mariadb) Close() error {
	var err error
	if m.ended != nil {
		err = m.server.Process.Signal(syscall.SIGTERM)
		if errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		<-m.ended
	}
	return errors.Join(err, os.RemoveAll(m.dir))
}

// prepare makes the data directory, the certificate and the file that the
// server executes first, and finds a free port.
func (m *mariadb) prepare(ctx context.Context) error {
	if err := m.writeCertificate(); err != nil {
		return err
	}
	if err := os.WriteFile(m.file("setup.sql"), []byte(m.setup), 0o644); err != nil {
		return err
	}
	// One of its own: a server that starts empties it, whoever else uses it.
	if err := os.Mkdir(m.file("tmp"), 0o755); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := m.give(ctx); err != nil {
			return err
		}
	}
	install := command(ctx, m.dir, m.dir, "mariadb-install-db", m.options("--no-defaults",
		"--datadir="+m.file("data"), "--tmpdir="+m.file("tmp"), "--auth-root-authentication-method=normal", "--skip-test-db")...)
	if output, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, output)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	m.port = listener.Addr().(*net.TCPAddr).Port
	return listener.Close()
}

// options adds who the server runs as.
func (m *mariadb) options(options ...string) []string {
	if os.Geteuid() == 0 {
		options = append(options, "--user="+mariadbUser)
	}
	return options
}

// give makes the server's user the owner of the directory.
func (m *mariadb) give(ctx context.Context) error {
	output, err := command(ctx, m.dir, m.dir, "chown", "-R", mariadbUser+":", m.dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("chown: %w\n%s", err, output)
	}
	return nil
}

// writeCertificate makes the server speak TLS. The tests do not verify it.
func (m *mariadb) writeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(m.file("cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600),
		os.WriteFile(m.file("key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
