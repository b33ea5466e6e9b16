package mysqlserver

import (
	"encoding/binary"
	"math"

	"github.com/awsdb/awsdb/lab/internal/mysqlserver/syntax"
)

// prepared is a statement of COM_STMT_PREPARE.
type prepared struct {
	statement syntax.Statement
	types     []byte         // of the arguments, as sent last
	long      map[int][]byte // arguments sent beforehand, by position
	longSize  int
}

// prepare answers COM_STMT_PREPARE.
func (s *session) prepare(sql string) error {
	p, columns, err := s.prepareStatement(sql)
	if err != nil {
		return s.report(err)
	}
	s.lastStatement++
	s.statements[s.lastStatement] = p
	count := p.statement.Params
	b := binary.LittleEndian.AppendUint32([]byte{0}, s.lastStatement)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(columns)))
	b = binary.LittleEndian.AppendUint16(b, uint16(count))
	if err := s.packets.write(append(b, 0, 0, 0)); err != nil { // a filler and no warnings
		return err
	}
	if count > 0 {
		placeholders := make([]column, count)
		for i := range placeholders {
			placeholders[i] = column{name: "?", typ: typeVarString, charset: binaryCharset, flags: flagBinary}
		}
		if err := s.describe(placeholders, s.status(false)); err != nil {
			return err
		}
	}
	if len(columns) > 0 {
		if err := s.describe(columns, s.status(false)); err != nil {
			return err
		}
	}
	return s.packets.flush()
}

func (s *session) prepareStatement(sql string) (*prepared, []column, error) {
	statements, err := s.parse(sql)
	switch {
	case err != nil:
		return nil, nil, err
	case len(statements) == 0:
		return nil, nil, errorf(1065, "42000", "Query was empty")
	case len(statements) > 1:
		return nil, nil, statements[1].Misplaced()
	case statements[0].Params > math.MaxUint16:
		return nil, nil, errorf(1390, "HY000", "Prepared statement contains too many placeholders")
	}
	columns, err := s.preview(statements[0])
	return &prepared{statement: statements[0]}, columns, err
}

func (s *session) statement(id uint32, command string) (*prepared, error) {
	if p := s.statements[id]; p != nil {
		return p, nil
	}
	return nil, errorf(1243, "HY000", "Unknown prepared statement handler (%d) given to %s", id, command)
}

// executePrepared answers COM_STMT_EXECUTE.
func (s *session) executePrepared(body []byte) error {
	r := &reader{data: body}
	id := uint32(r.fixed(4))
	cursor := r.fixed(1)
	r.fixed(4) // how many times: once
	err := func() error {
		p, err := s.statement(id, "mysqld_stmt_execute")
		if err != nil {
			return err
		}
		if r.broken {
			return errorf(1210, "HY000", "Incorrect arguments to mysqld_stmt_execute")
		}
		if cursor != 0 {
			return errorf(1235, "42000", "This version of MySQL doesn't yet support 'cursors'")
		}
		args, types, err := parameters(r, p.statement.Params, p.types, p.long)
		p.long, p.longSize = nil, 0
		if err != nil {
			return err
		}
		p.types = types
		return s.executeStatement(p, args)
	}()
	if err != nil {
		return s.report(err)
	}
	return s.packets.flush()
}

// longData keeps a part of an argument that comes before its statement is executed. It is not answered.
func (s *session) longData(body []byte) {
	r := reader{data: body}
	p := s.statements[uint32(r.fixed(4))]
	position := int(r.fixed(2))
	if p == nil || r.broken || position >= p.statement.Params || p.longSize+len(r.data) > maxPacket {
		return
	}
	if p.long == nil {
		p.long = map[int][]byte{}
	}
	p.long[position] = append(p.long[position], r.data...)
	p.longSize += len(r.data)
}
