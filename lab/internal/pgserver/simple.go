package pgserver

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/awsdb/awsdb/lab/internal/fate"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// simpleQuery runs a string of statements. Outside of a transaction block they are one transaction.
func (s *session) simpleQuery(sql string) error {
	s.portals = map[string]*portal{}
	delete(s.statements, "")
	statements, err := parse(sql)
	switch {
	case err != nil:
		err = s.report(err)
	case len(statements) == 0:
		s.backend.Send(&pgproto3.EmptyQueryResponse{})
	default:
		err = s.simpleStatements(statements)
	}
	if err != nil {
		return err
	}
	return s.ready()
}

func (s *session) simpleStatements(statements []syntax.Parsed) error {
	for i, parsed := range statements {
		err := s.simpleStatement(parsed, i == len(statements)-1)
		if err == nil {
			continue
		}
		if !isReport(err) {
			return err
		}
		return s.report(err)
	}
	return nil
}

// simpleStatement runs one statement. The last one commits before it is answered.
func (s *session) simpleStatement(parsed syntax.Parsed, last bool) error {
	p, err := s.prepare(parsed, nil)
	if err == nil && len(p.Params()) > 0 {
		err = sqlengine.Errorf("42P02", "there is no parameter $1")
	}
	if err != nil { // the statement is received nevertheless
		p = sqlengine.Failing(parsed, err)
	}
	r, f, err := s.fated(p, nil)
	if err != nil {
		return err
	}
	if last && !s.engine.InBlock() {
		if err := s.engine.Commit(); err != nil {
			return err
		}
	}
	if r.Fields != nil {
		s.backend.Send(rowDescription(r.Fields, nil))
	}
	return s.answer(r, f, nil)
}

// answer sends rows and tag, or fewer rows and no tag if that is the statement's fate.
func (s *session) answer(r *result, f fate.Fate, formats []int16) error {
	rows := r.Rows
	if f.Action == fate.ActionCutAfterRows {
		rows = rows[:min(f.Rows, len(rows))]
	}
	for _, row := range rows {
		message, err := s.dataRow(r.Fields, row, formats)
		if err != nil {
			return err
		}
		s.backend.Send(message)
	}
	if r.copying != nil {
		s.sendCopy(r)
	}
	if f.Action == fate.ActionCutAfterRows {
		_ = s.backend.Flush() // the connection is dropped in any case
		return s.cut()
	}
	s.backend.Send(&pgproto3.CommandComplete{CommandTag: []byte(r.tag())})
	return nil
}
