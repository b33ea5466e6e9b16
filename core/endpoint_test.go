package core

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A shape is a host name without what differs between partitions: name, marker and account label.
type endpointShape struct {
	kind   EndpointKind
	name   string // without blue/green suffix
	marker string // between the dot behind the name and the account label
}

var endpointShapes = []endpointShape{
	{EndpointInstance, "mydb-1", ""},
	{EndpointInstance, "prefix.mydb-1", ""},
	{EndpointInstance, "cluster-mydb", ""},
	{EndpointInstance, "rds", ""},
	{EndpointWriter, "mydb", "cluster-"},
	{EndpointWriter, "a.b.mydb", "cluster-"},
	{EndpointReader, "mydb", "cluster-ro-"},
	{EndpointCustom, "analytics", "cluster-custom-"},
	{EndpointShardGroup, "shards", "shardgrp-"},
	{EndpointProxy, "pool", "proxy-"},
	{EndpointProxy, "pool-readers", "endpoint.proxy-"},
	{EndpointProxy, "endpoint", "proxy-"},
	{EndpointGlobalWriter, "world", "global-"},
}

// locations are all shapes of what follows the account label, with "REGION" and "SERVICE" to be filled in.
var endpointLocations = []struct{ location, region string }{
	{"REGION.SERVICE.amazonaws.com", "us-east-1"},
	{"REGION.SERVICE.amazonaws.com", "us-gov-west-1"},
	{"SERVICE.REGION.amazonaws.com", "us-gov-east-1"},
	{"REGION.SERVICE.amazonaws.com", "xx-future-99"},
	{"REGION.SERVICE.amazonaws.au", "ap-southeast-2"},
	{"REGION.SERVICE.amazonaws.eu", "eusc-de-east-1"},
	{"REGION.SERVICE.amazonaws.uk", "eu-west-2"},
	{"SERVICE.REGION.amazonaws.com.cn", "cn-north-1"},
	{"REGION.SERVICE.amazonaws.com.cn", "cn-northwest-1"},
	{"SERVICE.REGION.c2s.ic.gov", "us-iso-east-1"},
	{"REGION.SERVICE.c2s.ic.gov", "us-iso-west-1"},
	{"SERVICE.REGION.sc2s.sgov.gov", "us-isob-east-1"},
	{"REGION.SERVICE.sc2s.sgov.gov", "us-isob-east-1"},
	{"REGION.SERVICE.cloud.adc-e.uk", "eu-isoe-west-1"}, // no wrapper knows these two suffixes
	{"SERVICE.REGION.cloud.adc-e.uk", "eu-isoe-west-1"},
	{"REGION.SERVICE.csp.hci.ic.gov", "us-isof-south-1"},
	{"SERVICE.REGION.csp.hci.ic.gov", "us-isof-east-1"},
}

func TestParseEndpointAllShapes(t *testing.T) {
	suffixes := []struct {
		text       string
		green, old bool
	}{
		{"", false, false},
		{"-green-abc123", true, false},
		{"-old1", false, true},
		{"-green-abc12", false, false},      // five characters
		{"-green-abc1234", false, false},    // seven
		{"-green-abc-23", false, false},     // a hyphen among them
		{"-green-abc123-x", false, false},   // in the middle
		{"-old2", false, false},             // not a retired name
		{"-green-aaaaaa-old1", false, true}, // only the end counts
	}
	spellings := map[string]func(string) string{
		"plain":        func(host string) string { return host },
		"trailing dot": func(host string) string { return host + "." },
		"upper case":   strings.ToUpper,
		"port":         func(host string) string { return host + ":5432" },
		"all":          func(host string) string { return strings.ToUpper(host) + ".:3306" },
	}
	count := 0
	for _, shape := range endpointShapes {
		for _, place := range endpointLocations {
			for _, service := range []string{"rds", "rds-fips"} {
				for _, suffix := range suffixes {
					want := Endpoint{Kind: shape.kind, Name: shape.name + suffix.text, Region: place.region, Green: suffix.green, Old: suffix.old}
					label := place.region
					if shape.kind == EndpointGlobalWriter {
						label, want.Region = "global", ""
					}
					want.Domain = "c9xyz0abcdef." + strings.NewReplacer("REGION", label, "SERVICE", service).Replace(place.location)
					want.Host = want.Name + "." + shape.marker + want.Domain
					for spelling, spell := range spellings {
						count++
						given := spell(want.Host)
						if diff := cmp.Diff(want, ParseEndpoint(given)); diff != "" {
							t.Errorf("ParseEndpoint(%q) (%s): -want +got\n%s", given, spelling, diff)
						}
					}
				}
			}
		}
	}
	if want := 13 * 17 * 2 * 9 * 5; count != want {
		t.Errorf("%d cases ran, want %d", count, want)
	}
}

