package core

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// B48: what the status table says, and what is made of it.
func TestCurrentInstances(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	row := func(id string, writer bool, age time.Duration) Instance {
		return Instance{ID: id, Writer: writer, UpdatedAt: now.Add(-age), Age: age}
	}
	timeless := func(id string, writer bool) Instance { return Instance{ID: id, Writer: writer} }
	tests := map[string]struct {
		rows   []Instance
		want   string // IDs in order, the writer's with a star
		writer string
	}{
		"no rows":                        {nil, "", ""},
		"one":                            {[]Instance{row("w", true, 0)}, "w*", "w"},
		"sorted":                         {[]Instance{row("c", false, 0), row("a", false, 0), row("b", true, 0)}, "a b* c", "b"},
		"no writer":                      {[]Instance{row("a", false, 0), row("b", false, 0)}, "a b", ""},
		"deleted reader":                 {[]Instance{row("w", true, 0), row("gone", false, 5*time.Minute+time.Second)}, "w*", "w"},
		"reader at the limit":            {[]Instance{row("w", true, 0), row("slow", false, 5*time.Minute)}, "slow w*", "w"},
		"old writer stays":               {[]Instance{row("w", true, time.Hour), row("r", false, 0)}, "r w*", "w"},
		"no times at all":                {[]Instance{timeless("r", false), timeless("w", true)}, "r w*", "w"},
		"no id":                          {[]Instance{row("", true, 0), row("r", false, 0)}, "r", ""},
		"newest of two rows":             {[]Instance{row("a", true, time.Minute), row("a", false, time.Second), row("b", true, 0)}, "a b*", "b"},
		"newest of two rows, reversed":   {[]Instance{row("b", true, 0), row("a", false, time.Second), row("a", true, time.Minute)}, "a b*", "b"},
		"one name in two spellings":      {[]Instance{row("DB-1", true, 0), row("db-1", false, time.Minute)}, "DB-1*", "DB-1"},
		"server's clock ahead of itself": {[]Instance{row("w", true, -time.Minute), row("r", false, 0)}, "r w*", "w"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := currentInstances(test.rows)
			if diff := cmp.Diff(test.want, marked(got)); diff != "" {
				t.Errorf("instances (-want +got):\n%s", diff)
			}
			if writer := writerOf(got); writer != test.writer {
				t.Errorf("writer %q, want %q", writer, test.writer)
			}
		})
	}
}

func marked(rows []Instance) string {
	var ids []string
	for _, r := range rows {
		if r.Writer {
			r.ID += "*"
		}
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, " ")
}

// B48: of two writers the one heard of last is the writer; the order of rows
// and of Go's maps does not matter.
func TestNewestOfSeveralWriters(t *testing.T) {
	now := time.Now()
	rows := []Instance{
		{ID: "b", Writer: true, UpdatedAt: now.Add(-time.Second)}, {ID: "a", Writer: true, UpdatedAt: now.Add(-time.Minute)},
		{ID: "c", Writer: true, UpdatedAt: now}, {ID: "r", UpdatedAt: now},
	}
	for range 20 {
		rows = append(rows[1:], rows[0])
		if got := marked(currentInstances(rows)); got != "a b c* r" {
			t.Fatalf("instances %s, want c as the one writer and the others as readers", got)
		}
	}
	equal := []Instance{{ID: "b", Writer: true}, {ID: "a", Writer: true}}
	for range 20 {
		if got := writerOf(currentInstances(equal)); got != "a" {
			t.Fatalf("writer %q of two without times, want always a", got)
		}
	}
}

func TestCurrentInstancesLeavesItsArgument(t *testing.T) {
	rows := []Instance{{ID: "b", Writer: true}, {ID: "a"}}
	currentInstances(rows)
	if marked(rows) != "b* a" {
		t.Errorf("rows are now %s", marked(rows))
	}
}

