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

// Addresses.

// SplitHostPort splits "host", "host:port", "[v6]:port", "[v6]" and bare "v6" (zones included). The port is 0
// when absent, and the host comes without brackets, otherwise as given; net.JoinHostPort puts both together
// again. A socket path is a host. Errors never quote what may hold a password.
func SplitHostPort(addr string) (host string, port uint16, err error) {
	host, port, problem := cutPort(addr)
	switch {
	case problem == "":
		return host, port, nil
	case mayHoldSecret(addr):
		return "", 0, fmt.Errorf("address %s", problem)
	}
	return "", 0, fmt.Errorf("address %q %s", addr, problem)
}

// cutPort does the work of SplitHostPort. The problem, if any, is a constant text, so that nothing allocates.
func cutPort(addr string) (host string, port uint16, problem string) {
	const brackets = `has wrong brackets: write [2001:db8::1]:5432 for an IPv6 address, and none around a name`
	switch {
	case isSocketPath(addr):
		return addr, 0, ""
	case strings.ContainsAny(addr, `/\@`):
		return "", 0, `is not a host: write host or host:port, without scheme, user, password and path`
	case strings.HasPrefix(addr, "["):
		end := strings.LastIndexByte(addr, ']')
		if end < 0 || !isIPv6(addr[1:end]) {
			return "", 0, brackets
		}
		host = addr[1:end]
		rest := addr[end+1:]
		if rest == "" {
			return host, 0, ""
		}
		if rest[0] != ':' {
			return "", 0, brackets
		}
		port, problem = parsePort(rest[1:])
		return host, port, problem
	}
	host, text, found := strings.Cut(addr, ":")
	switch {
	case !found:
		return addr, 0, ""
	case strings.Contains(text, ":"):
		if isIPv6(addr) {
			return addr, 0, ""
		}
		return "", 0, `has more than one colon and is no IPv6 address: write host:port or [2001:db8::1]:5432`
	}
	port, problem = parsePort(text)
	return host, port, problem
}

func parsePort(text string) (port uint16, problem string) {
	const invalid = `has an invalid port: write a number from 1 to 65535 after the colon, or leave both out`
	number := 0
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, invalid
		}
		number = number*10 + int(text[i]-'0')
		if number > 65535 {
			return 0, invalid
		}
	}
	if number == 0 {
		return 0, invalid
	}
	return uint16(number), ""
}

// isSocketPath reports whether host is the path of a Unix socket, in the forms that pgx and go-sql-driver
// take for one: absolute, abstract ("@name"), or with a Windows drive letter.
func isSocketPath(host string) bool {
	if host == "" {
		return false
	}
	if host[0] == '/' || host[0] == '@' {
		return true
	}
	drive := host[0] | 0x20 // lower case
	return len(host) >= 3 && 'a' <= drive && drive <= 'z' && host[1] == ':' && (host[2] == '\\' || host[2] == '/')
}

func isIPv6(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is6()
}

// mayHoldSecret reports whether text looks like a URL or like user:password@host.
func mayHoldSecret(text string) bool { return strings.ContainsAny(text, "/@") }

// Host templates.

// HostTemplate is a pattern of instance host names, as in cluster_instance_host_pattern. It is comparable.
// The zero value stands for "not configured".
type HostTemplate struct {
	pattern string // lower case, without port
	port    uint16 // 0: not given
}

// exampleTemplate is what errors tell people to write.
const exampleTemplate = "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com"

// ParseHostTemplate checks a pattern such as "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com" or "?.db.example.com:5432".
// It must contain exactly one "?", which stands for the instance identifier, may end in a port, and must not be
// the name of a proxy or of a cluster, because those never lead to one chosen instance. Errors wrap ErrConfig.
func ParseHostTemplate(s string) (HostTemplate, error) {
	fail := func(problem string) (HostTemplate, error) {
		if mayHoldSecret(s) {
			return HostTemplate{}, fmt.Errorf("%w: host pattern %s", ErrConfig, problem)
		}
		return HostTemplate{}, fmt.Errorf("%w: host pattern %q %s", ErrConfig, s, problem)
	}
	host, port, problem := cutPort(strings.TrimSpace(s))
	if problem != "" {
		return fail(problem)
	}
	if strings.Count(host, "?") != 1 {
		return fail(`must contain exactly one "?", in place of the instance identifier: write for example ` + exampleTemplate)
	}
	pattern := lowerASCII(trimDot(host))
	example := strings.Replace(pattern, "?", "x", 1)
	if !isHostName(example) {
		return fail("is not a host name: write for example " + exampleTemplate)
	}
	switch kind := ParseEndpoint(example).Kind; kind {
	case EndpointOther, EndpointInstance:
		return HostTemplate{pattern: pattern, port: port}, nil
	default:
		return fail("is the name of a " + kind.String() + " endpoint, not of an instance: write for example " + exampleTemplate)
	}
}

