package core

// Host is one database instance of a cluster. It is a value: compare it with ==.
type Host struct {
	// ID is the instance identifier as the server reports it ("mydb-1"). A
	// server that has no identifier (community PostgreSQL) is known by its
	// address.
	ID string
	// Addr is where to dial it, "host:port".
	Addr string
	// Role is what the host was when it was last seen.
	Role Role
	// Region is the AWS region, if known. Only Global Databases need it.
	Region string
}

// Role is what a host does for its cluster.
type Role uint8

// The roles. There is one writer per cluster; readers refuse writes.
const (
	RoleUnknown Role = iota
	RoleWriter
	RoleReader
)

// String returns "writer", "reader" or "unknown".
func (r Role) String() string {
	switch r {
	case RoleWriter:
		return "writer"
	case RoleReader:
		return "reader"
	}
	return "unknown"
}
