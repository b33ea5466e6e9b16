package awsauth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/core"
)

// keyOf finds out what a token for a login must say. Access keys are left to the caller.
func (p *Tokens) keyOf(ctx context.Context, t core.Target) (tokenKey, error) {
	key := tokenKey{user: p.options.User, port: t.Login.Port}
	if key.user == "" {
		key.user = t.Login.User
	}
	if key.user == "" {
		return key, errors.New("no database user: put one into the connection string")
	}
	if p.options.Port > 0 {
		key.port = uint16(p.options.Port) //nolint:gosec // NewTokens has checked it
	}
	named, err := p.nameOf(ctx, t)
	if err != nil {
		return key, err
	}
	if key.region, err = p.regionOf(ctx, t, named); err != nil {
		return key, err
	}
	key.host = named.Host
	if named.Green && p.goesPlain(named.Host) {
		key.host = named.WithoutGreen()
	}
	return key, nil
}

// nameOf returns the RDS name that the server knows itself by, or what the user says is one.
func (p *Tokens) nameOf(ctx context.Context, t core.Target) (core.Endpoint, error) {
	host := t.Login.Host
	dialled := core.ParseEndpoint(host)
	if dialled.IsRDS() && (p.options.Host == "" || !t.Login.Own) {
		return dialled, nil
	}
	if name := p.options.Host; name != "" {
		if !strings.Contains(name, "?") {
			return core.ParseEndpoint(name), nil
		}
		if t.Host.ID != "" {
			return core.ParseEndpoint(strings.ReplaceAll(name, "?", t.Host.ID)), nil
		}
	}
	if dialled.IsRDS() {
		return dialled, nil
	}
	if canonical := p.canonical(ctx, t); canonical.IsRDS() {
		return canonical, nil
	}
	if p.options.Host != "" {
		return dialled, fmt.Errorf("%q is no RDS name and no alias of one, and iam_host needs an instance's identifier: name an RDS name without ?, such as the cluster's", host)
	}
	return dialled, fmt.Errorf("%q is no RDS name and no alias of one: name in iam_host the RDS name that tokens are to be signed for", host)
}

// canonical asks what the dialled name is an alias of.
func (p *Tokens) canonical(ctx context.Context, t core.Target) core.Endpoint {
	if t.Login.Canonical == nil {
		return core.Endpoint{}
	}
	return t.Login.Canonical(ctx)
}

// regionOf returns the region that a token for the name is signed for: for an RDS name
// the one it says, which is another than iam_region for hosts of other regions of a global database.
func (p *Tokens) regionOf(ctx context.Context, t core.Target, named core.Endpoint) (string, error) {
	given := p.options.RegionName
	if given != "" && t.Login.Own {
		if err := p.options.checkRegion(named.Host); err != nil {
			return "", err
		}
	}
	switch {
	case named.IsRDS() && named.Region != "":
		return named.Region, nil
	case given != "":
		return given, nil
	}
	// A global writer endpoint says no region, but is an alias of one that does; so may be a
	// name in front of iam_host.
	if c := p.canonical(ctx, t); c.Region != "" {
		return c.Region, nil
	}
	if p.options.Region != nil {
		region, err := p.options.Region(ctx)
		if err != nil {
			return "", err
		}
		if region != "" {
			return region, CheckRegion(region)
		}
	}
	return "", fmt.Errorf("the region of %q is unknown: set iam_region", named.Host)
}

// goesPlain tells that a green host is to be called by the name it takes over.
func (p *Tokens) goesPlain(green string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plain[green]
}

// rename makes the next token for a green host be signed for its other name than the refused one's:
// with a switchover it takes the name of its blue counterpart, while DNS and topology may
// lead to it by its old name for a while. It reports whether there is another name.
func (p *Tokens) rename(ctx context.Context, t core.Target) bool {
	named, err := p.nameOf(ctx, t)
	if err != nil || !named.Green {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.HasPrefix(string(t.Password), named.Host+":") { // a token begins with what it is signed for
		p.plain[named.Host] = true
	} else {
		delete(p.plain, named.Host)
	}
	return true
}
