package core

import (
	"fmt"
	"net/netip"
	"strings"
)

// EndpointKind says what a host name stands for.
type EndpointKind uint8

const (
	// EndpointOther is every name that is not known to be an RDS one: custom domains, localhost, socket paths.
	EndpointOther EndpointKind = iota
	// EndpointIP is an IPv4 or IPv6 address.
	EndpointIP
	// EndpointInstance is the name of one database instance.
	EndpointInstance
	// EndpointWriter follows the writer of a cluster ("cluster endpoint").
	EndpointWriter
	// EndpointReader rotates over the readers of a cluster.
	EndpointReader
	// EndpointCustom covers a subset of a cluster's instances that its owner chose.
	EndpointCustom
	// EndpointShardGroup is an Aurora Limitless shard group.
	EndpointShardGroup
	// EndpointProxy is an RDS Proxy, or one of its additional endpoints.
	EndpointProxy
	// EndpointGlobalWriter follows the writer of a global database.
	EndpointGlobalWriter
)

var endpointKindNames = [...]string{
	EndpointOther:        "other",
	EndpointIP:           "ip",
	EndpointInstance:     "instance",
	EndpointWriter:       "writer",
	EndpointReader:       "reader",
	EndpointCustom:       "custom",
	EndpointShardGroup:   "shard group",
	EndpointProxy:        "proxy",
	EndpointGlobalWriter: "global writer",
}

// String returns the kind in lower-case words, for logs and errors.
func (k EndpointKind) String() string {
	if int(k) < len(endpointKindNames) {
		return endpointKindNames[k]
	}
	return fmt.Sprintf("EndpointKind(%d)", uint8(k))
}

// Endpoint is what a host name tells by its shape. It is comparable; two spellings of one host
// (case, one trailing dot, port) give equal values.
type Endpoint struct {
	// Host is the name as given, in lower case, without port, brackets and trailing dot.
	// Socket paths and IPv6 zones keep their case.
	Host string
	// Kind is what the name stands for.
	Kind EndpointKind
	// Name is the first part of an RDS name: the identifier of the instance, cluster, custom endpoint,
	// shard group, proxy, proxy endpoint or global cluster. It may contain dots, and keeps a
	// "-green-xxxxxx" or "-old1" suffix. Empty for names that are not RDS ones.
	Name string
	// Region is the AWS region. Empty for the global writer and for names that are not AWS ones;
	// load balancers (EndpointOther) have one. Regions are not checked against a list.
	Region string
	// Domain is what follows the name and the marker: "c9xyz0abcdef.us-east-1.rds.amazonaws.com".
	// Empty for names that are not RDS ones.
	Domain string
	// Green tells that the name ends in "-green-" and six letters or digits: the new side of a blue/green deployment.
	Green bool
	// Old tells that the name ends in "-old1": the retired side of a blue/green deployment.
	Old bool
}

// labelOrder is a set of the orders in which region and service label may stand in front of a suffix.
type labelOrder uint8

const (
	regionFirst  labelOrder = 1 << iota // us-east-1.rds
	serviceFirst                        // rds.us-east-1
	eitherOrder  = regionFirst | serviceFirst
)

// partitions lists the DNS suffixes of the AWS partitions. Sources: the patterns of the AWS wrappers, and for
// the last two, which none of them has, the partition data of the AWS SDKs (aws-iso-e and aws-iso-f).
var partitions = [...]struct {
	suffix string
	order  labelOrder
}{
	{".amazonaws.com", eitherOrder},
	{".amazonaws.com.cn", eitherOrder},
	{".amazonaws.eu", regionFirst},
	{".amazonaws.au", regionFirst},
	{".amazonaws.uk", regionFirst},
	{".c2s.ic.gov", eitherOrder}, // region first in shard group names
	{".sc2s.sgov.gov", eitherOrder},
	{".cloud.adc-e.uk", eitherOrder},
	{".csp.hci.ic.gov", eitherOrder},
}

