package realmaria

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/lab/internal/realserver/servertest"
)

func TestFlavors(t *testing.T) {
	const (
		variable  = "show variables like 'aurora_version'"
		id        = "select @@aurora_server_id"
		readOnly  = "select @@innodb_read_only"
		status    = "select group_concat(server_id, session_id = 'MASTER_SESSION_ID' order by 1 separator ' ') from information_schema.replica_host_status where replica_lag_in_milliseconds < 100 and cpu > 0 and last_update_timestamp > now() - interval 5 minute"
		global    = "select count(*) from information_schema.tables where upper(table_name) like 'AURORA_GLOBAL_DB%'"
		topology  = "select group_concat(substring_index(endpoint, '.', 1), port, id = @@server_id order by 1 separator ' ') from mysql.rds_topology"
		replica   = "show replica status"
		reporting = "select @@report_host"
	)
	cases := []struct {
		flavor Flavor
		want   map[string][2]string // by query: what the writer x and the reader y answer
	}{
		{AuroraMySQL, map[string][2]string{
			variable: {"aurora_version", "aurora_version"},
			id:       {"x", "y"}, readOnly: {"0", "1"}, status: {"x1 y0", "x1 y0"}, global: {"0", "0"}, topology: {"error 1146", "error 1146"}, reporting: {"null", "null"},
		}},
		{MultiAZMySQL, map[string][2]string{
			variable: {"no row", "no row"}, id: {"error 1193", "error 1193"}, status: {"error 1109", "error 1109"},
			topology: {"x33061 y33060", "x33060 y33061"}, reporting: {"x.example.test", "y.example.test"},
		}},
		{MariaDB, map[string][2]string{
			variable: {"no row", "no row"}, id: {"error 1193", "error 1193"}, status: {"error 1109", "error 1109"}, topology: {"error 1146", "error 1146"},
		}},
	}
	for _, test := range cases {
		t.Run(string(test.flavor), func(t *testing.T) {
			c := startCluster(t, Options{Names: []string{"x", "y"}, Flavor: test.flavor, EndpointPort: 3306, Suffix: "example.test"})
			for i, name := range c.Names() {
				address := viaProxy(t, c, name)
				s := mustOpen(t, c, address)
				for query, want := range test.want {
					for protocol, answer := range map[string]string{"text": first(t.Context(), s, query), "binary": firstPrepared(t.Context(), s, query)} {
						if answer != want[i] {
							t.Errorf("%s, %s: %s\ngot %q, want %q", name, protocol, query, answer, want[i])
						}
					}
				}
				if test.flavor != MultiAZMySQL {
					continue
				}
				columns, err := s.row(t.Context(), replica)
				if err != nil || columns["Source_Server_Id"] != []string{"", "1"}[i] {
					t.Errorf("%s: %s: %v, %v", name, replica, columns, err)
				}
			}
		})
	}
}

// first is one, without arguments and so in the text protocol. Of a row of several columns it takes the first.
func first(ctx context.Context, s *session, query string) string {
	rows, err := s.QueryContext(ctx, query)
	if err != nil {
		return fmt.Sprintf("error %d", number(err))
	}
	defer rows.Close()
	return firstOf(rows)
}

func firstPrepared(ctx context.Context, s *session, query string) string {
	statement, err := s.PrepareContext(ctx, query)
	if err != nil {
		return fmt.Sprintf("error %d", number(err))
	}
	defer statement.Close()
	rows, err := statement.QueryContext(ctx)
	if err != nil {
		return fmt.Sprintf("error %d", number(err))
	}
	defer rows.Close()
	return firstOf(rows)
}

