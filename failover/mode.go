package failover

import (
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/core"
)

// Mode says which hosts connections may be on.
type Mode uint8

const (
	// ByEndpoint is the default: it takes the mode from the DSN's endpoint: StrictWriter
	// for a cluster's writer endpoint and a global one, ReaderOrWriter for a reader
	// endpoint. Any other name (an instance, a custom endpoint, an IP address) is
	// taken at its word: if the host behind it is the writer, as StrictWriter; if it
	// is a reader, connections go there as long as it can be reached. When it cannot,
	// they go to the writer if the name was an instance's, else to another reader. A
	// name of your own that leads to the writer one day is for the writer from then
	// on.
	ByEndpoint Mode = iota
	// StrictWriter means the writer, nobody else.
	StrictWriter
	// StrictReader means readers, never the writer.
	StrictReader
	// ReaderOrWriter means a reader if one can be reached, else the writer.
	ReaderOrWriter

	// asNamed is what ByEndpoint becomes for a name that leads to a reader.
	asNamed
)

var modeNames = [...]string{
	ByEndpoint: "by-endpoint", StrictWriter: "strict-writer", StrictReader: "strict-reader",
	ReaderOrWriter: "reader-or-writer", asNamed: "as-named",
}

// String returns the mode as it is written in a DSN.
func (m Mode) String() string { return modeNames[m] }

// parseMode reads a mode as it is written in a DSN; case, '_' and '-' do not
// matter. The empty string is ByEndpoint.
func parseMode(s string) (Mode, error) {
	folded := strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
	switch folded {
	case "":
		return ByEndpoint, nil
	case "strictwriter":
		return StrictWriter, nil
	case "strictreader":
		return StrictReader, nil
	case "readerorwriter":
		return ReaderOrWriter, nil
	}
	return ByEndpoint, fmt.Errorf("%w: failover_mode=%q: want strict-writer, strict-reader or reader-or-writer", core.ErrConfig, s)
}

// wants is the role that a connection of this mode must keep.
func (m Mode) wants() core.Role {
	switch m {
	case StrictWriter:
		return core.RoleWriter
	case StrictReader:
		return core.RoleReader
	}
	return core.RoleUnknown
}

// accepts tells whether a host of this role will do.
func (m Mode) accepts(r core.Role) bool { return m.wants() == core.RoleUnknown || m.wants() == r }

// ofEndpoint is the mode that an endpoint stands for, or ByEndpoint when the host
// behind it has to be asked.
func ofEndpoint(e core.Endpoint) Mode {
	switch e.Kind {
	case core.EndpointWriter, core.EndpointGlobalWriter:
		return StrictWriter
	case core.EndpointReader:
		return ReaderOrWriter
	}
	return ByEndpoint
}
