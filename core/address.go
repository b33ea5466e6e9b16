package core

import (
	"fmt"
	"net/netip"
	"strings"
)

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
