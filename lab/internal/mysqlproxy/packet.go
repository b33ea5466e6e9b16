package mysqlproxy

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Of the protocol, as "MySQL Client/Server Protocol" in the documentation of MySQL's source has it.
const (
	headerLength = 4
	maxPayload   = 1<<24 - 1 // a longer message goes on in the next packet

	commandQuery   = 0x03
	commandPrepare = 0x16

	markOK    = 0x00
	markError = 0xff

	capabilityCompress = 1 << 5  // CLIENT_COMPRESS
	capabilityTLS      = 1 << 11 // CLIENT_SSL
	capabilityZstd     = 1 << 26 // CLIENT_ZSTD_COMPRESSION_ALGORITHM

	greetingVersion = 10
	// sslRequestLength is that of the packet a client asks for TLS with: a login without user, password and what follows.
	sslRequestLength = 32
)

// A header is what a packet begins with.
type header struct {
	length int
	number byte // counts the packets of a command, both ways, from 0, and begins anew after 255
}

func readHeader(r io.Reader) (header, error) {
	var b [headerLength]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return header{}, err
	}
	return header{length: int(b[0]) | int(b[1])<<8 | int(b[2])<<16, number: b[3]}, nil
}

func (h header) bytes() []byte {
	return []byte{byte(h.length), byte(h.length >> 8), byte(h.length >> 16), h.number}
}

// A packet is one with all its content.
type packet struct {
	header
	payload []byte
}

func readPacket(r io.Reader) (packet, error) {
	h, err := readHeader(r)
	if err != nil {
		return packet{}, err
	}
	p := packet{header: h, payload: make([]byte, h.length)}
	if _, err := io.ReadFull(r, p.payload); err != nil {
		return packet{}, fmt.Errorf("in a packet: %w", err)
	}
	return p, nil
}

func (p packet) bytes() []byte { return append(p.header.bytes(), p.payload...) }

func (p packet) isOK() bool    { return len(p.payload) > 0 && p.payload[0] == markOK }
func (p packet) isError() bool { return len(p.payload) > 0 && p.payload[0] == markError }

// offerTLS makes the server's greeting offer TLS, or not, and no compression.
func offerTLS(greeting []byte, offer bool) {
	if len(greeting) == 0 || greeting[0] != greetingVersion {
		return
	}
	// After the version come its text up to a NUL, the number of the connection, the first half of a challenge and a NUL;
	// then the lower half of the capabilities, the character set, the status, and the upper half.
	version := 1
	for version < len(greeting) && greeting[version] != 0 {
		version++
	}
	lower := version + 1 + 4 + 8 + 1
	upper := lower + 2 + 1 + 2
	if len(greeting) < upper+2 {
		return
	}
	capabilities := uint32(binary.LittleEndian.Uint16(greeting[lower:])) | uint32(binary.LittleEndian.Uint16(greeting[upper:]))<<16
	capabilities &^= capabilityCompress | capabilityZstd | capabilityTLS
	if offer {
		capabilities |= capabilityTLS
	}
	binary.LittleEndian.PutUint16(greeting[lower:], uint16(capabilities))
	binary.LittleEndian.PutUint16(greeting[upper:], uint16(capabilities>>16))
}

// asksForTLS says whether a client's first packet asks for TLS.
func asksForTLS(response []byte) bool {
	return len(response) == sslRequestLength && binary.LittleEndian.Uint32(response)&capabilityTLS != 0
}

// withoutTLS takes TLS and compression out of what the client says it can.
func withoutTLS(response []byte) {
	if len(response) < 4 {
		return
	}
	capabilities := binary.LittleEndian.Uint32(response)
	binary.LittleEndian.PutUint32(response, capabilities&^(capabilityTLS|capabilityCompress|capabilityZstd))
}

// insecureTransport is a server's refusal of clients without TLS.
func insecureTransport(number byte) []byte {
	const code = 3159 // ER_SECURE_TRANSPORT_REQUIRED
	text := "#HY000Connections using insecure transport are prohibited while --require_secure_transport=ON."
	payload := append([]byte{markError, code & 0xff, code >> 8}, text...)
	return packet{header{len(payload), number}, payload}.bytes()
}
