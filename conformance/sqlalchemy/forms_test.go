package sqlalchemy

import (
	"database/sql"
	"database/sql/driver"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

// connector is what sql.Open makes of a connection string.
func (e engine) connector(dsn string) (*core.Connector, error) {
	var d driver.DriverContext = pgdriver.Driver{}
	if e.Name() == "mysql" {
		d = mysqldriver.Driver{}
	}
	k, err := d.OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	return k.(*core.Connector), nil
}

// pinned is what the page's examples say beside the plugins.
func (e engine) pinned() string { return "wrapper_dialect=" + e.Dialect(e.Flavors().Aurora) }

// TestCreatorForm: the application makes the connector with what it has in code, and the ORM gets the *sql.DB.
func TestCreatorForm(t *testing.T) {
	virtual(t, func(t *testing.T, s *stage) {
		follow, err := failover.New(failover.Options{Mode: failover.StrictWriter, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		monitor, err := hostmonitor.New(hostmonitor.Options{DetectionTime: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		handle, err := s.Open(frontend.Options{
			Lab: s.Cluster, DSN: s.native(),
			Params: map[string]string{"cluster_id": "creator"}, Plugins: []core.Plugin{monitor, follow},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer handle.Close() //nolint:errcheck // after the last use
		h, err := s.orm.wrap(s.engine, handle.DB)
		if err != nil {
			t.Fatal(err)
		}
		s.table(t, h)
		s.works(t, h)
		s.failOver(t)
		s.arrives(t, h)
	})
}

// TestURLOnlyForm: the name of the driver and a URL, which may come from the environment, are all that the ORM gets.
func TestURLOnlyForm(t *testing.T) {
	published(t, func(t *testing.T, s *stage) {
		for n, url := range []string{
			s.url(s.pinned(), "wrapper_plugins=failover,host_monitoring_v2"),
			s.url(), // what is linked in runs
		} {
			h := s.open(t, url)
			if n == 0 {
				s.table(t, h)
				s.works(t, h)
			}
			s.lands(t, h, "mydb-1")
		}
		h := s.open(t, s.url(plugins))
		s.lands(t, h, "mydb-1")
		s.failOver(t)
		s.arrives(t, h)
	})
}

// TestWrapperPluginsAlias: in Go no ORM takes a key away, so that plugins and wrapper_plugins mean the same in each form of
// connection string. Both at once are an error.
func TestWrapperPluginsAlias(t *testing.T) {
	for _, e := range engines {
		for form, dsn := range e.DSNs(login("db.example.com"), e.noPlugins()...) {
			for _, key := range []string{"plugins", "wrapper_plugins", "wrapperPlugins"} {
				s := e.settings(t, strings.ReplaceAll(dsn, "PLUGINS", key))
				if got := s.String("plugins"); got != "failover_v2,efm" {
					t.Errorf("%s, %s: %s is %q", e.Name(), form, key, got)
				}
			}
		}
		_, err := e.connector(e.DSNs(login("db.example.com"), "plugins=failover", "wrapper_plugins=none")["URL"])
		demand.Is(t, "both keys", err, core.ErrConfig)
	}
	virtual(t, func(t *testing.T, s *stage) {
		s.SetDNS(s.Endpoint(), "mydb-3") // so that plugins can be told from none
		s.lands(t, s.create(t, "wrapper_plugins=failover"), "mydb-1")
		h, err := s.tryCreate(t, "wrapper_plugins=none")
		if err != nil {
			t.Fatal(err)
		}
		s.lands(t, h, "mydb-3")
	})
}

func (e engine) noPlugins() []string { return []string{"PLUGINS=failover_v2,efm"} }

// TestPythonURLSchemes: one DATABASE_URL serves a program in Python and one in Go. Which driver it is for can be told from its
// scheme; which ORM's dialect, too.
func TestPythonURLSchemes(t *testing.T) {
	for _, url := range []string{"postgresql+psycopg://app:secret@db.example.com/app?sslmode=disable", "mysql+mysqlconnector://app:secret@db.example.com/app", "mysql+aws_wrapper_psycopg://app:secret@db.example.com/app"} {
		for _, e := range engines { // SQLAlchemy's schemes for other drivers
			_, err := e.connector(url)
			demand.Is(t, url, err, core.ErrConfig)
		}
	}
	// What an application writes.
	open := func() (engine, *sql.DB, error) {
		url, name := os.Getenv("DATABASE_URL"), "awspg"
		if strings.HasPrefix(url, "mysql") {
			name = "awsmysql"
		}
		db, err := sql.Open(name, url)
		return map[string]engine{"awspg": engines[0], "awsmysql": engines[1]}[name], db, err
	}
	published(t, func(t *testing.T, s *stage) {
		params := append(s.noTLS(), s.pinned(), "wrapper_plugins=failover,host_monitoring_v2")
		if s.Name() == "mysql" {
			params = append(params, "use_pure=True", "ssl_disabled=True")
		}
		for form, url := range s.DSNs(login(s.Endpoint()), params...) {
			if !strings.Contains(form, "URL") {
				continue
			}
			t.Setenv("DATABASE_URL", url)
			e, db, err := open()
			if err != nil {
				t.Fatal(err)
			}
			h, err := s.orm.wrap(e, db)
			if err != nil {
				t.Fatal(err)
			}
			s.lands(t, h, "mydb-1")
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestOptionsPassThroughUnchanged: the query of a URL holds awsdb's parameters, whose values arrive where they are used, and the
// server's settings, which arrive at the server.
func TestOptionsPassThroughUnchanged(t *testing.T) {
	ours := []string{
		"plugins=failover", "failover_timeout_sec=7", "failover_mode=strict-writer", "failure_detection_time_ms=1234", "iam_region=eu-west-1",
		"cluster_id=größe/b c", "topology-monitoring-connect_timeout=3",
	}
	theirs := map[string][]string{
		"postgresql": {"application_name=my app/1 & more", "search_path=a, b", "my.setting=größe = 1"},
		"mysql":      {"group_concat_max_len=12345", "sql_mode='ANSI_QUOTES,NO_ZERO_DATE'", "max_execution_time=54321"},
	}
	shown := map[string][][2]string{
		"postgresql": {
			{"select current_setting('application_name')", "my app/1 & more"}, {"select current_setting('search_path')", "a, b"},
			{"select current_setting('my.setting')", "größe = 1"},
		},
		"mysql": {
			{"select @@group_concat_max_len", "12345"}, {"select @@sql_mode", "ANSI_QUOTES,NO_ZERO_DATE"}, {"select @@max_execution_time", "54321"},
		},
	}
	published(t, func(t *testing.T, s *stage) {
		for form, url := range s.DSNs(login(s.Endpoint()), append(append(s.noTLS(), ours...), theirs[s.Name()]...)...) {
			settings := s.settings(t, url)
			if settings.Duration("failover_timeout_sec") != 7*time.Second || settings.String("failover_mode") != "strict-writer" ||
				settings.Duration("failure_detection_time_ms") != 1234*time.Millisecond || settings.String("iam_region") != "eu-west-1" ||
				settings.String("cluster_id") != "größe/b c" || settings.Prefixed("topology-monitoring-")["connect_timeout"] != "3" {
				t.Errorf("%s: our keys did not arrive as they were written", form)
			}
			h := s.open(t, url)
			for _, show := range shown[s.Name()] {
				var got string
				if err := h.Row(t.Context(), show[0], &got); err != nil || got != show[1] {
					t.Errorf("%s: %s gives %q, %v, want %q", form, show[0], got, err, show[1])
				}
			}
		}
	})
}

// TestDialectIdentity: code that asks the ORM for its dialect gets the names that it knows.
func TestDialectIdentity(t *testing.T) {
	want := map[string]map[string]string{
		"gorm": {"postgresql": "postgres", "mysql": "mysql"},
		"bun":  {"postgresql": "pg", "mysql": "mysql"},
	}
	published(t, func(t *testing.T, s *stage) {
		for _, h := range []session{s.open(t, s.url(plugins)), s.create(t, plugins)} {
			if got := h.Dialect(); got != want[s.orm.name][s.Name()] {
				t.Errorf("the dialect is called %q", got)
			}
		}
	})
}

// TestPageExample is the page's own example: dialect pinned, both plugins, a cluster_id, the instance's identifier, both
// steps of the end.
func TestPageExample(t *testing.T) {
	query := map[string]string{
		"postgresql": "SELECT pg_catalog.aurora_db_instance_identifier()", "mysql": "SELECT @@aurora_server_id",
	}
	id := map[string]string{"postgresql": "cluster_id=pg_sqlalchemy", "mysql": "cluster_id=mysql_sqlalchemy"}
	published(t, func(t *testing.T, s *stage) {
		params := []string{s.pinned(), plugins, id[s.Name()]}
		for _, open := range []func() session{
			func() session { return s.open(t, s.url(params...)) },
			func() session { return s.create(t, params...) },
		} {
			h := open()
			var instance string
			if err := h.Row(t.Context(), query[s.Name()], &instance); err != nil || instance != "mydb-1" {
				t.Errorf("the instance is %q, %v", instance, err)
			}
			closeDB(t, h)
			core.ReleaseResources()
		}
	})
}
