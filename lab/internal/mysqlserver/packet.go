package mysqlserver

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
)

const (
	// maxFrame is the largest payload of one frame; a packet of that size or more goes on in the next frame.
	maxFrame = 1<<24 - 1
	// maxPacket is max_allowed_packet, bytes.
	maxPacket = 64 << 20
	// flushSize is how much of an answer is kept before it is sent.
	flushSize = 64 << 10
)

// errConnection says that the connection failed or that the client does not speak the protocol, so there is nobody to tell.
var errConnection = errors.New("connection lost")

// packets cuts a connection into packets. Reads come from in, which is not read further than the packet that is asked for;
// writes are buffered until flush.
type packets struct {
	in       io.Reader
	out      net.Conn
	sequence uint8 // of the next frame, in either direction

	compression *compression // nil: none
	pending     []byte       // frames not sent yet
}

// read reads one packet that continues the exchange.
func (p *packets) read() ([]byte, error) {
	var packet []byte
	for {
		var header [4]byte
		if _, err := io.ReadFull(p.source(), header[:]); err != nil {
			return nil, err
		}
		size := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
		if p.compression == nil && header[3] != p.sequence {
			return nil, errorf(1156, "08S01", "Got packets out of order")
		}
		p.sequence = header[3] + 1
		if len(packet)+size > maxPacket {
			return nil, errorf(1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes")
		}
		frame, err := readBytes(p.source(), size)
		if err != nil {
			return nil, err
		}
		packet = append(packet, frame...)
		if size < maxFrame {
			return packet, nil
		}
	}
}

// readBytes reads exactly n bytes. It does not trust n further than the data that really comes.
func readBytes(r io.Reader, n int) ([]byte, error) {
	const trusted = 1 << 16
	if n <= trusted {
		data := make([]byte, n)
		_, err := io.ReadFull(r, data)
		return data, err
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(data) < n {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

func (p *packets) source() io.Reader {
	if p.compression != nil {
		return p.compression
	}
	return p.in
}

// readCommand reads the packet that starts an exchange.
func (p *packets) readCommand() ([]byte, error) {
	p.sequence = 0
	if p.compression != nil {
		p.compression.sequence = 0
	}
	return p.read()
}

// write adds one packet to what is to be sent.
func (p *packets) write(packet []byte) error {
	for {
		size := min(len(packet), maxFrame)
		p.pending = append(p.pending, byte(size), byte(size>>8), byte(size>>16), p.sequence)
		p.pending = append(p.pending, packet[:size]...)
		p.sequence++
		packet = packet[size:]
		if len(p.pending) >= flushSize {
			if err := p.flush(); err != nil {
				return err
			}
		}
		if size < maxFrame {
			return nil
		}
	}
}

// flush sends what write has collected.
func (p *packets) flush() error {
	if len(p.pending) == 0 {
		return nil
	}
	data := p.pending
	p.pending = p.pending[:0]
	if p.compression != nil {
		return p.compression.send(p.out, data)
	}
	if _, err := p.out.Write(data); err != nil {
		return errConnection
	}
	return nil
}

// appendInteger appends a length-encoded integer.
func appendInteger(b []byte, n uint64) []byte {
	switch {
	case n < 251:
		return append(b, byte(n))
	case n < 1<<16:
		return append(b, 0xfc, byte(n), byte(n>>8))
	case n < 1<<24:
		return append(b, 0xfd, byte(n), byte(n>>8), byte(n>>16))
	}
	return binary.LittleEndian.AppendUint64(append(b, 0xfe), n)
}

// appendString appends a length-encoded string.
func appendString[T string | []byte](b []byte, s T) []byte {
	return append(appendInteger(b, uint64(len(s))), s...)
}

// reader takes a packet apart. Once something is missing it is broken, and everything it gives is zero.
type reader struct {
	data   []byte
	broken bool
}

func (r *reader) bytes(n int) []byte {
	if r.broken || n < 0 || n > len(r.data) {
		r.broken, r.data = true, nil
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

// fixed takes an unsigned integer of n bytes, 8 at most.
func (r *reader) fixed(n int) uint64 {
	var value uint64
	for i, b := range r.bytes(n) {
		value |= uint64(b) << (8 * i)
	}
	return value
}

// integer takes a length-encoded integer.
func (r *reader) integer() uint64 {
	switch first := r.fixed(1); first {
	case 0xfc:
		return r.fixed(2)
	case 0xfd:
		return r.fixed(3)
	case 0xfe:
		return r.fixed(8)
	case 0xfb, 0xff: // NULL and an error: no integers
		r.broken = true
		return 0
	default:
		return first
	}
}

// counted takes a length-encoded string.
func (r *reader) counted() []byte {
	n := r.integer()
	if n > uint64(len(r.data)) {
		r.broken = true
		return nil
	}
	return r.bytes(int(n))
}

// terminated takes a string that ends with a zero byte, or with the packet.
func (r *reader) terminated() string {
	for i, b := range r.data {
		if b == 0 {
			s := string(r.data[:i])
			r.data = r.data[i+1:]
			return s
		}
	}
	s := string(r.data)
	r.data = nil
	return s
}
