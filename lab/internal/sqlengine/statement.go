package sqlengine

import (
	"errors"
	"slices"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// Prepared is a statement compiled for one state of the schema. It may be run by the session that compiled it, any
// number of times; when the schema has changed it is compiled anew. The zero value is an empty statement, not to be run.
type Prepared struct {
	sql    string
	stmt   syntax.Stmt // nil: empty
	params []OID
	fields []Field // nil: no rows

	origins []*Origin

	schema int // of the snapshot it was compiled for
	flavor Flavor
	plain  bool  // compiled without tables of an open transaction, so that it may be kept
	broken error // it fails with that when it runs
	query  *plan
	change *change
	copy   *copying
}

// Failing is a statement that fails with err when it runs, as one that could not be compiled.
func Failing(parsed syntax.Parsed, err error) *Prepared {
	return &Prepared{sql: parsed.SQL, stmt: parsed.Stmt, broken: err}
}

// SQL is the text of the statement.
func (p *Prepared) SQL() string { return p.sql }

// Stmt is the statement; nil: an empty one.
func (p *Prepared) Stmt() syntax.Stmt { return p.stmt }

// Params are the types of the parameters.
func (p *Prepared) Params() []OID { return p.params }

// Fields are the columns of the result; nil when it has no rows. COPY TO has none here, only in its Result.
func (p *Prepared) Fields() []Field { return p.fields }

// Origins says which fields are columns of tables, in a lenient dialect: one entry for each field, nil where it is none, or
// no entries at all.
func (p *Prepared) Origins() []*Origin { return p.origins }

// Result is the outcome of one statement.
type Result struct {
	Fields   []Field // nil: no rows
	Rows     [][]any // see Import for the types of values
	Verb     string  // what was done, "SELECT", "CREATE TABLE"
	Affected int     // how many rows a SELECT, INSERT, UPDATE, DELETE or COPY concerned

	// How MySQL counts: rows written anew, deleted, or found and with Changed really changed. A row that an INSERT
	// updates counts as two, a row replaced as two as well.
	Found, Changed int
	Generated      int64 // the first number given to a serial column of a lenient dialect; 0: none
	Serial         int64 // the serial column of the row an INSERT has written last, given or not; 0: none
}

// compile compiles a statement.
func (s *Session) compile(parsed syntax.Parsed, declared []OID) (*Prepared, error) {
	snap := s.config.Store.committed.Load()
	c := &compiler{session: s, snap: snap, tx: s.tx, params: slices.Clone(declared)}
	p := &Prepared{sql: parsed.SQL, stmt: parsed.Stmt, schema: snap.schema, flavor: s.flavor()}
	p.plain = s.tx == nil || len(s.tx.definitions) == 0
	var err error
	switch stmt := parsed.Stmt.(type) {
	case *syntax.Select:
		if p.query, err = c.query(stmt, nil); err == nil {
			p.fields, p.origins = p.query.fields, p.query.origins
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
		err = Errorf("0A000", "%s is not supported", stmt.What)
	}
	if err != nil {
		return nil, err
	}
	if p.change != nil && len(p.change.fields) > 0 {
		p.fields = p.change.fields
	}
	p.params = c.params
	for i, t := range p.params {
		if t == AnyOID {
			p.params[i] = tText
		}
	}
	return p, nil
}

// refresh compiles again what was compiled for another schema. The columns of the result must be the same still.
func (s *Session) refresh(p *Prepared) (*Prepared, error) {
	if p.broken != nil {
		return nil, p.broken
	}
	snap := s.config.Store.committed.Load()
	if p.plain && p.schema == snap.schema && p.flavor == s.flavor() && (s.tx == nil || len(s.tx.definitions) == 0) {
		return p, nil
	}
	next, err := s.compile(syntax.Parsed{Stmt: p.stmt, SQL: p.sql}, p.params)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(next.fields, p.fields) || p.copy != nil && !slices.Equal(next.copy.fields, p.copy.fields) {
		return nil, Errorf("0A000", "cached plan must not change result type")
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
func (s *Session) checkWritable(stmt syntax.Stmt) error {
	verb := writes(stmt)
	if verb == "" {
		switch stmt.(type) {
		case syntax.Listen, syntax.Notify, syntax.Unlisten:
			if !s.Host().Writable() {
				return Errorf("25006", "cannot execute LISTEN, NOTIFY or UNLISTEN during recovery")
			}
		}
		return nil
	}
	if s.ReadOnly() {
		return Errorf("25006", "cannot execute %s in a read-only transaction", verb)
	}
	return nil
}

// execute runs a statement that is not about transactions, in the open transaction. When it fails nothing of it remains.
func (s *Session) execute(e *Execution, p *Prepared) (*Result, error) {
	if err := s.checkWritable(p.stmt); err != nil {
		return nil, err
	}
	if p.copy != nil && p.copy.query == nil {
		var err error
		if e.received, err = s.copyIn(p); err != nil {
			return nil, err
		}
	}
	for {
		mark := len(e.tx.undo)
		e.snap = s.config.Store.committed.Load()
		e.ctes, e.found, e.changed, e.generated, e.serial = nil, 0, 0, 0, 0
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

func (s *Session) once(e *Execution, p *Prepared) (r *Result, err error) {
	defer recovered(&err)
	switch {
	case p.query != nil:
		rows, err := p.query.run(&frame{Execution: e})
		if err != nil {
			return nil, err
		}
		return &Result{Fields: p.fields, Rows: rows, Verb: "SELECT", Affected: len(rows)}, nil
	case p.change != nil:
		rows, affected, err := p.change.run(e)
		if err != nil {
			return nil, err
		}
		return &Result{Fields: p.fields, Rows: rows, Verb: p.change.verb, Affected: affected, Found: e.found, Changed: e.changed,
			Generated: e.generated, Serial: e.serial}, nil
	case p.copy != nil:
		return p.copy.run(e)
	}
	c := &compiler{session: s, snap: e.snap, tx: e.tx}
	switch stmt := p.stmt.(type) {
	case *syntax.CreateTable:
		return &Result{Verb: "CREATE TABLE"}, createTable(e, c, stmt)
	case syntax.DropTable:
		return &Result{Verb: "DROP TABLE"}, dropTables(e, stmt)
	case *syntax.Truncate:
		return &Result{Verb: "TRUNCATE TABLE"}, truncate(e, c, stmt)
	case syntax.AddColumn:
		return &Result{Verb: "ALTER TABLE"}, addColumn(e, c, stmt)
	case syntax.CreateUniqueIndex:
		return &Result{Verb: "CREATE INDEX"}, createUniqueIndex(e, c, stmt)
	case syntax.Accepted:
		return &Result{Verb: stmt.Tag}, nil
	}
	return s.sessionStatement(p.stmt)
}

// sessionStatement runs a statement about the session.
func (s *Session) sessionStatement(stmt syntax.Stmt) (*Result, error) {
	switch stmt := stmt.(type) {
	case syntax.Set:
		return s.runSet(stmt)
	case syntax.Show:
		return s.runShow(stmt)
	case syntax.Notify:
		return &Result{Verb: "NOTIFY"}, s.notify(stmt.Channel, stmt.Payload)
	}
	if s.config.Front.Local != nil {
		return s.config.Front.Local(stmt)
	}
	return nil, Errorf("0A000", "this statement is not supported here")
}

func (s *Session) runSet(stmt syntax.Set) (*Result, error) {
	tag := "SET"
	if stmt.Reset {
		tag = "RESET"
	}
	if stmt.Reset && len(stmt.Settings) == 0 {
		s.ResetSettings()
	}
	for _, setting := range stmt.Settings {
		switch setting.Name {
		case "names":
			setting.Name = "client_encoding"
		case "session_authorization":
			return &Result{Verb: tag}, nil
		}
		var err error
		if setting.Default {
			err = s.reset(setting.Name, scopeOf(stmt.Local))
		} else {
			err = s.Set(setting.Name, setting.Value, scopeOf(stmt.Local))
		}
		if err != nil {
			return nil, err
		}
	}
	return &Result{Verb: tag}, nil
}

func (s *Session) showFields(stmt syntax.Show) ([]Field, error) {
	if stmt.Name == "all" {
		return []Field{{"name", tText}, {"setting", tText}}, nil
	}
	if _, ok := s.Setting(stmt.Name); !ok {
		return nil, unknownSetting(stmt.Name)
	}
	return []Field{{stmt.Name, tText}}, nil
}

func (s *Session) runShow(stmt syntax.Show) (*Result, error) {
	fields, err := s.showFields(stmt)
	if err != nil {
		return nil, err
	}
	r := &Result{Fields: fields, Verb: "SHOW"}
	if stmt.Name == "all" {
		for _, name := range s.settingNames() {
			value, _ := s.Setting(name)
			r.Rows = append(r.Rows, []any{name, value})
		}
		return r, nil
	}
	value, _ := s.Setting(stmt.Name)
	r.Rows = [][]any{{value}}
	return r, nil
}
