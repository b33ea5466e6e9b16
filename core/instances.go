package core

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// hostsOf turns status rows into hosts with addresses.
func (c *Cluster) hostsOf(rows []Instance, k *Connector) ([]Host, error) {
	if writerOf(rows) == "" {
		return nil, fmt.Errorf("topology of %d rows names no writer", len(rows))
	}
	hosts := make([]Host, 0, len(rows))
	for _, r := range rows {
		addr, err := c.addressOf(r, len(rows), k)
		if err != nil {
			return nil, err
		}
		h := Host{ID: r.ID, Addr: addr, Role: RoleReader, Region: r.Region}
		if r.Writer {
			h.Role = RoleWriter
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

func (c *Cluster) addressOf(r Instance, total int, k *Connector) (string, error) {
	o := &c.options
	template, ok := o.template, !o.template.IsZero()
	switch {
	case r.Region != "" && o.global != nil:
		if template, ok = o.global[strings.ToLower(r.Region)]; !ok {
			return "", fmt.Errorf("%w: global_cluster_instance_host_patterns has no pattern for region %s: add ?.<id>.%s.rds.amazonaws.com", ErrConfig, r.Region, r.Region)
		}
	case ok:
	case r.Endpoint != "":
		return joinPort(r.Endpoint, k.port), nil
	default:
		if template, ok = c.derivedTemplate(k); !ok {
			if total == 1 {
				return k.host.Addr, nil
			}
			return "", fmt.Errorf("%w: the addresses of the instances cannot be told from %q: set cluster_instance_host_pattern, for example ?.xyz.us-east-1.rds.amazonaws.com", ErrConfig, k.endpoint.Host)
		}
	}
	host, port := template.Host(r.ID)
	if port == 0 {
		port = k.port
	}
	return joinPort(host, port), nil
}

func joinPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// derivedTemplate makes the pattern from the endpoint of the DSN or from the
// name that it is an alias of.
func (c *Cluster) derivedTemplate(k *Connector) (hostTemplate, bool) {
	pattern := k.endpoint.InstanceTemplate()
	if alias := k.alias.Load(); alias != nil {
		pattern = alias.InstanceTemplate()
	}
	if pattern == "" {
		return hostTemplate{}, false
	}
	t, err := parseHostTemplate(pattern)
	return t, err == nil
}

// resolveAlias finds out whether the DSN's name stands for an RDS endpoint. A
// name that does not is used as it is.
func (k *Connector) resolveAlias(ctx context.Context) {
	if k.endpoint.Kind != EndpointOther || k.alias.Load() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, k.cluster.options.queryTimeout)
	defer cancel()
	name, err := k.lookupCNAME(ctx, k.endpoint.Host)
	if err != nil {
		k.log.Debug("the name is no alias", "host", k.endpoint.Host, "error", err)
		return
	}
	if e := ParseEndpoint(name); e.IsRDS() {
		k.alias.Store(&e)
	}
}

// canonical is the RDS name that host is an alias of, if any.
func (k *Connector) canonical(ctx context.Context, host string) Endpoint {
	ctx, cancel := context.WithTimeout(ctx, k.cluster.options.queryTimeout)
	defer cancel()
	name, err := k.lookupCNAME(ctx, host)
	if e := ParseEndpoint(name); err == nil && e.IsRDS() {
		return e
	}
	return Endpoint{Host: host}
}

// lookupCNAME survives a panic of the application's resolver: the monitor calls it.
func (k *Connector) lookupCNAME(ctx context.Context, host string) (name string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in LookupCNAME: %v", p)
		}
	}()
	return k.cname(ctx, host)
}
