package mysqlserver

import (
	"bytes"
	"compress/zlib"
	"io"
	"net"
)

const (
	// minCompressed is the size from which on data is worth compressing, as in the real server. Bytes.
	minCompressed = 50
	// maxChunk is how much one compressed packet carries at most, bytes.
	maxChunk = 1 << 20
)

// compression is the layer below packets once a client has asked for CLIENT_COMPRESS: a stream of compressed packets, whose
// boundaries mean nothing to the packets in them.
type compression struct {
	in       io.Reader
	sequence uint8
	ready    []byte // decompressed and not read yet
	writer   *zlib.Writer
}

// Read gives decompressed bytes.
func (c *compression) Read(p []byte) (int, error) {
	for len(c.ready) == 0 {
		if err := c.receive(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// receive reads one compressed packet: the length of what follows (3 bytes), a sequence number, the length before it was
// compressed (3 bytes, 0 when it was not), and the data.
func (c *compression) receive() error {
	var header [7]byte
	if _, err := io.ReadFull(c.in, header[:]); err != nil {
		return err
	}
	size := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	plain := int(header[4]) | int(header[5])<<8 | int(header[6])<<16
	if header[3] != c.sequence {
		return errorf(1156, "08S01", "Got packets out of order")
	}
	c.sequence++
	data, err := readBytes(c.in, size)
	if err != nil {
		return err
	}
	if plain == 0 {
		c.ready = data
		return nil
	}
	damaged := errorf(1157, "08S01", "Couldn't uncompress communication packet")
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return damaged
	}
	if c.ready, err = io.ReadAll(io.LimitReader(z, int64(plain)+1)); err != nil || len(c.ready) != plain {
		return damaged
	}
	return nil
}

// send writes data as compressed packets.
func (c *compression) send(out net.Conn, data []byte) error {
	for len(data) > 0 {
		chunk := data[:min(len(data), maxChunk)]
		data = data[len(chunk):]
		plain, payload := 0, chunk
		if len(chunk) >= minCompressed {
			if small := c.compress(chunk); len(small) < len(chunk) {
				plain, payload = len(chunk), small
			}
		}
		packet := []byte{byte(len(payload)), byte(len(payload) >> 8), byte(len(payload) >> 16), c.sequence,
			byte(plain), byte(plain >> 8), byte(plain >> 16)}
		c.sequence++
		if _, err := out.Write(append(packet, payload...)); err != nil {
			return errConnection
		}
	}
	return nil
}

func (c *compression) compress(data []byte) []byte {
	var b bytes.Buffer
	if c.writer == nil {
		c.writer, _ = zlib.NewWriterLevel(&b, zlib.BestSpeed) // the level is valid
	} else {
		c.writer.Reset(&b)
	}
	_, _ = c.writer.Write(data) // to memory
	_ = c.writer.Close()
	return b.Bytes()
}
