package lab

import (
	"maps"
	"slices"

	"github.com/awsdb/awsdb/lab/cloud"
)

// credential is how a user logs in.
type credential struct {
	auth     Auth // Password, NativePassword, Cleartext or IAM
	password string
	unknown  bool
}

// credential is asked for at each login.
func (c *Cluster) credential(user string) credential {
	a := credential{auth: c.options.Auth}
	switch {
	case a.auth == IAM && slices.Contains(c.options.IAMUsers, user):
		return a
	case a.auth == IAM:
		a.auth = Password
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	password, ok := c.passwords[user]
	a.password, a.unknown = password, !ok
	return a
}

// initialPasswords are those of the users there are at the start.
func (o Options) initialPasswords() map[string]string {
	passwords := map[string]string{o.User: o.Password}
	maps.Copy(passwords, o.Users)
	return passwords
}

// SetPassword changes a user's password on all instances, or makes a user: the next login needs the new one, and sessions
// go on. A user who logs in with a token goes on doing so. It panics in a cluster of real servers, where
// [Cluster.AdminExec] does the same.
func (c *Cluster) SetPassword(user, password string) {
	c.mustSimulate("SetPassword")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passwords[user] = password
}

// verifier is what checks the passwords that a user sends as they are to an instance; nil: they are to be the user's own.
func (i *Instance) verifier(user string, auth Auth) func(password string) bool {
	o := i.cluster.options
	switch {
	case auth == IAM:
		return func(token string) bool { return i.verifyToken(user, token) }
	case o.VerifyPassword != nil:
		return func(password string) bool { return o.VerifyPassword(user, password) }
	}
	return nil
}

// verifyToken checks a login token, and remembers what is wrong with it.
func (i *Instance) verifyToken(user, token string) bool {
	c := i.cluster
	err := c.options.Cloud.VerifyToken(token, c.names(i), c.port(), user, i.region)
	if err == nil {
		return true
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refusals = append(i.refusals, err)
	return false
}

// Refusals tell what was wrong with the login tokens the instance has refused so far; the client is not told. No error
// quotes a token.
func (i *Instance) Refusals() []error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.refusals)
}

// describe is the cluster as the RDS API tells of it: one for each region.
func (c *Cluster) describe() []cloud.DBCluster {
	c.mu.Lock()
	defer c.mu.Unlock()
	var clusters []cloud.DBCluster
	for _, region := range c.regions() {
		d := cloud.DBCluster{
			ID: c.regionName(region), Region: region, Engine: c.options.Flavor.engine(), Port: c.port(),
			Endpoint: c.RegionEndpoint(region), ReaderEndpoint: c.RegionReaderEndpoint(region),
		}
		if c.options.Flavor.global() {
			d.Global, d.GlobalEndpoint = c.options.Name, c.GlobalEndpoint()
		}
		for _, i := range c.instances {
			if i.region == region {
				d.Members = append(d.Members, cloud.DBMember{ID: i.id, Writer: i.id == c.writer()})
			}
		}
		clusters = append(clusters, d)
	}
	return clusters
}