func TestParseEndpointOther(t *testing.T) {
	tests := []struct {
		given string
		want  Endpoint
	}{
		// Not names.
		{"", Endpoint{}},
		{".", Endpoint{Host: "."}},
		{":5432", Endpoint{}},
		{"/var/run/PostgreSQL", Endpoint{Host: "/var/run/PostgreSQL"}},
		{"/cloudsql/My:Project", Endpoint{Host: "/cloudsql/My:Project"}},
		{"@Abstract", Endpoint{Host: "@Abstract"}},
		{`C:\Sockets`, Endpoint{Host: `C:\Sockets`}},
		{"a:b:c", Endpoint{Host: "a:b:c"}},
		{"db.example.com:PORT", Endpoint{Host: "db.example.com:port"}},
		{"db.example.com..", Endpoint{Host: "db.example.com.."}},
		{"mydb.c9xyz.us-east-1.rds.amazonaws.com..", Endpoint{Host: "mydb.c9xyz.us-east-1.rds.amazonaws.com.."}},

		// Other names.
		{"localhost", Endpoint{Host: "localhost"}},
		{"LocalHost.:5432", Endpoint{Host: "localhost"}},
		{"DB.Example.com.", Endpoint{Host: "db.example.com"}},
		{"mydb.cluster-c9xyz.us-east-1.rds.amazonaws.com.proxied", Endpoint{Host: "mydb.cluster-c9xyz.us-east-1.rds.amazonaws.com.proxied"}},
		{"\u212a.example.com", Endpoint{Host: "\u212a.example.com"}}, // the Kelvin sign is no "k"
		{"mydb.c9xyz.us-east-1.rds.amazonaws.com\u212a", Endpoint{Host: "mydb.c9xyz.us-east-1.rds.amazonaws.com\u212a"}},

		// Almost RDS names.
		{"amazonaws.com", Endpoint{Host: "amazonaws.com"}},
		{"rds.amazonaws.com", Endpoint{Host: "rds.amazonaws.com"}},
		{"rds.us-east-1.amazonaws.com", Endpoint{Host: "rds.us-east-1.amazonaws.com"}},
		{"us-east-1.rds.amazonaws.com", Endpoint{Host: "us-east-1.rds.amazonaws.com"}},
		{"c9xyz.us-east-1.rds.amazonaws.com", Endpoint{Host: "c9xyz.us-east-1.rds.amazonaws.com"}},
		{".c9xyz.us-east-1.rds.amazonaws.com", Endpoint{Host: ".c9xyz.us-east-1.rds.amazonaws.com"}},
		{"a..c9xyz.us-east-1.rds.amazonaws.com", Endpoint{Host: "a..c9xyz.us-east-1.rds.amazonaws.com"}},
		{"a..b.c9xyz.us-east-1.rds.amazonaws.com", Endpoint{Host: "a..b.c9xyz.us-east-1.rds.amazonaws.com"}},
		{"mydb..us-east-1.rds.amazonaws.com", Endpoint{Host: "mydb..us-east-1.rds.amazonaws.com"}},
		{"mydb.cluster-.us-east-1.rds.amazonaws.com", Endpoint{Host: "mydb.cluster-.us-east-1.rds.amazonaws.com"}},
		{"mydb.cluster-ro-.us-east-1.rds.amazonaws.com", Endpoint{Host: "mydb.cluster-ro-.us-east-1.rds.amazonaws.com"}},
		{"mydb.c9-xyz.us-east-1.rds.amazonaws.com", Endpoint{Host: "mydb.c9-xyz.us-east-1.rds.amazonaws.com"}},
		{"mydb.cluster-cluster-c9xyz.us-east-1.rds.amazonaws.com", Endpoint{Host: "mydb.cluster-cluster-c9xyz.us-east-1.rds.amazonaws.com"}},
		{"mydb.cluster-c9_xyz.us-east-1.rds.amazonaws.com", Endpoint{Host: "mydb.cluster-c9_xyz.us-east-1.rds.amazonaws.com"}},
		{"mydb.c9xyz.us_east.rds.amazonaws.com", Endpoint{Host: "mydb.c9xyz.us_east.rds.amazonaws.com"}},
		{"mydb.c9xyz..rds.amazonaws.com", Endpoint{Host: "mydb.c9xyz..rds.amazonaws.com"}},
		{"mydb.c9xyz.us-east-1.ec2.amazonaws.com", Endpoint{Host: "mydb.c9xyz.us-east-1.ec2.amazonaws.com"}},
		{"mydb.c9xyz.us-east-1.rds.amazonaws.org", Endpoint{Host: "mydb.c9xyz.us-east-1.rds.amazonaws.org"}},
		{"mydb.c9xyz.us-east-1.rds.notamazonaws.com", Endpoint{Host: "mydb.c9xyz.us-east-1.rds.notamazonaws.com"}},
		{"mydb.c9xyz.rds.eusc-de-east-1.amazonaws.eu", Endpoint{Host: "mydb.c9xyz.rds.eusc-de-east-1.amazonaws.eu"}}, // region second

		// The global writer needs its marker (the Go wrapper does without), and no other kind is "global".
		{"world.c9xyz.global.rds.amazonaws.com", Endpoint{Host: "world.c9xyz.global.rds.amazonaws.com"}},
		{"world.cluster-c9xyz.global.rds.amazonaws.com", Endpoint{Host: "world.cluster-c9xyz.global.rds.amazonaws.com"}},
		{"world.global-c9xyz.us-east-1.rds.amazonaws.com", Endpoint{Host: "world.global-c9xyz.us-east-1.rds.amazonaws.com"}},

		// Load balancers have a region and nothing else.
		{"front-1a2b.elb.us-east-2.amazonaws.com", Endpoint{Host: "front-1a2b.elb.us-east-2.amazonaws.com", Region: "us-east-2"}},
		{"Front.ELB.EU-WEST-2.amazonaws.uk.", Endpoint{Host: "front.elb.eu-west-2.amazonaws.uk", Region: "eu-west-2"}},
		{"front.elb.ap-southeast-2.amazonaws.au", Endpoint{Host: "front.elb.ap-southeast-2.amazonaws.au", Region: "ap-southeast-2"}},
		{"front.elb.eusc-de-east-1.amazonaws.eu", Endpoint{Host: "front.elb.eusc-de-east-1.amazonaws.eu", Region: "eusc-de-east-1"}},
		{"front.elb.us_east.amazonaws.com", Endpoint{Host: "front.elb.us_east.amazonaws.com"}},
		{"elb.us-east-2.amazonaws.com", Endpoint{Host: "elb.us-east-2.amazonaws.com"}},

		// Identifiers and custom names can be green or old as well.
		{"mydb-1-green-abc123", Endpoint{Host: "mydb-1-green-abc123", Green: true}},
		{"mydb-1-old1", Endpoint{Host: "mydb-1-old1", Old: true}},
		{"mydb-green-abc123.db.example.com", Endpoint{Host: "mydb-green-abc123.db.example.com", Green: true}},
		{"mydb.x-green-abc123.example.com", Endpoint{Host: "mydb.x-green-abc123.example.com"}},
		{"-green-abc123", Endpoint{Host: "-green-abc123"}},
		{"-old1", Endpoint{Host: "-old1"}},

		{"a.-green-abc123.c9x.r.rds.amazonaws.com", Endpoint{Host: "a.-green-abc123.c9x.r.rds.amazonaws.com", Kind: EndpointInstance, Name: "a.-green-abc123", Region: "r", Domain: "c9x.r.rds.amazonaws.com"}},
		{"a.-old1.c9x.r.rds.amazonaws.com", Endpoint{Host: "a.-old1.c9x.r.rds.amazonaws.com", Kind: EndpointInstance, Name: "a.-old1", Region: "r", Domain: "c9x.r.rds.amazonaws.com"}},

		// IP addresses.
		{"127.0.0.1", Endpoint{Host: "127.0.0.1", Kind: EndpointIP}},
		{"127.0.0.1:5432", Endpoint{Host: "127.0.0.1", Kind: EndpointIP}},
		{"0.0.0.0", Endpoint{Host: "0.0.0.0", Kind: EndpointIP}},
		{"255.255.255.255", Endpoint{Host: "255.255.255.255", Kind: EndpointIP}},
		{"256.0.0.1", Endpoint{Host: "256.0.0.1"}},
		{"1.2.3", Endpoint{Host: "1.2.3"}},
		{"1.2.3.4.5", Endpoint{Host: "1.2.3.4.5"}},
		{"01.2.3.4", Endpoint{Host: "01.2.3.4"}},
		{"1.2.3.4x", Endpoint{Host: "1.2.3.4x"}}, // the Python wrapper leaves its patterns open at the end
		{"::", Endpoint{Host: "::", Kind: EndpointIP}},
		{"::1", Endpoint{Host: "::1", Kind: EndpointIP}},
		{"[::1]", Endpoint{Host: "::1", Kind: EndpointIP}},
		{"[2001:DB8::A]:5432", Endpoint{Host: "2001:db8::a", Kind: EndpointIP}},
		{"2001:db8:0:0:0:0:0:1", Endpoint{Host: "2001:db8:0:0:0:0:0:1", Kind: EndpointIP}},
		{"::ffff:192.0.2.1", Endpoint{Host: "::ffff:192.0.2.1", Kind: EndpointIP}},
		{"FE80::1%Eth0", Endpoint{Host: "fe80::1%Eth0", Kind: EndpointIP}},
		{"[fe80::1%Eth0]:5432", Endpoint{Host: "fe80::1%Eth0", Kind: EndpointIP}},
		{"1:2:3:4:5:6:7", Endpoint{Host: "1:2:3:4:5:6:7"}},
		{"::1x", Endpoint{Host: "::1x"}},
		{"[127.0.0.1]", Endpoint{Host: "[127.0.0.1]"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, ParseEndpoint(test.given)); diff != "" {
			t.Errorf("ParseEndpoint(%q): -want +got\n%s", test.given, diff)
		}
	}
}

func TestEndpointDerivedNames(t *testing.T) {
	const rest = "c9xyz.us-east-1.rds.amazonaws.com"
	type derived struct {
		RDS, Cluster                       bool
		Template, Writer, WithoutGreenName string
	}
	tests := []struct {
		host string
		want derived
	}{
		{"db-1." + rest, derived{true, false, "?." + rest, "", "db-1." + rest}},
		{"db.cluster-" + rest, derived{true, true, "?." + rest, "db.cluster-" + rest, "db.cluster-" + rest}},
		{"db.cluster-ro-" + rest, derived{true, true, "?." + rest, "db.cluster-" + rest, "db.cluster-ro-" + rest}},
		{"DB.CLUSTER-RO-" + rest + ".", derived{true, true, "?." + rest, "db.cluster-" + rest, "db.cluster-ro-" + rest}},
		// A custom endpoint has an identifier of its own: that of its cluster is unknown.
		{"db.cluster-custom-" + rest, derived{true, true, "?." + rest, "", "db.cluster-custom-" + rest}},
		{"db.shardgrp-" + rest, derived{true, false, "?." + rest, "db.shardgrp-" + rest, "db.shardgrp-" + rest}},
		{"db.proxy-" + rest, derived{true, false, "", "", "db.proxy-" + rest}},
		{"db.endpoint.proxy-" + rest, derived{true, false, "", "", "db.endpoint.proxy-" + rest}},
		// The Go wrapper would index out of range here.
		{"db.global-c9xyz.global.rds.amazonaws.com", derived{true, true, "", "db.global-c9xyz.global.rds.amazonaws.com", "db.global-c9xyz.global.rds.amazonaws.com"}},
		{"db.elb.us-east-1.amazonaws.com", derived{false, false, "", "", "db.elb.us-east-1.amazonaws.com"}},
		{"db.example.com", derived{false, false, "", "", "db.example.com"}},
		{"10.0.0.1", derived{false, false, "", "", "10.0.0.1"}},
		{"::1", derived{false, false, "", "", "::1"}},
		{"", derived{}},

		{"db-1-green-abc123." + rest, derived{true, false, "?." + rest, "", "db-1." + rest}},
		{"db-green-abc123.cluster-" + rest, derived{true, true, "?." + rest, "db-green-abc123.cluster-" + rest, "db.cluster-" + rest}},
		{"db-green-abc123.cluster-ro-" + rest, derived{true, true, "?." + rest, "db-green-abc123.cluster-" + rest, "db.cluster-ro-" + rest}},
		{"db-green-abc123.endpoint.proxy-" + rest, derived{true, false, "", "", "db.endpoint.proxy-" + rest}},
		{"p.db-green-abc123." + rest, derived{true, false, "?." + rest, "", "p.db." + rest}},
		{"db-green-aaaaaa-green-bbbbbb." + rest, derived{true, false, "?." + rest, "", "db-green-aaaaaa." + rest}},
		{"db-old1." + rest, derived{true, false, "?." + rest, "", "db-old1." + rest}},
		// The Python wrapper leaves a bare identifier unchanged.
		{"DB-1-Green-ABC123", derived{false, false, "", "", "db-1"}},
	}
	for _, test := range tests {
		e := ParseEndpoint(test.host)
		got := derived{e.IsRDS(), e.IsCluster(), e.InstanceTemplate(), e.WriterEndpoint(), e.WithoutGreen()}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q: -want +got\n%s", test.host, diff)
		}
		if template := e.InstanceTemplate(); template != "" {
			if _, err := parseHostTemplate(template); err != nil {
				t.Errorf("%q: its own instance template is refused: %v", test.host, err)
			}
		}
		if writer := e.WriterEndpoint(); writer != "" && ParseEndpoint(writer).WriterEndpoint() != writer {
			t.Errorf("%q: writer endpoint %q has another writer endpoint", test.host, writer)
		}
	}
}

