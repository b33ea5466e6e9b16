package pgserver

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/awsdb/awsdb/lab/internal/pgserver/syntax"
)

// copying is a compiled COPY, in text or binary format.
type copying struct {
	binary    bool
	delimiter string
	null      string // how NULL is written in text
	fields    []field

	query   *plan   // TO: what to send
	target  *target // FROM: where to put it
	columns []int
}

// copySignature starts every binary COPY.
const copySignature = "PGCOPY\n\xff\r\n\x00"

// copying compiles COPY.
func (c *compiler) copying(s *syntax.Copy) (*copying, error) {
	cp := &copying{delimiter: "\t", null: `\N`}
	for _, name := range sortedKeys(s.Options) {
		value := s.Options[name]
		switch {
		case name == "format" && value == "binary":
			cp.binary = true
		case name == "format" && value == "text":
		case name == "delimiter" && len(value) == 1:
			cp.delimiter = value
		case name == "null":
			cp.null = value
		default:
			return nil, errorf("0A000", "COPY option %s %s is not supported", name, value)
		}
	}
	query := s.Query
	if query == nil {
		var err error
		if cp.target, err = c.target(s.Table); err != nil {
			return nil, err
		}
		if cp.columns, err = insertColumns(cp.target.table, s.Columns); err != nil {
			return nil, err
		}
		query = &syntax.Select{From: []syntax.From{{Table: s.Table}}}
		for _, i := range cp.columns {
			col := cp.target.table.columns[i]
			cp.fields = append(cp.fields, field{name: col.name, typ: col.typ})
			query.Items = append(query.Items, syntax.Item{X: syntax.Column{Name: col.name}})
		}
	}
	if s.From {
		return cp, nil
	}
	var err error
	if cp.query, err = c.query(query, nil); err == nil {
		cp.fields = cp.query.fields
	}
	return cp, err
}

func (cp *copying) formats() (overall byte, columns []uint16) {
	columns = make([]uint16, len(cp.fields))
	if cp.binary {
		overall = binaryFormat
		for i := range columns {
			columns[i] = binaryFormat
		}
	}
	return overall, columns
}

// receiveCopy asks the client for its data and takes all of it.
func (s *session) receiveCopy(cp *copying) ([]byte, error) {
	overall, columns := cp.formats()
	s.backend.Send(&pgproto3.CopyInResponse{OverallFormat: overall, ColumnFormatCodes: columns})
	if err := s.backend.Flush(); err != nil {
		return nil, errConnection
	}
	var data []byte
	for {
		message, err := s.backend.Receive()
		if err != nil {
			return nil, errConnection
		}
		switch message := message.(type) {
		case *pgproto3.CopyData:
			data = append(data, message.Data...)
		case *pgproto3.CopyDone:
			return data, nil
		case *pgproto3.CopyFail:
			return nil, errorf("57014", "COPY from stdin failed: %s", message.Message)
		case *pgproto3.Flush, *pgproto3.Sync: // the extended protocol may send them along
		default:
			return nil, errorf("08P01", "unexpected message during COPY from stdin")
		}
	}
}

// runCopy executes COPY; what FROM reads is in e already.
func (s *session) runCopy(e *execution, cp *copying) (*result, error) {
	if cp.query == nil {
		return s.copyIn(e, cp)
	}
	rows, err := cp.query.run(&frame{execution: e})
	if err != nil {
		return nil, err
	}
	r := &result{tag: "COPY " + strconv.Itoa(len(rows)), copying: cp}
	if cp.binary {
		r.copied = append(r.copied, append([]byte(copySignature), make([]byte, 8)...))
	}
	for _, row := range rows {
		line, err := s.copyLine(cp, row)
		if err != nil {
			return nil, err
		}
		r.copied = append(r.copied, line)
	}
	if cp.binary {
		r.copied = append(r.copied, []byte{0xff, 0xff})
	}
	return r, nil
}