// Host returns the host name, in lower case, and the port of the instance with the given identifier.
// The port is 0 when the template names none. The zero template returns the identifier.
func (t HostTemplate) Host(id string) (host string, port uint16) {
	before, after, _ := strings.Cut(t.pattern, "?")
	return before + lowerASCII(id) + after, t.port
}

// IsZero reports whether t is the zero value: no template was configured.
func (t HostTemplate) IsZero() bool { return t == HostTemplate{} }

// String returns the template as ParseHostTemplate takes it.
func (t HostTemplate) String() string {
	if t.port == 0 {
		return t.pattern
	}
	return fmt.Sprintf("%s:%d", t.pattern, t.port)
}

// ParseGlobalTemplates reads the comma-separated templates of a global database, one per region, in any of the
// spellings that the AWS wrappers have for global_cluster_instance_host_patterns:
//
//	?.c9xyz0abcdef.us-east-2.rds.amazonaws.com[:port]
//	[us-east-2]?.db.example.com[:port]
//	us-east-2:?.db.example.com[:port]
//
// The keys are regions in lower case. Errors wrap ErrConfig.
func ParseGlobalTemplates(s string) (map[string]HostTemplate, error) {
	templates := make(map[string]HostTemplate)
	for element := range strings.SplitSeq(s, ",") {
		element = strings.TrimSpace(element)
		if element == "" {
			continue // a comma too many
		}
		region, template, err := parseRegionTemplate(element)
		if err != nil {
			return nil, err
		}
		if _, found := templates[region]; found {
			return nil, fmt.Errorf("%w: region %s has two host patterns: write one per region", ErrConfig, region)
		}
		templates[region] = template
	}
	if len(templates) == 0 {
		return nil, fmt.Errorf("%w: no host pattern given: write one per region, for example %s", ErrConfig, exampleTemplate)
	}
	return templates, nil
}

// parseRegionTemplate reads one element of ParseGlobalTemplates.
func parseRegionTemplate(element string) (region string, template HostTemplate, err error) {
	prefix, pattern, hasPrefix := cutRegionPrefix(element)
	template, err = ParseHostTemplate(pattern)
	if err != nil {
		return "", HostTemplate{}, err
	}
	host, _ := template.Host("x")
	region = ParseEndpoint(host).Region
	if !hasPrefix {
		if region == "" {
			return "", HostTemplate{}, fmt.Errorf("%w: host pattern %q does not tell its region: write [us-east-2]%s",
				ErrConfig, pattern, pattern)
		}
		return region, template, nil
	}
	given := lowerASCII(strings.TrimSpace(prefix))
	if !isRegionLabel(given) {
		// The text is not quoted: it may be the start of a URL.
		return "", HostTemplate{}, fmt.Errorf("%w: the region given for host pattern %q is not one: write for example [us-east-2]%s",
			ErrConfig, pattern, pattern)
	}
	if region != "" && region != given {
		return "", HostTemplate{}, fmt.Errorf("%w: host pattern %q is in region %s, not in %s: correct one of the two",
			ErrConfig, pattern, region, given)
	}
	return given, template, nil
}

// cutRegionPrefix splits "[region]pattern" and "region:pattern". A colon behind the "?" starts a port.
func cutRegionPrefix(element string) (region, pattern string, found bool) {
	if rest, ok := strings.CutPrefix(element, "["); ok {
		if region, pattern, ok = strings.Cut(rest, "]"); ok {
			return region, pattern, true
		}
		return "", element, false
	}
	colon := strings.IndexByte(element, ':')
	if colon >= 0 && strings.Contains(element[colon:], "?") {
		return element[:colon], element[colon+1:], true
	}
	return "", element, false
}

// isHostName reports whether s can be a host name. Letters beyond ASCII are left to the resolver.
func isHostName(s string) bool {
	const never = "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~"
	isControl := func(r rune) bool { return r <= ' ' || r == 0x7f }
	return isDotted(s) && !strings.ContainsAny(s, never) && !strings.ContainsFunc(s, isControl)
}