func TestEndpointKindString(t *testing.T) {
	var got []string
	for kind := EndpointOther; kind <= EndpointGlobalWriter+1; kind++ {
		got = append(got, kind.String())
	}
	want := []string{"other", "ip", "instance", "writer", "reader", "custom", "shard group", "proxy", "global writer", "EndpointKind(9)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestParseEndpointAllocations(t *testing.T) {
	tests := []struct {
		host string
		want float64
	}{
		{"mydb.cluster-ro-c9xyz0abcdef.us-east-1.rds.amazonaws.com", 0},
		{"mydb.cluster-ro-c9xyz0abcdef.us-east-1.rds.amazonaws.com.:5432", 0},
		{"MyDB.cluster-ro-c9xyz0abcdef.us-east-1.rds.amazonaws.com", 1},
		{"db.example.com", 0},
		{"10.1.2.3:5432", 0},
		{"[2001:db8::1]:5432", 0},
	}
	for _, test := range tests {
		got := testing.AllocsPerRun(100, func() { ParseEndpoint(test.host) })
		if got > test.want {
			t.Errorf("ParseEndpoint(%q) allocates %v times, want %v", test.host, got, test.want)
		}
	}
}

func TestSplitHostPort(t *testing.T) {
	type parts struct {
		Host string
		Port uint16
	}
	tests := []struct {
		addr string
		want parts
	}{
		{"", parts{}},
		{"localhost", parts{"localhost", 0}},
		{"LocalHost:5432", parts{"LocalHost", 5432}},
		{"db.example.com.:1", parts{"db.example.com.", 1}},
		{"db.example.com:65535", parts{"db.example.com", 65535}},
		{":3306", parts{"", 3306}},
		{"10.0.0.1:3306", parts{"10.0.0.1", 3306}},
		{"::1", parts{"::1", 0}},
		{"[::1]", parts{"::1", 0}},
		{"[::1]:5432", parts{"::1", 5432}},
		{"fe80::1%eth0", parts{"fe80::1%eth0", 0}},
		{"[fe80::1%eth0]:5432", parts{"fe80::1%eth0", 5432}},
		{"2001:db8::5432", parts{"2001:db8::5432", 0}},
		{"/tmp/.s.PGSQL:1", parts{"/tmp/.s.PGSQL:1", 0}},
		{"@abstract", parts{"@abstract", 0}},
		{`c:/sockets`, parts{`c:/sockets`, 0}},
	}
	for _, test := range tests {
		host, port, err := SplitHostPort(test.addr)
		if err != nil {
			t.Errorf("SplitHostPort(%q): %v", test.addr, err)
		}
		if diff := cmp.Diff(test.want, parts{host, port}); diff != "" {
			t.Errorf("SplitHostPort(%q): -want +got\n%s", test.addr, diff)
		}
		if port == 0 {
			continue
		}
		joined := net.JoinHostPort(host, strconv.Itoa(int(port)))
		if again, _, err := SplitHostPort(joined); again != host || err != nil {
			t.Errorf("SplitHostPort(%q) = %q, %v; want host %q again", joined, again, err, host)
		}
	}
}

func TestSplitHostPortErrors(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"host:", `address "host:" has an invalid port: write a number from 1 to 65535`},
		{"host:0", "invalid port"},
		{"host:65536", "invalid port"},
		{"host:99999999999999999999", "invalid port"},
		{"host:+1", "invalid port"},
		{"host:pg", "invalid port"},
		{"[::1]:", "invalid port"},
		{"[::1]:x", "invalid port"},
		{"a:b:c", "write host:port or [2001:db8::1]:5432"},
		{"::1::", "write host:port or [2001:db8::1]:5432"},
		{"[::1", "wrong brackets"},
		{"[::1]5432", "wrong brackets"},
		{"[localhost]:5432", "wrong brackets"},
		{"[10.0.0.1]:5432", "wrong brackets"},
		{"postgres://u:hunter2@host/db", "write host or host:port"},
		{"u:hunter2@host:5432", "write host or host:port"},
		{"u:hunter2@[::1]:5432", "write host or host:port"},
		{"host/db?password=hunter2", "write host or host:port"},
	}
	for _, test := range tests {
		host, port, err := SplitHostPort(test.addr)
		if err == nil {
			t.Errorf("SplitHostPort(%q) = %q, %d; want an error", test.addr, host, port)
			continue
		}
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("SplitHostPort(%q): error %q lacks %q", test.addr, err, test.want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("SplitHostPort(%q): error %q tells the password", test.addr, err)
		}
	}
}