// markers lists what may be glued to the front of the account label, longer ones before their prefixes.
var markers = [...]struct {
	text string
	kind EndpointKind
}{
	{"cluster-custom-", EndpointCustom},
	{"cluster-ro-", EndpointReader},
	{"cluster-", EndpointWriter},
	{"shardgrp-", EndpointShardGroup},
	{"proxy-", EndpointProxy},
	{"global-", EndpointGlobalWriter},
}

const (
	greenMarker    = "-green-"
	greenSuffixLen = len(greenMarker) + 6
	oldSuffix      = "-old1"
)

// ParseEndpoint reads what the shape of a host name tells. A port is ignored. It never fails: a shape it does
// not know is an EndpointOther, and text that is no address at all is kept, in lower case, as its Host.
func ParseEndpoint(host string) Endpoint {
	name, _, problem := cutPort(host)
	switch {
	case problem != "":
		return Endpoint{Host: lowerASCII(host)}
	case isSocketPath(name):
		return Endpoint{Host: name}
	case strings.Contains(name, ":"): // cutPort leaves colons in IPv6 addresses only
		return Endpoint{Host: lowerIPv6(name), Kind: EndpointIP}
	}
	e := Endpoint{Host: lowerASCII(trimDot(name))}
	if isIPv4(e.Host) {
		e.Kind = EndpointIP
		return e
	}
	e.classify()
	label := e.deploymentLabel()
	e.Green = hasGreenSuffix(label)
	e.Old = hasOldSuffix(label)
	return e
}

// IsRDS reports whether the name is one that RDS gave out, of any kind.
func (e Endpoint) IsRDS() bool {
	return e.Kind != EndpointOther && e.Kind != EndpointIP
}

// IsCluster reports whether the name stands for a cluster rather than one host:
// writer, reader, custom and global writer endpoints.
func (e Endpoint) IsCluster() bool {
	switch e.Kind {
	case EndpointWriter, EndpointReader, EndpointCustom, EndpointGlobalWriter:
		return true
	}
	return false
}

// InstanceTemplate returns the pattern of the instance names beside this endpoint, with "?" for the identifier:
// "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com". It is empty when the name does not tell: for proxies,
// global writers and everything that is not an RDS name, cluster_instance_host_pattern must be configured.
func (e Endpoint) InstanceTemplate() string {
	switch e.Kind {
	case EndpointInstance, EndpointWriter, EndpointReader, EndpointCustom, EndpointShardGroup:
		return "?." + e.Domain
	}
	return ""
}

// WriterEndpoint returns the host name that follows the writer: for a reader endpoint that of its cluster, and
// for writer, global writer and shard group endpoints their own. It is empty when the name does not tell:
// instances, proxies and custom endpoints do not carry the identifier of their cluster.
func (e Endpoint) WriterEndpoint() string {
	switch e.Kind {
	case EndpointWriter, EndpointGlobalWriter, EndpointShardGroup:
		return e.Host
	case EndpointReader:
		return e.Name + ".cluster-" + e.Domain
	}
	return ""
}

// WithoutGreen returns Host without its "-green-xxxxxx" suffix: the name that the green side takes over at a
// blue/green switchover. It works for bare identifiers too, and returns Host itself when Green is false.
func (e Endpoint) WithoutGreen() string {
	if !e.Green {
		return e.Host
	}
	end := len(e.deploymentLabel())
	return e.Host[:end-greenSuffixLen] + e.Host[end:]
}

// classify fills everything but the blue/green flags of an endpoint whose Host is a normalised name.
func (e *Endpoint) classify() {
	for _, partition := range partitions {
		if rest, ok := strings.CutSuffix(e.Host, partition.suffix); ok {
			e.classifyAWS(rest, partition.order)
			return
		}
	}
}

