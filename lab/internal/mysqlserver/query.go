package mysqlserver

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/awsdb/awsdb/lab/internal/fate"
)

// result is the outcome of one statement.
type result struct {
	columns  []column // nil: no rows
	rows     [][]any
	affected uint64
	insertID uint64
	info     string
}

// query answers COM_QUERY. Each statement of several is a statement of its own, as the real server sees it: the error of
// one ends the rest, what ran before stays.
func (s *session) query(sql string) error {
	statements, parseError := s.parse(sql)
	if len(statements) == 0 && parseError == nil {
		parseError = errorf(1065, "42000", "Query was empty")
	}
	for i, statement := range statements {
		more := i < len(statements)-1 || parseError != nil
		if more && s.capabilities&clientMultiStatements == 0 {
			if parseError == nil {
				parseError = statements[1].Misplaced()
			}
			break
		}
		if err := s.queryStatement(statement, more); err != nil {
			if !isReport(err) {
				return err
			}
			return s.report(err)
		}
	}
	if parseError != nil {
		return s.report(parseError)
	}
	return s.packets.flush()
}

// answer sends columns and rows or an acknowledgement, or fewer rows and no end if that is the statement's fate.
func (s *session) answer(r *result, f fate.Fate, encode func([]column, []any) []byte, more bool) error {
	if r.columns == nil && f.Action != fate.ActionCutAfterRows {
		return s.sendOK(r, more)
	}
	rows := r.rows
	if f.Action == fate.ActionCutAfterRows {
		rows = rows[:min(f.Rows, len(rows))]
	}
	if r.columns != nil {
		if err := s.packets.write(appendInteger(nil, uint64(len(r.columns)))); err != nil {
			return err
		}
		if err := s.describe(r.columns, s.status(more)); err != nil {
			return err
		}
	}
	for _, row := range rows {
		if err := s.packets.write(encode(r.columns, row)); err != nil {
			return err
		}
	}
	if f.Action == fate.ActionCutAfterRows {
		_ = s.packets.flush() // the connection is dropped in any case
		return s.cut()
	}
	return s.endRows(more)
}

// describe sends descriptions of columns, of which there is at least one.
func (s *session) describe(columns []column, status uint16) error {
	for _, c := range columns {
		if err := s.packets.write(c.packet()); err != nil {
			return err
		}
	}
	if s.capabilities&clientDeprecateEOF != 0 {
		return nil
	}
	return s.sendEnd(status)
}

// endRows marks the end of a result.
func (s *session) endRows(more bool) error {
	status := s.status(more)
	if s.capabilities&clientDeprecateEOF == 0 {
		return s.sendEnd(status)
	}
	b := []byte{0xfe, 0, 0} // an acknowledgement by another number: affected rows, last insert id
	b = binary.LittleEndian.AppendUint16(b, status)
	return s.packets.write(append(b, 0, 0))
}

// fated runs a statement as its fate wills. errOver ends the session without another word: the fate has dropped the
// connection or kept silent until it went.
func (s *session) fated(st *execution) (r *result, f fate.Fate, err error) {
	ctx, done := s.statementContext()
	defer done()
	if s.server.config.Statement != nil {
		f = s.server.config.Statement(fate.Statement{
			Conn: s.number, User: s.user, SQL: st.sql, Args: st.args, InTx: s.inTransaction(), Writable: s.host().Writable(), At: time.Now(),
		})
	}
	err = f.Fulfil(ctx, fate.Means{
		Run: func() (err error) {
			r, err = s.run(ctx, st)
			return err
		},
		Cut: s.cut, Hang: s.hang, Fail: func() error { return failure(f) },
	})
	return r, f, err
}

// cut drops the connection.
func (s *session) cut() error {
	fate.Cut(s.raw)
	return errOver
}

func failure(f fate.Fate) error {
	var failure *Error
	if errors.As(f.Err, &failure) {
		return failure
	}
	return errorf(1105, "HY000", "the statement was made to fail")
}
