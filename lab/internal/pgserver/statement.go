package pgserver

import (
	"errors"
	"slices"
	"strconv"

	"github.com/awsdb/awsdb/lab/internal/pgserver/syntax"
)

// prepared is a statement compiled for one state of the schema.
type prepared struct {
	sql    string
	stmt   syntax.Stmt // nil: empty
	params []oid
	fields []field // nil: no rows

	schema int // of the snapshot it was compiled for
	flavor Flavor
	plain  bool  // compiled without tables of an open transaction, so that it may be kept
	broken error // what compiling it failed with; it fails with that when it runs
	query  *plan
	change *change
	copy   *copying
}

// result is the outcome of one statement.
type result struct {
	fields []field
	rows   [][]any
	tag    string

	copying *copying // of COPY TO
	copied  [][]byte
}

// compile compiles a statement. declared are the types of parameters the client gave, 0 where it gave none.
func (s *session) compile(parsed syntax.Parsed, declared []oid) (*prepared, error) {
	snap := s.server.config.Store.committed.Load()
	c := &compiler{session: s, snap: snap, tx: s.tx, params: slices.Clone(declared)}
	p := &prepared{sql: parsed.SQL, stmt: parsed.Stmt, schema: snap.schema, flavor: s.flavor()}
	p.plain = s.tx == nil || len(s.tx.definitions) == 0
	var err error
	switch stmt := parsed.Stmt.(type) {
	case *syntax.Select:
		if p.query, err = c.query(stmt, nil); err == nil {
			p.fields = p.query.fields
		}
	case *syntax.Insert:
		p.change, err = c.insert(stmt)
	case *syntax.Update:
		p.change, err = c.update(stmt)
	case *syntax.Delete:
		p.change, err = c.delete(stmt)
	case *syntax.Copy:
		p.copy, err = c.copying(stmt)
	case syntax.Show:
		p.fields, err = s.showFields(stmt)
	case syntax.Unsupported:
		err = errorf("0A000", "%s is not supported", stmt.What)
	}
	if err != nil {
		return nil, err
	}
	if p.change != nil && len(p.change.fields) > 0 {
		p.fields = p.change.fields
	}
	p.params = c.params
	for i, t := range p.params {
		if t == anyOID {
			p.params[i] = tText
		}
	}
	return p, nil
}

// refresh compiles again what was compiled for another schema. The columns of the result must be the same still.
func (s *session) refresh(p *prepared) (*prepared, error) {
	if p.broken != nil {
		return nil, p.broken
	}
	snap := s.server.config.Store.committed.Load()
	if p.plain && p.schema == snap.schema && p.flavor == s.flavor() && (s.tx == nil || len(s.tx.definitions) == 0) {
		return p, nil
	}
	next, err := s.compile(syntax.Parsed{Stmt: p.stmt, SQL: p.sql}, p.params)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(next.fields, p.fields) {
		return nil, errorf("0A000", "cached plan must not change result type")
	}
	return next, nil
}

// writes names the statement for the message that it cannot run on a reader; empty when it can.
func writes(stmt syntax.Stmt) string {
	switch s := stmt.(type) {
	case *syntax.Insert:
		return "INSERT"
	case *syntax.Update:
		return "UPDATE"
	case *syntax.Delete:
		return "DELETE"
	case *syntax.Truncate:
		return "TRUNCATE TABLE"
	case *syntax.CreateTable:
		return "CREATE TABLE"
	case syntax.AddColumn:
		return "ALTER TABLE"
	case syntax.CreateUniqueIndex:
		return "CREATE INDEX"
	case syntax.DropTable:
		return "DROP TABLE"
	case syntax.Accepted:
		return s.Tag
	case *syntax.Select:
		if s.Lock {
			return "SELECT FOR UPDATE"
		}
	case *syntax.Copy:
		if s.From {
			return "COPY FROM"
		}
	}
	return ""
}

// checkWritable refuses to write on a reader or in a read-only transaction.
func (s *session) checkWritable(stmt syntax.Stmt) error {
	verb := writes(stmt)
	if verb == "" {
		switch stmt.(type) {
		case syntax.Listen, syntax.Notify, syntax.Unlisten:
			if !s.host().Writable() {
				return errorf("25006", "cannot execute LISTEN, NOTIFY or UNLISTEN during recovery")
			}
		}
		return nil
	}
	if s.readOnly() {
		return errorf("25006", "cannot execute %s in a read-only transaction", verb)
	}
	return nil
}

// execute runs a statement that is not about transactions, in the open transaction. When it fails nothing of it remains.
func (s *session) execute(e *execution, p *prepared) (*result, error) {
	if err := s.checkWritable(p.stmt); err != nil {
		return nil, err
	}
	if p.copy != nil && p.copy.query == nil {
		var err error
		if e.received, err = s.receiveCopy(p.copy); err != nil {
			return nil, err
		}
	}
	for {
		mark := len(e.tx.undo)
		e.snap = s.server.config.Store.committed.Load()
		e.ctes = nil
		r, err := s.once(e, p)
		if err == nil {
			return r, nil
		}
		e.tx.rollbackTo(mark)
		if !errors.Is(err, errRestart) {
			return nil, err
		}
		if err := s.checkWritable(p.stmt); err != nil { // the role may have changed while it waited
			return nil, err
		}
		if p, err = s.refresh(p); err != nil {
			return nil, err
		}
	}
}

