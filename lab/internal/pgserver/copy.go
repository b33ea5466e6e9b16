package pgserver

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// transfer is how the rows of a COPY travel: in text or binary format.
type transfer struct {
	binary    bool
	delimiter string
	null      string // how NULL is written in text
	fields    []sqlengine.Field
}

// copySignature starts every binary COPY.
const copySignature = "PGCOPY\n\xff\r\n\x00"

// newTransfer reads the options of a COPY.
func newTransfer(stmt *syntax.Copy, fields []sqlengine.Field) (*transfer, error) {
	t := &transfer{delimiter: "\t", null: `\N`, fields: fields}
	for _, name := range slices.Sorted(maps.Keys(stmt.Options)) {
		value := stmt.Options[name]
		switch {
		case name == "format" && value == "binary":
			t.binary = true
		case name == "format" && value == "text":
		case name == "delimiter" && len(value) == 1:
			t.delimiter = value
		case name == "null":
			t.null = value
		default:
			return nil, sqlengine.Errorf("0A000", "COPY option %s %s is not supported", name, value)
		}
	}
	return t, nil
}

func (t *transfer) formats() (overall byte, columns []uint16) {
	columns = make([]uint16, len(t.fields))
	if t.binary {
		overall = binaryFormat
		for i := range columns {
			columns[i] = binaryFormat
		}
	}
	return overall, columns
}

// receiveCopy takes the rows of COPY FROM.
func (s *session) receiveCopy(stmt *syntax.Copy, fields []sqlengine.Field) ([][]any, error) {
	t, err := newTransfer(stmt, fields)
	if err != nil {
		return nil, err
	}
	data, err := s.receiveData(t)
	if err != nil {
		return nil, err
	}
	if t.binary {
		return s.copyBinary(t, data)
	}
	return t.text(data)
}

// receiveData asks the client for its data and takes all of it.
func (s *session) receiveData(t *transfer) ([]byte, error) {
	overall, columns := t.formats()
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
			return nil, sqlengine.Errorf("57014", "COPY from stdin failed: %s", message.Message)
		case *pgproto3.Flush, *pgproto3.Sync: // the extended protocol may send them along
		default:
			return nil, sqlengine.Errorf("08P01", "unexpected message during COPY from stdin")
		}
	}
}

// copyOut writes the rows of COPY TO.
func (s *session) copyOut(stmt *syntax.Copy, rows *sqlengine.Result) (*result, error) {
	t, err := newTransfer(stmt, rows.Fields)
	if err != nil {
		return nil, err
	}
	r := &result{Result: sqlengine.Result{Verb: rows.Verb, Affected: rows.Affected}, copying: t}
	if t.binary {
		r.copied = append(r.copied, append([]byte(copySignature), make([]byte, 8)...))
	}
	for _, row := range rows.Rows {
		line, err := s.copyLine(t, row)
		if err != nil {
			return nil, err
		}
		r.copied = append(r.copied, line)
	}
	if t.binary {
		r.copied = append(r.copied, []byte{0xff, 0xff})
	}
	return r, nil
}

// copyLine writes a row.
func (s *session) copyLine(t *transfer, row []any) ([]byte, error) {
	if !t.binary {
		cells := make([]string, len(row))
		for i, v := range row {
			if cells[i] = t.null; v != nil {
				cells[i] = copyEscapes.Replace(sqlengine.FormatText(t.fields[i].Type, v))
			}
		}
		return []byte(strings.Join(cells, t.delimiter) + "\n"), nil
	}
	line := binary.BigEndian.AppendUint16(nil, uint16(len(row)))
	for i, v := range row {
		if v == nil {
			line = binary.BigEndian.AppendUint32(line, 0xffffffff)
			continue
		}
		value, err := s.encode(t.fields[i].Type, binaryFormat, v)
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

func badCopy(format string, args ...any) error { return sqlengine.Errorf("22P04", format, args...) }

func (s *session) copyBinary(t *transfer, data []byte) ([][]any, error) {
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
		if int(count) != len(t.fields) {
			return nil, badCopy("row field count is %d, expected %d", count, len(t.fields))
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
			v, err := s.decode(t.fields[i].Type, binaryFormat, in[:size:size])
			if err != nil {
				return nil, err
			}
			row[i], in = v, in[size:]
		}
		rows = append(rows, row)
	}
}

// text reads lines of text.
func (t *transfer) text(data []byte) ([][]any, error) {
	var rows [][]any
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if line == `\.` {
			break
		}
		cells := splitCopy(line, t.delimiter[0])
		if len(cells) < len(t.fields) {
			return nil, badCopy("missing data for column \"%s\"", t.fields[len(cells)].Name)
		}
		if len(cells) > len(t.fields) {
			return nil, badCopy("extra data after last expected column")
		}
		row := make([]any, len(cells))
		for i, cell := range cells {
			if cell == t.null {
				continue
			}
			var err error
			if row[i], err = sqlengine.ParseText(t.fields[i].Type, copyUnescape(cell)); err != nil {
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