func TestTopologyQuestions(t *testing.T) {
	topology := Topology{Hosts: []Host{{ID: "a", Role: RoleReader}, {ID: "b", Role: RoleWriter}, {ID: "c", Role: RoleReader}, {ID: "d"}}}
	if w, ok := topology.Writer(); !ok || w.ID != "b" {
		t.Errorf("writer %v, %t", w, ok)
	}
	readers := topology.Readers()
	if len(readers) != 2 || readers[0].ID != "a" || readers[1].ID != "c" {
		t.Errorf("readers %v", readers)
	}
	readers[0].ID = "changed"
	if h, ok := topology.Host("a"); !ok || h.Role != RoleReader {
		t.Errorf("host a: %v, %t", h, ok)
	}
	if _, ok := topology.Host("e"); ok {
		t.Error("there is no host e")
	}
	if w, ok := unpublished().Writer(); ok || w != (Host{}) {
		t.Errorf("writer %v of nothing", w)
	}
}

// Addresses of instances, from patterns, from the DSN's name and from what the
// server says.
func TestHostsOf(t *testing.T) {
	aurora := func(ids ...string) []Instance {
		rows := []Instance{{ID: ids[0], Writer: true}}
		for _, id := range ids[1:] {
			rows = append(rows, Instance{ID: id})
		}
		return rows
	}
	tests := map[string]struct {
		addr   string
		params map[string]string
		alias  string // what the DSN's name is a CNAME of
		rows   []Instance
		want   []string
	}{
		"writer endpoint":        {"db.cluster-xyz.us-east-1.rds.amazonaws.com:5432", nil, "", aurora("A-1", "a-2"), []string{"a-1.xyz.us-east-1.rds.amazonaws.com:5432", "a-2.xyz.us-east-1.rds.amazonaws.com:5432"}},
		"reader endpoint":        {"db.cluster-ro-xyz.eu-west-1.rds.amazonaws.com:6000", nil, "", aurora("a"), []string{"a.xyz.eu-west-1.rds.amazonaws.com:6000"}},
		"instance endpoint":      {"a-2.xyz.us-east-1.rds.amazonaws.com:5432", nil, "", aurora("a-1"), []string{"a-1.xyz.us-east-1.rds.amazonaws.com:5432"}},
		"custom endpoint, China": {"x.cluster-custom-xyz.rds.cn-north-1.amazonaws.com.cn:5432", nil, "", aurora("a"), []string{"a.xyz.rds.cn-north-1.amazonaws.com.cn:5432"}},
		"trailing dot":           {"db.cluster-xyz.us-east-1.rds.amazonaws.com.:5432", nil, "", aurora("a"), []string{"a.xyz.us-east-1.rds.amazonaws.com:5432"}},
		"alias":                  {"db.company.example:5432", nil, "db.cluster-xyz.us-east-1.rds.amazonaws.com.", aurora("a", "b"), []string{"a.xyz.us-east-1.rds.amazonaws.com:5432", "b.xyz.us-east-1.rds.amazonaws.com:5432"}},
		"pattern":                {"10.0.0.1:5432", map[string]string{"clusterInstanceHostPattern": "?.db.example"}, "", aurora("a"), []string{"a.db.example:5432"}},
		"pattern with a port":    {"10.0.0.1:5432", map[string]string{"clusterInstanceHostPattern": "?.db.example:7000"}, "", aurora("a"), []string{"a.db.example:7000"}},
		"pattern beats the name": {"db.cluster-xyz.us-east-1.rds.amazonaws.com:5432", map[string]string{"cluster_instance_host_pattern": "?.lab"}, "", aurora("a"), []string{"a.lab:5432"}},
		"one host, IP":           {"10.0.0.1:5432", nil, "", aurora("a"), []string{"10.0.0.1:5432"}},
		"one host, IPv6 (B106)":  {"[2001:db8::1]:5432", nil, "", aurora("a"), []string{"[2001:db8::1]:5432"}},
		"one host, localhost":    {"localhost:5432", nil, "", aurora("a"), []string{"localhost:5432"}},
		"Multi-AZ endpoints": {
			"db.cluster-xyz.us-east-1.rds.amazonaws.com:5432", nil, "",
			[]Instance{{ID: "a", Endpoint: "a.xyz.us-east-1.rds.amazonaws.com", Writer: true}, {ID: "b", Endpoint: "other.abc.eu-west-1.rds.amazonaws.com"}},
			[]string{"a.xyz.us-east-1.rds.amazonaws.com:5432", "other.abc.eu-west-1.rds.amazonaws.com:5432"},
		},
		"Multi-AZ by IP": {
			"10.0.0.1:5432", nil, "", []Instance{{ID: "a", Endpoint: "a.xyz", Writer: true}, {ID: "b", Endpoint: "b.xyz"}}, []string{"a.xyz:5432", "b.xyz:5432"},
		},
		"Multi-AZ with a pattern": {
			"10.0.0.1:5432", map[string]string{"cluster_instance_host_pattern": "?.lab"}, "", []Instance{{ID: "a", Endpoint: "a.xyz", Writer: true}}, []string{"a.lab:5432"},
		},
		"global": {
			"world.global-xyz.global.rds.amazonaws.com:5432",
			map[string]string{"globalClusterInstanceHostPatterns": "?.abc.us-east-1.rds.amazonaws.com,[eu-west-1]?.db.example:7000"}, "",
			[]Instance{{ID: "a", Region: "us-east-1", Writer: true}, {ID: "b", Region: "EU-West-1"}},
			[]string{"a.abc.us-east-1.rds.amazonaws.com:5432", "b.db.example:7000"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			k := connectorFor(t, test.addr, test.params, test.alias)
			hosts, err := k.cluster.hostsOf(test.rows, k)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, h := range hosts {
				got = append(got, h.Addr)
				want := Host{ID: test.rows[i].ID, Addr: h.Addr, Role: RoleReader, Region: test.rows[i].Region}
				if test.rows[i].Writer {
					want.Role = RoleWriter
				}
				if h != want {
					t.Errorf("host %+v, want %+v", h, want)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
}

// B70: what cannot be told is an error that says what to configure, at once.
func TestHostsOfErrors(t *testing.T) {
	two := []Instance{{ID: "a", Writer: true}, {ID: "b"}}
	tests := map[string]struct {
		addr   string
		params map[string]string
		rows   []Instance
		config bool
		want   string
	}{
		"no rows":            {fakeAddress, nil, nil, false, "topology of 0 rows names no writer"},
		"no writer":          {fakeAddress, nil, []Instance{{ID: "a"}, {ID: "b"}}, false, "topology of 2 rows names no writer"},
		"IP":                 {"10.0.0.1:5432", nil, two, true, `"10.0.0.1": set cluster_instance_host_pattern`},
		"company's own name": {"db.company.example:5432", nil, two, true, "set cluster_instance_host_pattern"},
		"proxy":              {"pool.proxy-xyz.us-east-1.rds.amazonaws.com:5432", nil, two, true, "set cluster_instance_host_pattern"},
		"region without pattern": {
			fakeAddress, map[string]string{"global_cluster_instance_host_patterns": "?.abc.us-east-1.rds.amazonaws.com"},
			[]Instance{{ID: "a", Region: "eu-west-1", Writer: true}}, true, "no pattern for region eu-west-1: add ?.<id>.eu-west-1.rds.amazonaws.com",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			k := connectorFor(t, test.addr, test.params, "")
			hosts, err := k.cluster.hostsOf(test.rows, k)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("hosts %v, error %v, want %q", hosts, err, test.want)
			}
			if errors.Is(err, ErrConfig) != test.config {
				t.Errorf("errors.Is(%v, ErrConfig) is %t", err, !test.config)
			}
		})
	}
}

// connectorFor makes a Connector to an address that nobody dials.
func connectorFor(t *testing.T, addr string, params map[string]string, alias string) *Connector {
	t.Helper()
	k, err := NewConnector(Config{Addr: addr, Settings: settingsFrom(t, params), Plugins: []Plugin{}, Resolver: cnames(noAlias)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	if alias != "" {
		e := ParseEndpoint(alias)
		k.alias.Store(&e)
	}
	return k
}
