package sqlalchemy

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// pagePlugins are the codes of the page's compatibility table.
var pagePlugins = []string{
	"failover", "failover_v2", "host_monitoring_v2", "host_monitoring", "iam", "aws_secrets_manager", "federated_auth", "okta",
	"custom_endpoint", "stale_dns", "aurora_connection_tracker", "fastest_response_strategy", "bg", "limitless",
	"read_write_splitting", "srw",
}

// missing are those of them that awsdb does not have yet.
var missing = []string{"custom_endpoint", "fastest_response_strategy", "bg", "limitless", "read_write_splitting", "srw"}

// underORM are the tests of the plugins, by the codes that turn them on. Each test fails if the plugin does not run.
var underORM = map[string]struct {
	virtual func(t *testing.T, s *stage, on string) // in virtual time
	login   func(t *testing.T, a *aws) way          // of a login, on a published cluster
}{
	"failover":                  {virtual: goesOn},
	"failover_v2":               {virtual: goesOn},
	"host_monitoring":           {virtual: noticesSilence},
	"host_monitoring_v2":        {virtual: noticesSilence},
	"stale_dns":                 {virtual: leavesWrongHost},
	"aurora_connection_tracker": {virtual: dropsOldWriter},
	"initial_connection":        {virtual: verifiesRole},
	"iam":                       {login: byToken},
	"aws_secrets_manager":       {login: bySecret},
	"federated_auth":            {login: byADFS},
	"okta":                      {login: byOkta},
}

// TestPluginUnderORM turns on each plugin in the connection string that an ORM is given, and looks whether it does its work.
func TestPluginUnderORM(t *testing.T) {
	for _, code := range slices.Sorted(maps.Keys(underORM)) {
		test := underORM[code]
		t.Run(code, func(t *testing.T) {
			each(t, func(t *testing.T, e engine, o orm) {
				if test.login != nil {
					logsIn(t, e, o, code, test.login)
					return
				}
				virtually(t, e, o, func(t *testing.T, s *stage) { test.virtual(t, s, "plugins="+code) })
			})
		})
	}
}

// TestEveryPluginIsTested: what is registered and what the page names is either tested under ORMs or listed as missing.
func TestEveryPluginIsTested(t *testing.T) {
	known := map[string]bool{}
	for _, i := range core.Plugins() {
		for _, code := range append(i.Aliases, i.Code) {
			known[code] = true
		}
		if underORM[i.Code].virtual == nil && underORM[i.Code].login == nil {
			t.Errorf("plugin %s is not tested under ORMs: add a test, and a line in docs/from-python-wrapper.md", i.Code)
		}
	}
	for _, code := range pagePlugins {
		tested := underORM[code].virtual != nil || underORM[code].login != nil
		if isMissing := slices.Contains(missing, code); known[code] == isMissing || tested == isMissing {
			t.Errorf("plugin %s: linked in %t, tested %t, listed as missing %t", code, known[code], tested, isMissing)
		}
	}
	for _, e := range engines { // a plugin that does not run is no silent loss
		for _, code := range missing {
			_, err := e.connector(e.DSNs(login("db.example.com"), "plugins=failover,"+code)["URL"])
			demand.Is(t, code, err, core.ErrConfig)
			if err == nil || !strings.Contains(err.Error(), code) {
				t.Errorf("%s: the error does not name it: %v", code, err)
			}
		}
	}
}

// TestReadWriteSplittingIsRefused: as on the page, no plugin splits reads from writes under an ORM; here because none exists yet. Nor
// does its parameter get through to the server.
func TestReadWriteSplittingIsRefused(t *testing.T) {
	each(t, func(t *testing.T, e engine, o orm) {
		for _, param := range []string{"plugins=read_write_splitting", "plugins=failover,srw", "wrapper_plugins=gdb_rw", "reader_host_selector_strategy=random", "srw_read_endpoint=db.example.com"} {
			_, err := o.open(e, e.DSNs(login("db.example.com"), param)["URL"])
			demand.Is(t, param, err, core.ErrConfig)
			if err == nil || !strings.Contains(err.Error(), "does not exist here yet") {
				t.Errorf("%s: the error does not say what is missing: %v", param, err)
			}
		}
	})
}

// goesOn: transactions go on through the loss of the writer, each exactly once.
func goesOn(t *testing.T, s *stage, on string) {
	h := s.create(t, on)
	for id := range int64(20) {
		if id == 10 {
			s.crashAt(t, "insert")
		}
		err := core.Retry(t.Context(), func() error {
			return h.Transaction(t.Context(), func(tx session) error { return tx.Create(t.Context(), &account{ID: id}) })
		})
		if err != nil {
			t.Errorf("transaction %d: %v", id, err)
		}
	}
	s.lands(t, h, "mydb-2")
	if n := len(s.Rows("accounts")); n != 20 {
		t.Errorf("%d rows of 20 transactions", n)
	}
}

// noticesSilence: a host that has vanished is given up after 10 s and three intervals of 1 s.
func noticesSilence(t *testing.T, s *stage, on string) {
	h := s.create(t, on, "failure_detection_time_ms=10000", "failure_detection_interval_ms=1000", "failure_detection_count=3")
	s.Writer().Vanish(lab.LosingRequests)
	began := time.Now()
	err := h.Exec(t.Context(), s.SQL().Sleep(time.Hour))
	if took := time.Since(began); took < 12*time.Second || took > 15*time.Second {
		t.Errorf("it took %v to notice", took)
	}
	var lost *core.LostError
	if !errors.As(err, &lost) || !lost.Aborted {
		t.Errorf("the connection was not cut: %v", err)
	}
	demand.Is(t, "the ORM", err, core.ErrOutcomeUnknown)
}

// leavesWrongHost: DNS shows a reader for the cluster's endpoint.
func leavesWrongHost(t *testing.T, s *stage, on string) {
	s.SetDNS(s.Endpoint(), "mydb-3")
	for param, want := range map[string]string{"plugins=none": "mydb-3", on: "mydb-1"} {
		h, err := s.tryCreate(t, param)
		if err != nil {
			t.Fatal(err)
		}
		s.lands(t, h, want)
	}
}

// dropsOldWriter: connections to a demoted writer leave the pool, though it lives on.
func dropsOldWriter(t *testing.T, s *stage, on string) {
	h := s.create(t, on)
	plain, err := s.tryCreate(t, "plugins=none")
	if err != nil {
		t.Fatal(err)
	}
	s.lands(t, plain, "mydb-1")
	s.promote(t)
	time.Sleep(31 * time.Second) // the pace of the topology monitor
	if err := h.Create(t.Context(), &account{ID: 1}); err != nil {
		t.Errorf("a write after the promotion: %v", err)
	}
	s.says(t, plain.Create(t.Context(), &account{ID: 2}), s.Codes().ReadOnly)
}

// verifiesRole: the handle gets an instance of the role that it asks for.
func verifiesRole(t *testing.T, s *stage, on string) {
	for param, want := range map[string][]string{"verify_initial_connection_type=reader": {"mydb-2", "mydb-3"}, "verify_initial_connection_type=writer": {"mydb-1"}} {
		h, err := s.tryCreate(t, on, param)
		if err != nil {
			t.Fatal(err)
		}
		if id, err := s.where(t.Context(), h); err != nil || !slices.Contains(want, id) {
			t.Errorf("%s: landed on %q, %v", param, id, err)
		}
	}
}
