package cloud

import (
	"maps"
	"slices"
)

// user is somebody the identity providers know. Both know the same users.
type user struct {
	password string
	roles    []string // ARNs; nil: all
	state    userState
	wrong    int // passwords in a row
}

// userState is what else happens to who knows the password.
type userState int

const (
	active userState = iota
	needsMFA
	passwordExpired
	locked
)

// AddUser makes a user of both identity providers, or replaces one with all that was said of it. roles are the ARNs of
// those the user may assume; none: all there are.
func (c *Cloud) AddUser(name, password string, roles ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users[name] = &user{password: password, roles: roles}
}

// RequireMFA lets the identity providers ask the user for a second factor, which nobody can give.
func (c *Cloud) RequireMFA(name string) { c.setState(name, needsMFA) }

// ExpirePassword lets the identity providers want a new password of the user.
func (c *Cloud) ExpirePassword(name string) { c.setState(name, passwordExpired) }

// LockUser locks the user out, as too many wrong passwords do.
func (c *Cloud) LockUser(name string) { c.setState(name, locked) }

// Locked tells whether the user is locked out.
func (c *Cloud) Locked(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.users[name] != nil && c.users[name].state == locked
}

func (c *Cloud) setState(name string, state userState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users[name] != nil {
		c.users[name].state = state
	}
}

// authenticate checks a password; what the state says comes next. A wrong one may lock the user.
func (c *Cloud) authenticate(name, password string) (state userState, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.users[name]
	switch {
	case u == nil:
		return active, false
	case u.state == locked:
		return locked, false
	case u.password != password:
		if u.wrong++; u.wrong >= c.options.LockAfter {
			u.state = locked
		}
		return active, false
	}
	u.wrong = 0
	return u.state, true
}

// rolesOf are the roles a user may assume.
func (c *Cloud) rolesOf(name string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u := c.users[name]; u != nil && u.roles != nil {
		return u.roles
	}
	return slices.Sorted(maps.Keys(c.roles))
}
