package core

import (
	"slices"
	"strings"
	"testing"
)

// endpointMarkers is what may stand between name and domain.
var endpointMarkers = map[EndpointKind][]string{
	EndpointInstance:     {"."},
	EndpointWriter:       {".cluster-"},
	EndpointReader:       {".cluster-ro-"},
	EndpointCustom:       {".cluster-custom-"},
	EndpointShardGroup:   {".shardgrp-"},
	EndpointProxy:        {".proxy-", ".endpoint.proxy-"},
	EndpointGlobalWriter: {".global-"},
}

func FuzzParseEndpoint(f *testing.F) {
	for _, shape := range endpointShapes {
		for _, place := range endpointLocations {
			location := strings.NewReplacer("REGION", place.region, "SERVICE", "rds").Replace(place.location)
			f.Add(shape.name + "-green-abc123." + shape.marker + "c9xyz." + location)
		}
	}
	for _, host := range []string{"", ".", "a.:1", "a.:1.", "::1.", "[fe80::1%A]b]:5", "fe80::1%:1", "1.2.3.4.", "@", "[", "C:\\x",
		"w.global-x.global.rds.amazonaws.com", "x.elb.r.amazonaws.eu", "rds.rds.rds.rds.amazonaws.com", "\u212a\xff-old1"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		e := ParseEndpoint(host)
		if again := ParseEndpoint(e.Host); again != e {
			t.Errorf("%q is not stable: %+v, then %+v", host, e, again)
		}
		if !isSocketPath(host) && e.Kind != EndpointIP {
			if upper := ParseEndpoint(strings.Map(upperASCII, strings.ToValidUTF8(host, "?"))); upper != ParseEndpoint(strings.ToValidUTF8(host, "?")) {
				t.Errorf("%q depends on case: %+v", host, upper)
			}
		}
		if e.Green && len(e.WithoutGreen()) != len(e.Host)-len("-green-xxxxxx") {
			t.Errorf("%q without green is %q", host, e.WithoutGreen())
		}
		checkRebuilds(t, e)
	})
}

func upperASCII(r rune) rune {
	if 'a' <= r && r <= 'z' {
		return r - ('a' - 'A')
	}
	return r
}

// checkRebuilds checks that name, marker and domain of an RDS name give the host, and that other names have none.
func checkRebuilds(t *testing.T, e Endpoint) {
	t.Helper()
	if !e.IsRDS() {
		if e.Name != "" || e.Domain != "" || e.InstanceTemplate() != "" || e.WriterEndpoint() != "" {
			t.Errorf("not an RDS name, but: %+v", e)
		}
		return
	}
	rebuilds := func(marker string) bool { return e.Name+marker+e.Domain == e.Host }
	if e.Name == "" || e.Domain == "" || !slices.ContainsFunc(endpointMarkers[e.Kind], rebuilds) {
		t.Errorf("name, marker and domain do not give the host: %+v", e)
	}
	if (e.Region == "") != (e.Kind == EndpointGlobalWriter) || !strings.Contains(e.Domain, e.Region) {
		t.Errorf("wrong region: %+v", e)
	}
}

func FuzzSplitHostPort(f *testing.F) {
	for _, addr := range []string{"", "a", "a:1", "a:", ":1", "::1", "[::1]:1", "[::1]", "[fe80::1%x]:65535", "/a:1", "a@b", "a:65536"} {
		f.Add(addr)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		host, port, err := SplitHostPort(addr)
		if err != nil {
			if host != "" || port != 0 {
				t.Errorf("%q: %q, %d beside the error %v", addr, host, port, err)
			}
			return
		}
		if again, none, err := SplitHostPort(host); again != host || none != 0 || err != nil {
			t.Errorf("%q: its host %q becomes %q, %d, %v", addr, host, again, none, err)
		}
	})
}

func FuzzParseGlobalTemplates(f *testing.F) {
	for _, s := range []string{"", "?.c9xyz.us-east-2.rds.amazonaws.com:1", "[us-east-2]?.my.domain:5433,[b]?", "us-east-2:?.my.domain:5433,x:?", "[a?", "a:b:?", "?,?", "[a]b:?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		templates, err := parseGlobalTemplates(s)
		if (err == nil) == (len(templates) == 0) {
			t.Errorf("%q: %v, %v", s, templates, err)
		}
		for region, template := range templates {
			again, err := parseGlobalTemplates("[" + region + "]" + template.String())
			if err != nil || again[region] != template {
				t.Errorf("%q: template %v of %s is not read again: %v, %v", s, template, region, again, err)
			}
			if host, _ := template.Host("db-1"); !strings.Contains(host, "db-1") || strings.Contains(host, "?") {
				t.Errorf("%q: template %v makes host %q", s, template, host)
			}
		}
	})
}
