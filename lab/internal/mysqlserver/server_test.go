package mysqlserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
)

// certificate is a server's, and what a client needs to trust it.
func certificate(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mydb-1"}, NotAfter: time.Now().Add(time.Hour),
		NotBefore: time.Now().Add(-time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots, ServerName: "mydb-1"}
}

func TestLogin(t *testing.T) {
	serverTLS, clientTLS := certificate(t)
	users := map[string]string{"app": "secret", "nobody": ""}
	tooMany := func(user string) error {
		if user == "full" {
			return &Error{Number: 1040, State: "08004", Message: "Too many connections"}
		}
		return errors.New("not today")
	}
	isToken := func(password string) bool { return password == "token" }
	cases := []struct {
		name       string
		config     Config
		trusting   bool
		secure     bool
		user       string
		password   string
		database   string
		parameters string
		want       uint16 // 0: welcome
	}{
		{name: "sha2 without TLS", user: "app", password: "secret"},
		{name: "sha2 with TLS", secure: true, user: "app", password: "secret"},
		{name: "sha2 wrong", user: "app", password: "wrong", want: 1045},
		{name: "sha2 wrong with TLS", secure: true, user: "app", password: "wrong", want: 1045},
		{name: "sha2 unknown user", user: "mallory", password: "secret", want: 1045},
		{name: "sha2 empty", user: "nobody"},
		{name: "sha2 empty wrong", user: "app", want: 1045},
		{name: "native", config: Config{Account: accounts(NativePassword, users)}, user: "app", password: "secret"},
		{name: "native wrong", config: Config{Account: accounts(NativePassword, users)}, user: "app", password: "wrong", want: 1045},
		{name: "native empty", config: Config{Account: accounts(NativePassword, users)}, user: "nobody"},
		{name: "native no password", config: Config{Account: accounts(NativePassword, users)}, user: "app", want: 1045},
		{name: "clear", config: Config{Account: accounts(ClearPassword, users)}, secure: true, user: "app", password: "secret", parameters: "allowCleartextPasswords=true"},
		{name: "clear wrong", config: Config{Account: accounts(ClearPassword, users)}, secure: true, user: "app", password: "wrong", parameters: "allowCleartextPasswords=true", want: 1045},
		{name: "clear without TLS", config: Config{Account: accounts(ClearPassword, users)}, user: "app", password: "secret", parameters: "allowCleartextPasswords=true", want: 3159},
		{name: "clear verified", config: Config{Account: verified(ClearPassword, isToken)}, secure: true, user: "iam",
			password: "token", parameters: "allowCleartextPasswords=true"},
		{name: "token", config: Config{Account: verified(Token, isToken)}, secure: true, user: "iam", password: "token", parameters: "allowCleartextPasswords=true"},
		{name: "token wrong", config: Config{Account: verified(Token, isToken)}, secure: true, user: "iam", password: "secret", parameters: "allowCleartextPasswords=true", want: 1045},
		{name: "token without TLS", config: Config{Account: verified(Token, isToken)}, user: "iam", password: "token", parameters: "allowCleartextPasswords=true", want: 1045},
		{name: "trust", trusting: true, user: "whoever", password: "x"},
		{name: "TLS required", config: Config{RequireTLS: true}, user: "app", password: "secret", want: 3159},
		{name: "TLS required and there", config: Config{RequireTLS: true}, secure: true, user: "app", password: "secret"},
		{name: "too many", config: Config{Login: tooMany}, trusting: true, user: "full", want: 1040},
		{name: "refused", config: Config{Login: tooMany}, trusting: true, user: "app", want: 1045},
		{name: "unknown database", user: "app", password: "secret", database: "warehouse", want: 1049},
		{name: "compressed", user: "app", password: "secret", parameters: "compress=true"},
		{name: "compressed with TLS", secure: true, user: "app", password: "secret", parameters: "compress=true"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.config.Key, c.config.TLS = serverKey(), serverTLS
			if c.config.Account == nil && !c.trusting {
				c.config.Account = accounts(CachingSHA2, users)
			}
			in := trusting(t, c.config)
			config := in.configFor(t, c.parameters)
			config.User, config.Passwd = c.user, c.password
			if c.secure {
				config.TLS = clientTLS
			}
			if c.database != "" {
				config.DBName = c.database
			}
			db := database(t, config)
			for range 2 { // the second time by the fast path where there is one
				err := db.PingContext(context.Background())
				if got := numberOf(err); got != c.want || c.want == 0 && err != nil {
					t.Fatalf("login: %v, want error %d", err, c.want)
				}
				db.SetMaxIdleConns(0)
				db.SetMaxIdleConns(1)
			}
			if c.want == 0 {
				if diff := cmp.Diff([]string{"1"}, connection(t, db).table("SELECT 1")); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestFastPath: after one full login the password is not asked for again, until it changes.
func TestFastPath(t *testing.T) {
	passwords, full := map[string]string{"app": "secret"}, 0
	in := start(t, Config{Account: accounts(CachingSHA2, passwords)})
	in.credentials.key = func() *rsa.PrivateKey {
		full++
		return serverKey()
	}
	login := func(password string, wantFull int, want uint16) {
		t.Helper()
		config := in.configFor(t, "")
		config.Passwd, full = password, 0
		if got := numberOf(database(t, config).Ping()); got != want || full != wantFull {
			t.Errorf("with %q: error %d after asking for the whole password %d times, want %d after %d", password, got, full, want, wantFull)
		}
	}
	login("secret", 1, 0)
	login("secret", 0, 0)
	login("wrong", 1, 1045)
	login("secret", 0, 0)
	passwords["app"] = "changed"
	login("secret", 1, 1045)
	login("changed", 1, 0)
	login("changed", 0, 0)
	if sha2Matches(make([]byte, 32), "changed", newSalt()) {
		t.Error("any proof will do")
	}
}

func TestNoTLSOffered(t *testing.T) {
	_, clientTLS := certificate(t)
	config := trusting(t, Config{}).configFor(t, "")
	config.TLS = clientTLS
	if err := database(t, config).Ping(); !errors.Is(err, mysql.ErrNoTLS) {
		t.Errorf("got %v, want the client's refusal", err)
	}
}

// everyProtocol runs a test with text, prepared, compressed and encrypted statements.
func everyProtocol(t *testing.T, test func(t *testing.T, c client)) {
	serverTLS, clientTLS := certificate(t)
	for name, parameters := range map[string]string{"prepared": "", "text": "interpolateParams=true", "compressed": "compress=true", "TLS": "interpolateParams=true"} {
		t.Run(name, func(t *testing.T) {
			in := trusting(t, Config{TLS: serverTLS})
			config := in.configFor(t, "parseTime=true&"+parameters)
			if name == "TLS" {
				config.TLS = clientTLS
			}
			test(t, connection(t, database(t, config)))
		})
	}
}

func TestArguments(t *testing.T) {
	everyProtocol(t, func(t *testing.T, c client) {
		c.must("CREATE TABLE a (id INT PRIMARY KEY, n BIGINT, u BIGINT UNSIGNED, f DOUBLE, s TEXT, b LONGBLOB, at DATETIME(6), ok BOOL, d DECIMAL(20,4), j JSON)")
		at := time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)
		big := strings.Repeat("x", 300_000)
		if affected, _ := c.exec("INSERT INTO a VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, NULL, NULL, ?, ?, NULL, NULL, NULL, NULL)",
			1, int64(-1<<62), uint64(1<<62), 1.25, `it's "x" \ ü`, []byte{0, 1, 0xff, '\''}, at, true, "12.5", []byte(`{"a":1}`),
			2, nil, big, []byte(big)); affected != 2 {
			t.Errorf("%d rows inserted", affected)
		}
		var (
			n, u int64
			f    float64
			s    string
			b    []byte
			got  time.Time
			ok   bool
			d, j string
		)
		row := c.QueryRowContext(context.Background(), "SELECT n, u, f, s, b, at, ok, d, j FROM a WHERE id = ? AND n = ? AND s = ? AND b = ? AND at = ? AND ok = ?",
			1, int64(-1<<62), `it's "x" \ ü`, []byte{0, 1, 0xff, '\''}, at, true)
		if err := row.Scan(&n, &u, &f, &s, &b, &got, &ok, &d, &j); err != nil {
			t.Fatal(err)
		}
		if n != -1<<62 || u != 1<<62 || f != 1.25 || s != `it's "x" \ ü` || string(b) != "\x00\x01\xff'" || !got.Equal(at) || !ok || d != "12.5000" || j != `{"a":1}` {
			t.Error(n, u, f, s, b, got, ok, d, j)
		}
		if err := c.QueryRowContext(context.Background(), "SELECT s, b FROM a WHERE id = ? AND n IS NULL", "2").Scan(&s, &b); err != nil || s != big || string(b) != big {
			t.Errorf("large values: %v, %d and %d bytes", err, len(s), len(b))
		}
		if diff := cmp.Diff([]string{"5|x|1.5|NULL"}, c.table("SELECT ?, ?, ?, ?", 5, "x", 1.5, nil)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"2", "1"}, c.table("SELECT id FROM a WHERE id IN (?, ?) ORDER BY id DESC LIMIT ?", 1, "2", 2)); diff != "" {
			t.Error(diff)
		}
		_, err := c.ExecContext(context.Background(), "INSERT INTO a (id) VALUES (?)", "many")
		if numberOf(err) != 1366 {
			t.Errorf("a text for a number: %v", err)
		}
		_, err = c.ExecContext(context.Background(), "INSERT INTO a (id, at) VALUES (3, ?)", time.Time{})
		if numberOf(err) != 1292 {
			t.Errorf("the zero time: %v", err)
		}
	})
}

// TestPreparedStatements: a statement survives its errors, new definitions and many executions.
func TestPreparedStatements(t *testing.T) {
	c := trusting(t, Config{}).connect(t, "")
	c.must("CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(5))")
	insert, err := c.PrepareContext(context.Background(), "INSERT INTO t VALUES (?, ?)")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	all, err := c.PrepareContext(context.Background(), "SELECT * FROM t WHERE id >= ?")
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	for i := range 20 {
		if _, err := insert.Exec(i, "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := insert.Exec(i, "x"); numberOf(err) != 1062 {
			t.Fatalf("the same key again: %v", err)
		}
	}
	count := func() (columns int) {
		rows, err := all.Query(0)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		names, _ := rows.Columns()
		n := 0
		for rows.Next() {
			n++
		}
		if n != 20 || rows.Err() != nil {
			t.Errorf("%d rows, %v", n, rows.Err())
		}
		return len(names)
	}
	if n := count(); n != 2 {
		t.Errorf("%d columns", n)
	}
	c.must("ALTER TABLE t ADD COLUMN more INT DEFAULT 1")
	if n := count(); n != 3 {
		t.Errorf("%d columns after one was added", n)
	}
	for statement, want := range map[string]uint16{"SELECT wrong FROM t": 1054, "SELECT 1; SELECT 2": 1064, "INSERT INTO missing VALUES (?)": 1146, "": 1065} {
		if _, err := c.PrepareContext(context.Background(), statement); numberOf(err) != want {
			t.Errorf("prepare %q: %v, want error %d", statement, err, want)
		}
	}
	c.must("SET @x = 1")
	variable, err := c.PrepareContext(context.Background(), "SELECT @x + ?")
	if err != nil {
		t.Fatal(err)
	}
	defer variable.Close()
	set, err := c.PrepareContext(context.Background(), "SET @y = ?")
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if _, err := set.Exec("given"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"given"}, c.table("SELECT @y")); diff != "" {
		t.Error(diff)
	}
	for _, want := range []int{2, 12} {
		var got int
		if err := variable.QueryRow(1).Scan(&got); err != nil || got != want {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
		c.must("SET @x = 11")
	}
}

func TestSeveralStatements(t *testing.T) {
	in := trusting(t, Config{})
	c := in.connect(t, "multiStatements=true")
	rows, err := c.QueryContext(context.Background(), "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2); SELECT a FROM t ORDER BY a; SET @x = 5; SELECT @x")
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for {
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if diff := cmp.Diff([]int{1, 2, 5}, got); diff != "" || rows.Err() != nil {
		t.Error(diff, rows.Err())
	}
	rows.Close()
	c.refused(1146, "INSERT INTO t VALUES (3); SELECT * FROM missing; INSERT INTO t VALUES (4)")
	c.refused(1064, "INSERT INTO t VALUES (5); INSERTED")
	if diff := cmp.Diff([]string{"1", "2", "3", "5"}, c.table("SELECT a FROM t ORDER BY a")); diff != "" {
		t.Error(diff)
	}
	if affected, _ := c.exec("UPDATE t SET a = a + 1; DELETE FROM t WHERE a > 5"); affected != 1 {
		t.Errorf("the last statement affected %d rows", affected)
	}
	in.connect(t, "").refused(1064, "SELECT 1; SELECT 2")
	in.connect(t, "").must("SELECT 1;")
}

func TestFoundRows(t *testing.T) {
	c := trusting(t, Config{}).connect(t, "clientFoundRows=true")
	play(t, c, []step{
		{sql: "CREATE TABLE t (id INT PRIMARY KEY, n INT)"},
		{sql: "INSERT INTO t VALUES (1, 1), (2, 2)", count: "2 0"},
		{sql: "UPDATE t SET n = 1", count: "2 0"},
		{sql: "INSERT INTO t VALUES (1, 1) ON DUPLICATE KEY UPDATE n = 1", count: "1 0"},
		{sql: "INSERT INTO t VALUES (1, 1) ON DUPLICATE KEY UPDATE n = 2", count: "2 0"},
	})
}

// TestLargePackets: statements and rows beyond the 16 MB of one frame.
func TestLargePackets(t *testing.T) {
	for parameters, size := range map[string]int{"interpolateParams=true": maxFrame, "compress=true": maxFrame + 1} {
		c := trusting(t, Config{}).connect(t, "maxAllowedPacket=0&"+parameters)
		value := strings.Repeat("z", size)
		var n int
		var back string
		if err := c.QueryRowContext(context.Background(), "SELECT LENGTH(?), ?", value, value[:size-5]).Scan(&n, &back); err != nil || n != size || len(back) != size-5 {
			t.Errorf("%d bytes with %s: %v, %d there and %d back", size, parameters, err, n, len(back))
		}
	}
}

func TestLoadData(t *testing.T) {
	everyProtocol(t, func(t *testing.T, c client) {
		mysql.RegisterReaderHandler("rows", func() io.Reader {
			return strings.NewReader("id,name\r\n1,\"a, b\"\r\n2,\\N\r\n3,\"say \"\"hi\"\"\"\r\n1,again\r\n")
		})
		defer mysql.DeregisterReaderHandler("rows")
		c.must("CREATE TABLE t (id INT PRIMARY KEY, name TEXT)")
		affected, _ := c.exec(`LOAD DATA LOCAL INFILE 'Reader::rows' INTO TABLE t FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' LINES TERMINATED BY '\r\n' IGNORE 1 LINES (id, name)`)
		if affected != 3 {
			t.Errorf("%d rows loaded", affected)
		}
		if diff := cmp.Diff([]string{"1|a, b", "2|NULL", `3|say "hi"`}, c.table("SELECT * FROM t")); diff != "" {
			t.Error(diff)
		}
		if _, err := c.ExecContext(context.Background(), "LOAD DATA LOCAL INFILE 'Reader::missing' INTO TABLE t"); err == nil {
			t.Error("a file that the client does not have was loaded")
		}
		c.refused(1146, "LOAD DATA LOCAL INFILE 'Reader::rows' INTO TABLE missing")
		c.must("SELECT 1")
	})
}

// TestResetAndValidity: the pool's own questions.
func TestResetSession(t *testing.T) {
	in := trusting(t, Config{})
	c := in.connect(t, "")
	if err := c.PingContext(context.Background()); err != nil {
		t.Error(err)
	}
	if n := in.Sessions(); n != 1 {
		t.Errorf("%d sessions", n)
	}
	err := c.Raw(func(conn any) error {
		if !conn.(driver.Validator).IsValid() {
			t.Error("the connection is not valid")
		}
		return conn.(driver.SessionResetter).ResetSession(context.Background())
	})
	if err != nil {
		t.Error(err)
	}
}
