package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// fakePostgres is a connection to a PostgreSQL server that is not there: what is written
// to it is answered at once, from answers made beforehand. Once it has seen a statement
// it allocates nothing, so that what is measured is pgx's and awsdb's.
type fakePostgres struct {
	mu      sync.Mutex // guards the rest
	ready   sync.Cond  // there is something to read, or never will be
	closed  bool
	greeted bool
	in      []byte // not yet understood
	out     []byte // not yet read
	read    int    // how much of out has been

	statements map[string]*fakeAnswer // prepared, by name
	bound      *fakeAnswer            // by the unnamed portal
	binary     bool                   // its rows
	inTx       bool
}

// dialFakePostgres connects to a new one.
func dialFakePostgres(context.Context, string, string) (net.Conn, error) {
	c := &fakePostgres{statements: map[string]*fakeAnswer{}}
	c.ready.L = &c.mu
	return c, nil
}

// fakeAnswer is what is said to a statement.
type fakeAnswer struct {
	description  []byte // of the statement: its parameters and columns
	columns      [2][]byte
	rows         [2][]byte // in text, in binary
	end          []byte
	begins, ends bool // a transaction
	copies       bool
}

// Read implements net.Conn.
func (c *fakePostgres) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.read == len(c.out) {
		if c.closed {
			return 0, io.EOF
		}
		c.ready.Wait()
	}
	n := copy(p, c.out[c.read:])
	c.read += n
	return n, nil
}

// Write implements net.Conn.
func (c *fakePostgres) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	if c.read == len(c.out) {
		c.read, c.out = 0, c.out[:0]
	}
	c.in = append(c.in, p...)
	rest := c.in
	for {
		kind, body, size := c.next(rest)
		if size == 0 {
			break
		}
		rest = rest[size:]
		if err := c.answer(kind, body); err != nil {
			return 0, err
		}
	}
	c.in = c.in[:copy(c.in, rest)]
	if c.read < len(c.out) {
		c.ready.Broadcast()
	}
	return len(p), nil
}

// next is the first message; size is 0 when it is not complete.
func (c *fakePostgres) next(b []byte) (kind byte, body []byte, size int) {
	header := 1
	if !c.greeted {
		header = 0 // a startup message has no kind
	}
	if len(b) < header+4 {
		return 0, nil, 0
	}
	size = header + int(binary.BigEndian.Uint32(b[header:]))
	if len(b) < size {
		return 0, nil, 0
	}
	if header == 1 {
		kind = b[0]
	}
	return kind, b[header+4 : size], size
}

func (c *fakePostgres) answer(kind byte, body []byte) error {
	switch kind {
	case 0:
		c.greeted = true
		c.say(fakeGreeting)
		c.sayReady()
	case 'Q':
		return c.query(body[:len(body)-1])
	case 'P':
		name, rest := cutString(body)
		text, _ := cutString(rest)
		a, err := fakeAnswerTo(text)
		if err != nil {
			return err
		}
		c.statements[string(name)] = a
		c.say(fakeParsed)
	case 'D':
		if body[0] == 'S' {
			c.say(c.statements[string(body[1:len(body)-1])].description)
		} else {
			c.say(c.bound.columns[index(c.binary)])
		}
	case 'B':
		_, rest := cutString(body) // the portal
		name, rest := cutString(rest)
		// The last two bytes are the format of the one column, or that there is none.
		c.bound, c.binary = c.statements[string(name)], rest[len(rest)-1] == pgtype.BinaryFormatCode
		c.say(fakeBound)
	case 'E':
		c.execute(c.bound, index(c.binary))
	case 'S':
		c.sayReady()
	case 'C':
		c.say(fakeUnprepared)
	case 'd', 'X', 'H':
	case 'c':
		c.say(fakeCopied)
		c.sayReady()
	default:
		return fmt.Errorf("fake PostgreSQL: message %q", kind)
	}
	return nil
}

// query answers one of the simple protocol.
func (c *fakePostgres) query(text []byte) error {
	a, err := fakeAnswerTo(text)
	if err != nil {
		return err
	}
	if a.copies {
		c.say(fakeCopying)
		return nil
	}
	if len(a.rows[0]) > 0 {
		c.say(a.columns[0])
	}
	c.execute(a, 0)
	c.sayReady()
	return nil
}

func (c *fakePostgres) execute(a *fakeAnswer, format int) {
	c.say(a.rows[format])
	c.say(a.end)
	c.inTx = (c.inTx || a.begins) && !a.ends
}

// cutString is the string at the beginning of a message, and what follows it.
func cutString(b []byte) (text, rest []byte) {
	end := slices.Index(b, 0)
	return b[:end], b[end+1:]
}

func (c *fakePostgres) say(b []byte) { c.out = append(c.out, b...) }

func (c *fakePostgres) sayReady() {
	status := byte('I')
	if c.inTx {
		status = 'T'
	}
	c.out = append(c.out, 'Z', 0, 0, 0, 5, status)
}

// Close implements net.Conn.
func (c *fakePostgres) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.ready.Broadcast()
	return nil
}