func TestHostTemplate(t *testing.T) {
	type host struct {
		Name string
		Port uint16
	}
	tests := []struct {
		template string
		text     string // of String
		want     host
	}{
		{"?.c9xyz.us-east-1.rds.amazonaws.com", "?.c9xyz.us-east-1.rds.amazonaws.com", host{"mydb-1.c9xyz.us-east-1.rds.amazonaws.com", 0}},
		{" ?.C9xyz.us-east-1.rds.amazonaws.com.:5432 ", "?.c9xyz.us-east-1.rds.amazonaws.com:5432", host{"mydb-1.c9xyz.us-east-1.rds.amazonaws.com", 5432}},
		{"prod-?.db.Example.com", "prod-?.db.example.com", host{"prod-mydb-1.db.example.com", 0}},
		{"db.?", "db.?", host{"db.mydb-1", 0}},
		{"?:3307", "?:3307", host{"mydb-1", 3307}},
		{"?.bücher.example", "?.bücher.example", host{"mydb-1.bücher.example", 0}},
	}
	for _, test := range tests {
		template, err := parseHostTemplate(test.template)
		if err != nil {
			t.Errorf("parseHostTemplate(%q): %v", test.template, err)
			continue
		}
		name, port := template.Host("MyDB-1")
		if diff := cmp.Diff(test.want, host{name, port}); diff != "" {
			t.Errorf("parseHostTemplate(%q).Host: -want +got\n%s", test.template, diff)
		}
		if got := template.String(); got != test.text {
			t.Errorf("parseHostTemplate(%q).String() = %q, want %q", test.template, got, test.text)
		}
		if again, err := parseHostTemplate(template.String()); again != template || err != nil {
			t.Errorf("parseHostTemplate(%q) does not read its own String: %v, %v", test.template, again, err)
		}
		if template.IsZero() {
			t.Errorf("parseHostTemplate(%q) is the zero value", test.template)
		}
	}
	if name, port := (hostTemplate{}).Host("MyDB-1"); name != "mydb-1" || port != 0 || !(hostTemplate{}).IsZero() {
		t.Errorf("zero template: %q, %d", name, port)
	}
}