// TestTopologyFlips: a statement prepared before a promotion sees it at once, on every instance.
func TestTopologyFlips(t *testing.T) {
	c := startCluster(t, Options{Names: []string{"x", "y", "z"}})
	const writer = "select server_id from information_schema.replica_host_status where session_id = ?"
	s := mustOpen(t, c, viaProxy(t, c, "x"))
	prepared, err := s.PrepareContext(t.Context(), writer)
	if err != nil {
		t.Fatal(err)
	}
	defer prepared.Close()
	for _, want := range []string{"x", "z"} {
		var got string
		if err := prepared.QueryRowContext(t.Context(), "MASTER_SESSION_ID").Scan(&got); err != nil || got != want {
			t.Errorf("the writer is %q, %v, want %q", got, err, want)
		}
		if got := one(t.Context(), s, "select @@innodb_read_only"); got != map[string]string{"x": "0", "z": "1"}[want] {
			t.Errorf("innodb_read_only of x is %s while %s is the writer", got, want)
		}
		if want == "x" {
			if err := c.Promote(t.Context(), "z"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTLS(t *testing.T) {
	certificate, pool := servertest.SelfSigned(t, "a.test")
	server := &tls.Config{Certificates: []tls.Certificate{certificate}}
	encrypted := func(config *mysql.Config) { config.TLS = &tls.Config{RootCAs: pool, ServerName: "a.test"} }
	for _, required := range []bool{false, true} {
		t.Run(fmt.Sprintf("required %t", required), func(t *testing.T) {
			c := startCluster(t, Options{Names: []string{"a"}, TLS: map[string]*tls.Config{"a": server}, RequireTLS: required})
			address := viaProxy(t, c, "a")
			s := mustOpen(t, c, address, encrypted)
			if got := one(t.Context(), s, "select @@aurora_server_id where 1 = ?", 1); got != "a" {
				t.Errorf("through TLS: %s", got)
			}
			_, err := open(t.Context(), c, address, encrypted, func(config *mysql.Config) { config.Passwd = "wrong" })
			if number(err) != 1045 {
				t.Errorf("a wrong password through TLS: %v, want error 1045", err)
			}
			plain, err := open(t.Context(), c, address)
			if required && number(err) != 3159 || !required && err != nil {
				t.Errorf("a login without TLS: %v", err)
			}
			if err == nil {
				plain.hangUp()
			}
		})
	}
	t.Run("off", func(t *testing.T) {
		c := startCluster(t, Options{Names: []string{"a"}})
		if _, err := open(t.Context(), c, viaProxy(t, c, "a"), encrypted); err == nil {
			t.Error("TLS to an instance without a certificate")
		}
	})
}

// TestLargePackets sends and receives what takes several packets, and asks for compression, which it does not get.
func TestLargePackets(t *testing.T) {
	certificate, pool := servertest.SelfSigned(t, "a.test")
	server := &tls.Config{Certificates: []tls.Certificate{certificate}}
	c := startCluster(t, Options{Names: []string{"a"}, TLS: map[string]*tls.Config{"a": server}})
	address := viaProxy(t, c, "a")
	for name, change := range map[string]func(*mysql.Config){
		"plain":    func(config *mysql.Config) { config.InterpolateParams = true },
		"prepared": func(*mysql.Config) {},
		"TLS":      func(config *mysql.Config) { config.TLS = &tls.Config{RootCAs: pool, ServerName: "a.test"} },
		"compress": func(config *mysql.Config) {
			if err := config.Apply(mysql.EnableCompression(true)); err != nil {
				t.Error(err)
			}
		},
	} {
		s := mustOpen(t, c, address, change, func(config *mysql.Config) { config.MaxAllowedPacket = 64 << 20 })
		for _, length := range []int{1<<24 - 100, 1<<24 + 100, 40 << 20} {
			text := strings.Repeat("@@aurora_server_id ", length/19+1)[:length]
			var got string
			if err := s.QueryRowContext(t.Context(), "select ?", text).Scan(&got); err != nil || got != text {
				t.Errorf("%s: %d bytes came back as %d, %v", name, length, len(got), err)
			}
		}
		if got := one(t.Context(), s, "select @@aurora_server_id where 1 = ?", 1); got != "a" {
			t.Errorf("%s: afterwards: %s", name, got)
		}
	}
}

// TestLoadData sends a file in more packets than there are numbers for them. No part of it is a command.
func TestLoadData(t *testing.T) {
	c := startCluster(t, Options{Names: []string{"a"}, Settings: map[string]string{"local_infile": "1"}})
	s := mustOpen(t, c, viaProxy(t, c, "a"))
	mustExec(t, s, "create table t (line text)")
	const line = "\x03@@aurora_version              \n" // 32 bytes: each packet of the driver's begins with one, as a command would
	mysql.RegisterReaderHandler("lines", func() io.Reader { return strings.NewReader(strings.Repeat(line, 400000)) })
	defer mysql.DeregisterReaderHandler("lines")
	if len(line) != 32 {
		t.Fatalf("%d bytes", len(line))
	}
	mustExec(t, s, "load data local infile 'Reader::lines' into table t")
	if got := one(t.Context(), s, "select concat(count(*), ' ', count(distinct line), ' ', hex(min(line))) from t"); got != fmt.Sprintf("400000 1 %X", line[:len(line)-1]) {
		t.Errorf("the table has %s", got)
	}
}
