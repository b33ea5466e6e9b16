package sqlengine

import "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"

// copying is a compiled COPY: which rows go out, or where the rows go that come in. How they look on the way is the
// front's business.
type copying struct {
	stmt   *syntax.Copy
	fields []Field

	query   *plan   // TO: what to send
	target  *target // FROM: where to put it
	columns []int
}

// copying compiles COPY.
func (c *compiler) copying(s *syntax.Copy) (*copying, error) {
	cp := &copying{stmt: s}
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
			cp.fields = append(cp.fields, Field{Name: col.name, Type: col.typ})
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

// copyIn asks the front for the rows of COPY FROM.
func (s *Session) copyIn(p *Prepared) ([][]any, error) {
	if s.config.Front.CopyIn == nil {
		return nil, Errorf("0A000", "there is nothing to copy from here")
	}
	return s.config.Front.CopyIn(p.copy.stmt, p.copy.fields)
}

// run executes COPY; what FROM inserts is in e already.
func (cp *copying) run(e *Execution) (*Result, error) {
	if cp.query != nil {
		rows, err := cp.query.run(&frame{Execution: e})
		if err != nil {
			return nil, err
		}
		return &Result{Fields: cp.fields, Rows: rows, Verb: "COPY", Affected: len(rows)}, nil
	}
	for _, row := range e.received {
		values, err := cp.target.complete(e, cp.columns, row, cp.fields)
		if err != nil {
			return nil, err
		}
		if _, err := cp.target.insertRow(e, values, nil, map[uint64]bool{}); err != nil {
			return nil, err
		}
	}
	return &Result{Verb: "COPY", Affected: len(e.received)}, nil
}