func TestParseHostTemplateErrors(t *testing.T) {
	const rest = "c9xyz.us-east-1.rds.amazonaws.com"
	const one = `must contain exactly one "?", in place of the instance identifier: write for example ?.`
	tests := []struct{ template, want string }{
		{"", one},
		{"db." + rest, `host pattern "db.` + rest + `" ` + one},
		{"?.?." + rest, one},
		{"?.proxy-" + rest, "is the name of a proxy endpoint, not of an instance: write"},
		{"?.endpoint.proxy-" + rest, "proxy endpoint"},
		{"?.CLUSTER-CUSTOM-" + rest + ".", "custom endpoint"},
		{"db.cluster-custom-?.us-east-1.rds.amazonaws.com", "custom endpoint"},
		{"?.cluster-" + rest, "writer endpoint"},
		{"?.cluster-ro-" + rest, "reader endpoint"},
		{"?.shardgrp-" + rest, "shard group endpoint"},
		{"?.global-c9xyz.global.rds.amazonaws.com", "global writer endpoint"},
		{"?.example.com:port", "invalid port"},
		{"example.com:?", "invalid port"},
		{"[?]:5432", "wrong brackets"},
		{"?..example.com", "is not a host name"},
		{"?.example.com..", "is not a host name"},
		{".?", "is not a host name"},
		{"? .example.com", "is not a host name"},
		{"?.example.com,?", one},
		{"?;example.com", "is not a host name"},
		{"/tmp/?", "is not a host name"},
		{"u:hunter2@?.example.com", "without scheme, user, password"},
		{"postgres://u:hunter2@?.example.com/db", "without scheme, user, password"},
	}
	for _, test := range tests {
		template, err := parseHostTemplate(test.template)
		checkConfigError(t, "parseHostTemplate", test.template, err, test.want)
		if !template.IsZero() {
			t.Errorf("parseHostTemplate(%q) = %v beside its error", test.template, template)
		}
	}
}

