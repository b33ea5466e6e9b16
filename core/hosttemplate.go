package core

import (
	"fmt"
	"strings"
)

// hostTemplate is a pattern of instance host names, as in cluster_instance_host_pattern. It is comparable.
// The zero value stands for "not configured".
type hostTemplate struct {
	pattern string // lower case, without port
	port    uint16 // 0: not given
}

// exampleTemplate is what errors tell people to write.
const exampleTemplate = "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com"

// parseHostTemplate checks a pattern such as "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com" or "?.db.example.com:5432".
// It must contain exactly one "?", which stands for the instance identifier, may end in a port, and must not be
// the name of a proxy or of a cluster, because those never lead to one chosen instance. Errors wrap ErrConfig.
func parseHostTemplate(s string) (hostTemplate, error) {
	fail := func(problem string) (hostTemplate, error) {
		if mayHoldSecret(s) {
			return hostTemplate{}, fmt.Errorf("%w: host pattern %s", ErrConfig, problem)
		}
		return hostTemplate{}, fmt.Errorf("%w: host pattern %q %s", ErrConfig, s, problem)
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
		return hostTemplate{pattern: pattern, port: port}, nil
	default:
		return fail("is the name of a " + kind.String() + " endpoint, not of an instance: write for example " + exampleTemplate)
	}
}

// Host returns the host name, in lower case, and the port of the instance with the given identifier.
// The port is 0 when the template names none. The zero template returns the identifier.
func (t hostTemplate) Host(id string) (host string, port uint16) {
	before, after, _ := strings.Cut(t.pattern, "?")
	return before + lowerASCII(id) + after, t.port
}

// IsZero reports whether t is the zero value: no template was configured.
func (t hostTemplate) IsZero() bool { return t == hostTemplate{} }

// String returns the template as parseHostTemplate takes it.
func (t hostTemplate) String() string {
	if t.port == 0 {
		return t.pattern
	}
	return fmt.Sprintf("%s:%d", t.pattern, t.port)
}

// parseGlobalTemplates reads the comma-separated templates of a global database, one per region, in any of the
// spellings that the AWS wrappers have for global_cluster_instance_host_patterns:
//
//	?.c9xyz0abcdef.us-east-2.rds.amazonaws.com[:port]
//	[us-east-2]?.db.example.com[:port]
//	us-east-2:?.db.example.com[:port]
//
// The keys are regions in lower case. Errors wrap ErrConfig.
func parseGlobalTemplates(s string) (map[string]hostTemplate, error) {
	templates := make(map[string]hostTemplate)
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

// parseRegionTemplate reads one element of parseGlobalTemplates.
func parseRegionTemplate(element string) (region string, template hostTemplate, err error) {
	prefix, pattern, hasPrefix := cutRegionPrefix(element)
	template, err = parseHostTemplate(pattern)
	if err != nil {
		return "", hostTemplate{}, err
	}
	host, _ := template.Host("x")
	region = ParseEndpoint(host).Region
	if !hasPrefix {
		if region == "" {
			return "", hostTemplate{}, fmt.Errorf("%w: host pattern %q does not tell its region: write [us-east-2]%s",
				ErrConfig, pattern, pattern)
		}
		return region, template, nil
	}
	given := lowerASCII(strings.TrimSpace(prefix))
	if !isRegionLabel(given) {
		// The text is not quoted: it may be the start of a URL.
		return "", hostTemplate{}, fmt.Errorf("%w: the region given for host pattern %q is not one: write for example [us-east-2]%s",
			ErrConfig, pattern, pattern)
	}
	if region != "" && region != given {
		return "", hostTemplate{}, fmt.Errorf("%w: host pattern %q is in region %s, not in %s: correct one of the two",
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