func (s *session) once(e *execution, p *prepared) (*result, error) {
	switch {
	case p.query != nil:
		rows, err := p.query.run(&frame{execution: e})
		if err != nil {
			return nil, err
		}
		return &result{fields: p.fields, rows: rows, tag: "SELECT " + strconv.Itoa(len(rows))}, nil
	case p.change != nil:
		rows, affected, err := p.change.run(e)
		if err != nil {
			return nil, err
		}
		verb := p.change.verb
		if verb == "INSERT" {
			verb = "INSERT 0"
		}
		return &result{fields: p.fields, rows: rows, tag: verb + " " + strconv.Itoa(affected)}, nil
	case p.copy != nil:
		return s.runCopy(e, p.copy)
	}
	c := &compiler{session: s, snap: e.snap, tx: e.tx}
	switch stmt := p.stmt.(type) {
	case *syntax.CreateTable:
		return &result{tag: "CREATE TABLE"}, createTable(e, c, stmt)
	case syntax.DropTable:
		return &result{tag: "DROP TABLE"}, dropTables(e, stmt)
	case *syntax.Truncate:
		return &result{tag: "TRUNCATE TABLE"}, truncate(e, c, stmt)
	case syntax.AddColumn:
		return &result{tag: "ALTER TABLE"}, addColumn(e, c, stmt)
	case syntax.CreateUniqueIndex:
		return &result{tag: "CREATE INDEX"}, createUniqueIndex(e, c, stmt)
	case syntax.Accepted:
		return &result{tag: stmt.Tag}, nil
	}
	return s.sessionStatement(e, p.stmt)
}

// sessionStatement runs a statement about the session.
func (s *session) sessionStatement(e *execution, stmt syntax.Stmt) (*result, error) {
	switch stmt := stmt.(type) {
	case syntax.Set:
		return s.runSet(e, stmt)
	case syntax.Show:
		return s.runShow(stmt)
	case syntax.Discard:
		if stmt.What == "ALL" {
			if s.inBlock {
				return nil, errorf("25001", "DISCARD ALL cannot run inside a transaction block")
			}
			s.resetAll(e.tx)
			s.statements = map[string]*prepared{}
			s.unlisten("")
		}
		return &result{tag: "DISCARD " + stmt.What}, nil
	case syntax.Deallocate:
		if stmt.Name == "" {
			s.statements = map[string]*prepared{}
			return &result{tag: "DEALLOCATE ALL"}, nil
		}
		if s.statements[stmt.Name] == nil {
			return nil, noStatement(stmt.Name)
		}
		delete(s.statements, stmt.Name)
		return &result{tag: "DEALLOCATE"}, nil
	case syntax.Listen:
		s.listen(stmt.Channel)
		return &result{tag: "LISTEN"}, nil
	case syntax.Unlisten:
		s.unlisten(stmt.Channel)
		return &result{tag: "UNLISTEN"}, nil
	case syntax.Notify:
		return &result{tag: "NOTIFY"}, s.notify(e.tx, stmt.Channel, stmt.Payload)
	}
	return nil, errorf("0A000", "this statement is not supported here")
}

func noStatement(name string) error {
	return errorf("26000", "prepared statement \"%s\" does not exist", name)
}

func (s *session) resetAll(tx *transaction) {
	for _, name := range sortedKeys(s.settings) {
		s.assign(tx, name, nil, false)
	}
}

func (s *session) runSet(e *execution, stmt syntax.Set) (*result, error) {
	tag := "SET"
	if stmt.Reset {
		tag = "RESET"
	}
	if stmt.Reset && len(stmt.Settings) == 0 {
		s.resetAll(e.tx)
	}
	for _, setting := range stmt.Settings {
		switch setting.Name {
		case "names":
			setting.Name = "client_encoding"
		case "session_authorization":
			return &result{tag: tag}, nil
		}
		var err error
		if setting.Default {
			err = s.reset(e.tx, setting.Name, stmt.Local)
		} else {
			err = s.set(e.tx, setting.Name, setting.Value, stmt.Local)
		}
		if err != nil {
			return nil, err
		}
	}
	return &result{tag: tag}, nil
}

func (s *session) showFields(stmt syntax.Show) ([]field, error) {
	if stmt.Name == "all" {
		return []field{{"name", tText}, {"setting", tText}}, nil
	}
	if _, ok := s.setting(stmt.Name); !ok {
		return nil, errorf("42704", "unrecognized configuration parameter \"%s\"", stmt.Name)
	}
	return []field{{stmt.Name, tText}}, nil
}

func (s *session) runShow(stmt syntax.Show) (*result, error) {
	fields, err := s.showFields(stmt)
	if err != nil {
		return nil, err
	}
	r := &result{fields: fields, tag: "SHOW"}
	if stmt.Name == "all" {
		for _, name := range s.settingNames() {
			value, _ := s.setting(name)
			r.rows = append(r.rows, []any{name, value})
		}
		return r, nil
	}
	value, _ := s.setting(stmt.Name)
	r.rows = [][]any{{value}}
	return r, nil
}