func checkConfigError(t *testing.T, function, argument string, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s(%q) accepts it, want an error with %q", function, argument, want)
	case !errors.Is(err, ErrConfig):
		t.Errorf("%s(%q): %v is no ErrConfig", function, argument, err)
	case !strings.Contains(err.Error(), want):
		t.Errorf("%s(%q): error %q lacks %q", function, argument, err, want)
	case strings.Contains(err.Error(), "hunter2"):
		t.Errorf("%s(%q): error %q tells the password", function, argument, err)
	}
}

func TestParseGlobalTemplates(t *testing.T) {
	tests := []struct {
		given string
		want  map[string]string
	}{
		{
			"?.c9xyz.us-east-2.rds.amazonaws.com,?.c8abc.EU-WEST-1.rds.amazonaws.com:5433",
			map[string]string{"us-east-2": "?.c9xyz.us-east-2.rds.amazonaws.com", "eu-west-1": "?.c8abc.eu-west-1.rds.amazonaws.com:5433"},
		},
		{
			"[US-East-2]?.my.domain:5433 , [eu-west-1] ?.other.domain,",
			map[string]string{"us-east-2": "?.my.domain:5433", "eu-west-1": "?.other.domain"},
		},
		{
			"us-east-2:?.c9xyz.us-east-2.rds.amazonaws.com:5433,eu-west-1:prod-?.my.domain",
			map[string]string{"us-east-2": "?.c9xyz.us-east-2.rds.amazonaws.com:5433", "eu-west-1": "prod-?.my.domain"},
		},
		{
			"?.c9xyz.rds.cn-north-1.amazonaws.com.cn,[a]?:1,b:?:2",
			map[string]string{"cn-north-1": "?.c9xyz.rds.cn-north-1.amazonaws.com.cn", "a": "?:1", "b": "?:2"},
		},
	}
	for _, test := range tests {
		templates, err := parseGlobalTemplates(test.given)
		if err != nil {
			t.Errorf("parseGlobalTemplates(%q): %v", test.given, err)
		}
		got := map[string]string{}
		for region, template := range templates {
			got[region] = template.String()
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("parseGlobalTemplates(%q): -want +got\n%s", test.given, diff)
		}
	}
}