// copyLine writes a row.
func (s *session) copyLine(cp *copying, row []any) ([]byte, error) {
	if !cp.binary {
		cells := make([]string, len(row))
		for i, v := range row {
			if cells[i] = cp.null; v != nil {
				cells[i] = copyEscapes.Replace(formatText(cp.fields[i].typ, v))
			}
		}
		return []byte(strings.Join(cells, cp.delimiter) + "\n"), nil
	}
	line := binary.BigEndian.AppendUint16(nil, uint16(len(row)))
	for i, v := range row {
		if v == nil {
			line = binary.BigEndian.AppendUint32(line, 0xffffffff)
			continue
		}
		value, err := s.encode(cp.fields[i].typ, binaryFormat, v)
		if err != nil {
			return nil, err
		}
		line = append(binary.BigEndian.AppendUint32(line, uint32(len(value))), value...)
	}
	return line, nil
}

var copyEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// sendCopy sends the result of COPY TO.
func (s *session) sendCopy(r *result) {
	overall, columns := r.copying.formats()
	s.backend.Send(&pgproto3.CopyOutResponse{OverallFormat: overall, ColumnFormatCodes: columns})
	for _, line := range r.copied {
		s.backend.Send(&pgproto3.CopyData{Data: line})
	}
	s.backend.Send(&pgproto3.CopyDone{})
}

// copyIn inserts what was received.
func (s *session) copyIn(e *execution, cp *copying) (*result, error) {
	decode := s.copyText
	if cp.binary {
		decode = s.copyBinary
	}
	rows, err := decode(cp, e.received)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		values, err := cp.target.complete(e, cp.columns, row, cp.fields)
		if err != nil {
			return nil, err
		}
		if _, err := cp.target.insertRow(e, values, nil, map[uint64]bool{}); err != nil {
			return nil, err
		}
	}
	return &result{tag: "COPY " + strconv.Itoa(len(rows))}, nil
}

func badCopy(format string, args ...any) error { return errorf("22P04", format, args...) }

func (s *session) copyBinary(cp *copying, data []byte) ([][]any, error) {
	rest, ok := strings.CutPrefix(string(data), copySignature)
	if !ok || len(rest) < 8 {
		return nil, badCopy("COPY file signature not recognized")
	}
	in := []byte(rest[8:])
	var rows [][]any
	for {
		if len(in) == 0 { // the trailer may be missing
			return rows, nil
		}
		if len(in) < 2 {
			return nil, badCopy("unexpected EOF in COPY data")
		}
		count := int16(binary.BigEndian.Uint16(in))
		in = in[2:]
		if count == -1 {
			return rows, nil
		}
		if int(count) != len(cp.fields) {
			return nil, badCopy("row field count is %d, expected %d", count, len(cp.fields))
		}
		row := make([]any, count)
		for i := range row {
			if len(in) < 4 {
				return nil, badCopy("unexpected EOF in COPY data")
			}
			size := int32(binary.BigEndian.Uint32(in))
			in = in[4:]
			if size == -1 {
				continue
			}
			if size < 0 || int(size) > len(in) {
				return nil, badCopy("unexpected EOF in COPY data")
			}
			v, err := s.decode(cp.fields[i].typ, binaryFormat, in[:size:size])
			if err != nil {
				return nil, err
			}
			row[i], in = v, in[size:]
		}
		rows = append(rows, row)
	}
}

func (s *session) copyText(cp *copying, data []byte) ([][]any, error) {
	var rows [][]any
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if line == `\.` {
			break
		}
		cells := splitCopy(line, cp.delimiter[0])
		if len(cells) < len(cp.fields) {
			return nil, badCopy("missing data for column \"%s\"", cp.fields[len(cells)].name)
		}
		if len(cells) > len(cp.fields) {
			return nil, badCopy("extra data after last expected column")
		}
		row := make([]any, len(cells))
		for i, cell := range cells {
			if cell == cp.null {
				continue
			}
			var err error
			if row[i], err = parseText(cp.fields[i].typ, copyUnescape(cell)); err != nil {
				return nil, err
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// splitCopy cuts a line at delimiters that no backslash precedes.
func splitCopy(line string, delimiter byte) []string {
	var cells []string
	begin := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case delimiter:
			cells = append(cells, line[begin:i])
			begin = i + 1
		}
	}
	return append(cells, line[begin:])
}

func copyUnescape(cell string) string {
	if !strings.Contains(cell, `\`) {
		return cell
	}
	var b strings.Builder
	for i := 0; i < len(cell); i++ {
		c := cell[i]
		if c == '\\' && i+1 < len(cell) {
			i++
			c = cell[i]
			if at := strings.IndexByte("bfnrtv", c); at >= 0 {
				c = "\b\f\n\r\t\v"[at]
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}