func (*fakePostgres) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*fakePostgres) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*fakePostgres) SetDeadline(time.Time) error      { return nil }
func (*fakePostgres) SetReadDeadline(time.Time) error  { return nil }
func (*fakePostgres) SetWriteDeadline(time.Time) error { return nil }

func index(binary bool) int {
	if binary {
		return 1
	}
	return 0
}

// The messages that do not depend on anything.
var (
	fakeGreeting = encoded(&pgproto3.AuthenticationOk{},
		&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"},
		&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"},
		&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}})
	fakeParsed     = encoded(&pgproto3.ParseComplete{})
	fakeBound      = encoded(&pgproto3.BindComplete{})
	fakeUnprepared = encoded(&pgproto3.CloseComplete{})
	fakeCopying    = encoded(&pgproto3.CopyInResponse{OverallFormat: pgtype.BinaryFormatCode, ColumnFormatCodes: []uint16{pgtype.BinaryFormatCode}})
	fakeCopied     = encoded(&pgproto3.CommandComplete{CommandTag: []byte("COPY 100")})
)

const (
	copyTable  = "numbers"
	copyColumn = "n"
	noRows     = "select nothing"
)

// fakeAnswers are those to what the benchmarks say, and to what awsdb asks Aurora. The
// columns of the latter are found by what is in the statement.
var (
	fakeAnswers = map[string]*fakeAnswer{
		"select 1":                  fakeNumbers(1, false),
		"select $1::bigint":         fakeNumbers(1, true),
		noRows:                      fakeNumbers(0, false),
		hundredRows:                 fakeNumbers(100, false),
		`select "n" from "numbers"`: fakeNumbers(1, false),
		`copy "numbers" ( "n" ) from stdin binary;`: {copies: true},
		"begin":                  {end: tagged("BEGIN"), begins: true},
		"commit":                 {end: tagged("COMMIT"), ends: true},
		"savepoint sp_1":         {end: tagged("SAVEPOINT")},
		"release savepoint sp_1": {end: tagged("RELEASE")},
		"rollback":               {end: tagged("ROLLBACK"), ends: true},
		"-- ping":                {end: encoded(&pgproto3.EmptyQueryResponse{})},
	}
	fakeQuestions = map[string]*fakeAnswer{
		"aurora_db_instance_identifier()": fakeTexts(fakeWriter, "f"),
		"aurora_replica_status()":         fakeTexts(fakeWriter, "MASTER_SESSION_ID", "2026-01-01 00:00:00+00", "2026-01-01 00:00:00+00"),
		"transaction_read_only":           fakeTexts("off"),
	}
)

func fakeAnswerTo(text []byte) (*fakeAnswer, error) {
	if a := fakeAnswers[string(text)]; a != nil {
		return a, nil
	}
	for part, a := range fakeQuestions {
		if strings.Contains(string(text), part) {
			return a, nil
		}
	}
	return nil, fmt.Errorf("fake PostgreSQL: no answer to %q", text)
}

// fakeNumbers answers with so many integers.
func fakeNumbers(count int, argument bool) *fakeAnswer {
	var parameters []uint32
	if argument {
		parameters = []uint32{pgtype.Int8OID}
	}
	a := &fakeAnswer{end: tagged(fmt.Sprintf("SELECT %d", count))}
	for format := range a.columns {
		a.columns[format] = encoded(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
			{Name: []byte("n"), DataTypeOID: pgtype.Int8OID, DataTypeSize: 8, TypeModifier: -1, Format: int16(format)},
		}})
	}
	a.description = append(encoded(&pgproto3.ParameterDescription{ParameterOIDs: parameters}), a.columns[0]...)
	for n := range count {
		a.rows[0] = append(a.rows[0], encoded(&pgproto3.DataRow{Values: [][]byte{fmt.Append(nil, n)}})...)
		a.rows[1] = append(a.rows[1], encoded(&pgproto3.DataRow{Values: [][]byte{binary.BigEndian.AppendUint64(nil, uint64(n))}})...)
	}
	return a
}

// fakeTexts answers with one row.
func fakeTexts(values ...string) *fakeAnswer {
	var fields []pgproto3.FieldDescription
	var row [][]byte
	for _, value := range values {
		fields = append(fields, pgproto3.FieldDescription{Name: []byte("text"), DataTypeOID: pgtype.TextOID, DataTypeSize: -1, TypeModifier: -1})
		row = append(row, []byte(value))
	}
	a := &fakeAnswer{end: tagged("SELECT 1")}
	a.columns[0] = encoded(&pgproto3.RowDescription{Fields: fields})
	a.rows[0] = encoded(&pgproto3.DataRow{Values: [][]byte(row)})
	a.columns[1], a.rows[1] = a.columns[0], a.rows[0]
	return a
}

func tagged(command string) []byte {
	return encoded(&pgproto3.CommandComplete{CommandTag: []byte(command)})
}

func encoded(messages ...pgproto3.BackendMessage) (b []byte) {
	for _, m := range messages {
		var err error
		if b, err = m.Encode(b); err != nil {
			panic(err) // they are all in this file
		}
	}
	return b
}