func TestParseGlobalTemplatesErrors(t *testing.T) {
	const rest = "c9xyz.us-east-2.rds.amazonaws.com"
	tests := []struct{ given, want string }{
		{"", "no host pattern given: write one per region, for example ?."},
		{" , ", "no host pattern given"},
		{"?.my.domain", `host pattern "?.my.domain" does not tell its region: write [us-east-2]?.my.domain`},
		{"?.c9xyz.global.rds.amazonaws.com", "does not tell its region"},
		{"?." + rest + ",[US-EAST-2]?.my.domain", "region us-east-2 has two host patterns"},
		{"[us-east-1]?." + rest, "is in region us-east-2, not in us-east-1"},
		{"us-east-1:?." + rest, "is in region us-east-2, not in us-east-1"},
		{"[]?.my.domain", "is not one: write for example [us-east-2]?.my.domain"},
		{"us east:?.my.domain", "is not one"},
		{"[us-east-2?.my.domain", "wrong brackets"},
		{"[us-east-2]my.domain", `must contain exactly one "?"`},
		{"us-east-2:?.proxy-" + rest, "proxy endpoint"},
		{"u:hunter2@?.my.domain", "without scheme"},
		{"u@hunter2:?.my.domain", "is not one"},
		{"postgres://u:hunter2@?.my.domain", "host pattern is not a host name"},
	}
	for _, test := range tests {
		_, err := parseGlobalTemplates(test.given)
		checkConfigError(t, "parseGlobalTemplates", test.given, err, test.want)
	}
}

func BenchmarkParseEndpoint(b *testing.B) {
	hosts := map[string]string{
		"reader":    "mydb.cluster-ro-c9xyz0abcdef.us-east-1.rds.amazonaws.com",
		"upperCase": "MYDB.CLUSTER-RO-C9XYZ0ABCDEF.US-EAST-1.RDS.AMAZONAWS.COM.",
		"china":     "mydb-green-abc123.c9xyz0abcdef.rds.cn-north-1.amazonaws.com.cn",
		"other":     "db.example.com",
		"ipv6":      "[2001:db8::1]:5432",
	}
	for name, host := range hosts {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ParseEndpoint(host)
			}
		})
	}
}