// classifyAWS does the work of classify for rest, which is Host without its partition's suffix.
func (e *Endpoint) classifyAWS(rest string, order labelOrder) {
	rest, second := cutLastLabel(rest)
	rest, first := cutLastLabel(rest)
	var region string
	switch {
	case isServiceLabel(second) && order&regionFirst != 0:
		region = first
	case isServiceLabel(first) && order&serviceFirst != 0:
		region = second
	case first == "elb" && rest != "" && isRegionLabel(second):
		e.Region = second // a load balancer, in front of anything
		return
	}
	name, account := cutLastLabel(rest)
	kind, marker := classifyAccountLabel(account)
	if !isRegionLabel(region) || !isDotted(name) || kind == EndpointOther {
		return
	}
	// The word "global" stands in place of a region, with the marker "global-" and never without.
	if (region == "global") != (kind == EndpointGlobalWriter) {
		return
	}
	e.Kind = kind
	e.Name = name
	e.Domain = e.Host[len(name)+len(".")+len(marker):]
	if kind != EndpointGlobalWriter {
		e.Region = region
	}
	if kind == EndpointProxy {
		// Additional endpoints of a proxy: <endpoint>.endpoint.proxy-<account>...
		e.Name = strings.TrimSuffix(name, ".endpoint")
	}
}

// classifyAccountLabel splits "cluster-ro-c9xyz0abcdef" into kind and marker. EndpointOther: not such a label.
func classifyAccountLabel(label string) (kind EndpointKind, marker string) {
	for _, m := range markers {
		if account, ok := strings.CutPrefix(label, m.text); ok && isAlphanumeric(account) {
			return m.kind, m.text
		}
	}
	if isAlphanumeric(label) {
		return EndpointInstance, ""
	}
	return EndpointOther, ""
}

// deploymentLabel returns the part at the start of Host whose end may carry a blue/green suffix.
func (e Endpoint) deploymentLabel() string {
	if e.Name != "" {
		return e.Name
	}
	label, _, _ := strings.Cut(e.Host, ".")
	return label
}

func hasGreenSuffix(label string) bool {
	start := len(label) - greenSuffixLen
	return start > 0 && label[start-1] != '.' &&
		strings.HasPrefix(label[start:], greenMarker) &&
		isAlphanumeric(label[start+len(greenMarker):])
}

func hasOldSuffix(label string) bool {
	name, found := strings.CutSuffix(label, oldSuffix)
	return found && name != "" && name[len(name)-1] != '.'
}

func isServiceLabel(label string) bool { return label == "rds" || label == "rds-fips" }

// isRegionLabel accepts any region that can be written: new ones appear every year.
func isRegionLabel(label string) bool {
	for i := range len(label) {
		if !isAlphanumericByte(label[i]) && label[i] != '-' {
			return false
		}
	}
	return label != ""
}

func isAlphanumeric(s string) bool {
	for i := range len(s) {
		if !isAlphanumericByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// isAlphanumericByte expects lower case.
func isAlphanumericByte(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// isDotted reports whether s is one or more labels, none of them empty.
func isDotted(s string) bool {
	return s != "" && s[0] != '.' && s[len(s)-1] != '.' && !strings.Contains(s, "..")
}

// cutLastLabel splits "a.b.c" into "a.b" and "c".
func cutLastLabel(s string) (rest, label string) {
	if i := strings.LastIndexByte(s, '.'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return "", s
}

// trimDot removes the one trailing dot of an absolute DNS name; more than one is no DNS name and stays.
func trimDot(name string) string {
	if trimmed, ok := strings.CutSuffix(name, "."); ok && trimmed != "" && trimmed[len(trimmed)-1] != '.' {
		return trimmed
	}
	return name
}

// lowerASCII lower-cases the letters that DNS considers equal in either case. strings.ToLower would also
// turn a few other letters, such as the Kelvin sign, into ASCII ones.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return lowerFrom(s, i)
		}
	}
	return s
}

func lowerFrom(s string, start int) string {
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:start])
	for i := start; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// lowerIPv6 leaves the zone alone: names of network interfaces are case-sensitive.
func lowerIPv6(addr string) string {
	if i := strings.IndexByte(addr, '%'); i >= 0 {
		lowered := lowerASCII(addr[:i])
		if lowered == addr[:i] {
			return addr
		}
		return lowered + addr[i:]
	}
	return lowerASCII(addr)
}

// isIPv4 reports whether host is four decimal octets. Names are turned away before netip, whose errors allocate.
func isIPv4(host string) bool {
	if len(host) > len("255.255.255.255") {
		return false
	}
	for i := range len(host) {
		if (host[i] < '0' || host[i] > '9') && host[i] != '.' {
			return false
		}
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is4()
}
