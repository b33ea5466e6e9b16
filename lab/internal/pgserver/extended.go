package pgserver

import (
	"bytes"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/awsdb/awsdb/lab/internal/fate"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// portal is a statement with its arguments, and its result once it has run.
type portal struct {
	prepared *sqlengine.Prepared
	args     []any
	formats  []int16
	result   *result // nil before it has run
	sent     int     // how many rows have been
}

// extended answers a message of the extended protocol other than Sync and Flush.
func (s *session) extended(message pgproto3.FrontendMessage) error {
	switch message := message.(type) {
	case *pgproto3.Parse:
		return s.parseMessage(message)
	case *pgproto3.Bind:
		return s.bind(message)
	case *pgproto3.Describe:
		return s.describe(message)
	case *pgproto3.Execute:
		return s.executeMessage(message)
	case *pgproto3.Close:
		if message.ObjectType == 'S' {
			delete(s.statements, message.Name)
		} else {
			delete(s.portals, message.Name)
		}
		s.backend.Send(&pgproto3.CloseComplete{})
		return nil
	}
	return &sqlengine.Error{Severity: "FATAL", Code: "08P01", Message: "unexpected message in the protocol"}
}

func (s *session) parseMessage(m *pgproto3.Parse) error {
	if m.Name != "" && s.statements[m.Name] != nil {
		return sqlengine.Errorf("42P05", "prepared statement \"%s\" already exists", m.Name)
	}
	statements, err := parse(m.Query)
	if err != nil {
		return err
	}
	if len(statements) > 1 {
		return sqlengine.Errorf("42601", "cannot insert multiple commands into a prepared statement")
	}
	p := &sqlengine.Prepared{} // an empty statement
	if len(statements) == 1 {
		if p, err = s.prepare(statements[0], slices.Clone(m.ParameterOIDs)); err != nil {
			return err
		}
	}
	s.statements[m.Name] = p
	s.backend.Send(&pgproto3.ParseComplete{})
	return nil
}

func (s *session) bind(m *pgproto3.Bind) error {
	p := s.statements[m.PreparedStatement]
	if p == nil {
		if m.PreparedStatement == "" {
			return sqlengine.Errorf("26000", "unnamed prepared statement does not exist")
		}
		return noStatement(m.PreparedStatement)
	}
	if err := s.engine.Refuse(p.Stmt()); err != nil {
		return err
	}
	if m.DestinationPortal != "" && s.portals[m.DestinationPortal] != nil {
		return sqlengine.Errorf("42P03", "cursor \"%s\" already exists", m.DestinationPortal)
	}
	if len(m.Parameters) != len(p.Params()) {
		return sqlengine.Errorf("08P01", "bind message supplies %d parameters, but prepared statement \"%s\" requires %d",
			len(m.Parameters), m.PreparedStatement, len(p.Params()))
	}
	if n := len(m.ParameterFormatCodes); n > 1 && n != len(m.Parameters) {
		return sqlengine.Errorf("08P01", "bind message has %d parameter formats but %d parameters", n, len(m.Parameters))
	}
	if n := len(m.ResultFormatCodes); n > 1 && n != len(p.Fields()) {
		return sqlengine.Errorf("08P01", "bind message has %d result formats but query has %d columns", n, len(p.Fields()))
	}
	po := &portal{prepared: p, formats: slices.Clone(m.ResultFormatCodes)}
	for i, raw := range m.Parameters {
		v, err := s.decode(p.Params()[i], format(m.ParameterFormatCodes, i), bytes.Clone(raw))
		if err != nil {
			return err
		}
		po.args = append(po.args, v)
	}
	s.portals[m.DestinationPortal] = po
	s.backend.Send(&pgproto3.BindComplete{})
	return nil
}

// format is the format of the i-th of several values: one code stands for all, none for text.
func format(codes []int16, i int) int16 {
	switch len(codes) {
	case 0:
		return 0
	case 1:
		return codes[0]
	}
	return codes[i]
}

func (s *session) describe(m *pgproto3.Describe) error {
	var fields []sqlengine.Field
	var formats []int16
	if m.ObjectType == 'S' {
		p := s.statements[m.Name]
		if p == nil {
			return noStatement(m.Name)
		}
		s.backend.Send(&pgproto3.ParameterDescription{ParameterOIDs: p.Params()})
		fields = p.Fields()
	} else {
		po := s.portals[m.Name]
		if po == nil {
			return sqlengine.Errorf("34000", "portal \"%s\" does not exist", m.Name)
		}
		fields, formats = po.prepared.Fields(), po.formats
	}
	if fields == nil {
		s.backend.Send(&pgproto3.NoData{})
	} else {
		s.backend.Send(rowDescription(fields, formats))
	}
	return nil
}

func (s *session) executeMessage(m *pgproto3.Execute) error {
	po := s.portals[m.Portal]
	if po == nil {
		return sqlengine.Errorf("34000", "portal \"%s\" does not exist", m.Portal)
	}
	p := po.prepared
	if p.Stmt() == nil {
		s.backend.Send(&pgproto3.EmptyQueryResponse{})
		return nil
	}
	var f fate.Fate
	if po.result == nil {
		var err error
		if po.result, f, err = s.fated(p, po.args); err != nil {
			return err
		}
	}
	r := *po.result
	r.Rows = r.Rows[po.sent:]
	if limit := int(m.MaxRows); limit > 0 && len(r.Rows) > limit && f.Action == fate.ActionRun {
		r.Rows = r.Rows[:limit]
		if err := s.rows(&r, po.formats); err != nil {
			return err
		}
		po.sent += limit
		s.backend.Send(&pgproto3.PortalSuspended{})
		return nil
	}
	if po.sent > 0 && r.Verb == "SELECT" {
		r.Affected = len(r.Rows)
	}
	po.sent = len(po.result.Rows)
	return s.answer(&r, f, po.formats)
}

// rows sends rows only.
func (s *session) rows(r *result, formats []int16) error {
	for _, row := range r.Rows {
		message, err := s.dataRow(r.Fields, row, formats)
		if err != nil {
			return err
		}
		s.backend.Send(message)
	}
	return nil
}

// sync ends a sequence of messages: what ran outside of a transaction block is committed.
func (s *session) sync() error {
	s.skip = false
	if !s.engine.InBlock() {
		if err := s.engine.Commit(); err != nil {
			if err := s.report(err); err != nil {
				return err
			}
		}
		s.portals = map[string]*portal{}
	}
	return s.ready()
}
