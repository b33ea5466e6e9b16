package syntax

import (
	"strconv"
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// accept takes the whole statement as one that changes nothing anybody can see here.
func (p *parser) accept(tag string) sql.Stmt {
	p.Skip()
	return sql.Accepted{Tag: tag}
}

func (p *parser) create() sql.Stmt {
	p.ExpectWord("create")
	_ = p.Word("or", "replace")
	t := p.Peek()
	switch t.Lower {
	case "table":
		p.Next()
		return p.createTable()
	case "unique", "index", "fulltext", "spatial":
		return p.createIndex()
	case "database", "schema", "user", "role":
		return p.accept("CREATE " + strings.ToUpper(t.Text))
	}
	p.unsupported("CREATE " + strings.ToUpper(t.Text))
	return nil
}

func (p *parser) drop() sql.Stmt {
	p.ExpectWord("drop")
	p.Word("temporary")
	t := p.Next()
	switch t.Lower {
	case "table", "tables":
		s := sql.DropTable{IfExists: p.Word("if", "exists")}
		for {
			s.Names = append(s.Names, p.table())
			if !p.Op(",") {
				break
			}
		}
		_ = p.Word("cascade") || p.Word("restrict")
		return s
	case "index", "database", "schema", "user", "role":
		return p.accept("DROP " + strings.ToUpper(t.Text))
	}
	if t.Kind != token.Word {
		p.At--
		p.fail()
	}
	p.unsupported("DROP " + strings.ToUpper(t.Text))
	return nil
}

// alter parses ALTER TABLE into one statement for each of its parts.
func (p *parser) alter() sql.Stmt {
	p.ExpectWord("alter")
	if t := p.Peek(); t.Is("database") || t.Is("schema") || t.Is("user") {
		return p.accept("ALTER " + strings.ToUpper(t.Text))
	}
	if !p.Word("table") {
		p.unsupported("ALTER " + strings.ToUpper(p.Peek().Text))
	}
	table := p.table()
	s := &Alter{}
	for {
		s.Actions = append(s.Actions, p.alterAction(table)...)
		if !p.Op(",") {
			return s
		}
	}
}

func (p *parser) alterAction(table sql.Name) []sql.Stmt {
	accepted := []sql.Stmt{sql.Accepted{Tag: "ALTER TABLE"}}
	if !p.Word("add") {
		t := p.Peek()
		switch t.Lower {
		case "engine", "auto_increment", "comment", "charset", "character", "default", "collate", "row_format", "convert",
			"algorithm", "lock":
			for k := p.Peek(); k.Kind != token.End && !k.IsOp(";") && !k.IsOp(","); k = p.Peek() {
				p.Next()
			}
			return accepted
		}
		p.unsupported("ALTER TABLE … " + strings.ToUpper(t.Text))
	}
	switch t := p.Peek(); {
	case t.Is("constraint"), t.Is("primary"), t.Is("unique"), t.Is("index"), t.Is("key"), t.Is("foreign"), t.Is("fulltext"),
		t.Is("spatial"), t.Is("check"):
		scratch := &sql.CreateTable{}
		p.tableElement(scratch)
		if len(scratch.Checks) > 0 {
			p.unsupported("ALTER TABLE … ADD CHECK")
		}
		for _, k := range scratch.Keys {
			if k.Primary {
				p.unsupported("ALTER TABLE … ADD PRIMARY KEY")
			}
			accepted = []sql.Stmt{sql.CreateUniqueIndex{Name: k.Name, Table: table, Columns: k.Columns}}
		}
		return accepted
	}
	p.Word("column")
	ifNotExists := p.Word("if", "not", "exists")
	parenthesised := p.Op("(")
	var list []sql.Stmt
	for {
		scratch := &sql.CreateTable{}
		list = append(list, sql.AddColumn{Table: table, Column: p.columnDef(scratch), IfNotExists: ifNotExists})
		if len(scratch.Checks) > 0 {
			p.unsupported("ALTER TABLE … ADD COLUMN … CHECK")
		}
		for _, k := range scratch.Keys {
			if k.Primary {
				p.unsupported("ALTER TABLE … ADD PRIMARY KEY")
			}
			list = append(list, sql.CreateUniqueIndex{Name: k.Name, Table: table, Columns: k.Columns})
		}
		if !p.Word("first") && p.Word("after") {
			p.Name()
		}
		if !parenthesised || !p.Op(",") {
			break
		}
	}
	if parenthesised {
		p.Expect(")")
	}
	return list
}

func (p *parser) createIndex() sql.Stmt {
	unique := p.Word("unique")
	_ = p.AnyWord("fulltext", "spatial")
	p.ExpectWord("index")
	s := sql.CreateUniqueIndex{IfNotExists: p.Word("if", "not", "exists"), Name: p.Name()}
	p.indexType()
	p.ExpectWord("on")
	s.Table = p.table()
	s.Columns = p.keyColumns()
	p.Skip() // options
	if !unique {
		return sql.Accepted{Tag: "CREATE INDEX"}
	}
	return s
}

func (p *parser) indexType() {
	if p.Word("using") {
		p.Label()
	}
}

// keyColumns takes (a, b(10) DESC, …).
func (p *parser) keyColumns() []string {
	p.Expect("(")
	var list []string
	for {
		if p.Peek().IsOp("(") {
			p.unsupported("keys of expressions")
		}
		list = append(list, p.Name())
		p.modifiers()
		_ = p.Word("asc") || p.Word("desc")
		if !p.Op(",") {
			p.Expect(")")
			return list
		}
	}
}

func (p *parser) createTable() sql.Stmt {
	s := &sql.CreateTable{IfNotExists: p.Word("if", "not", "exists"), Name: p.table()}
	if !p.Op("(") || p.Peek().Is("like") {
		p.unsupported("CREATE TABLE … LIKE and … AS")
	}
	for {
		p.tableElement(s)
		if !p.Op(",") {
			break
		}
	}
	p.Expect(")")
	p.tableOptions(s)
	return s
}

// tableOptions skips what comes after the columns, except for where AUTO_INCREMENT starts.
func (p *parser) tableOptions(s *sql.CreateTable) {
	for t := p.Peek(); t.Kind != token.End && t.Kind != token.Broken && !t.IsOp(";"); t = p.Peek() {
		switch {
		case p.Word("auto_increment"):
			p.Op("=")
			first := p.Integer()
			for i := range s.Columns {
				s.Columns[i].Start = int64(first)
			}
		case t.Is("select"), t.Is("as"):
			p.unsupported("CREATE TABLE … AS")
		default:
			p.Next()
		}
	}
}

func (p *parser) tableElement(s *sql.CreateTable) {
	name := ""
	if p.Word("constraint") && p.IsName() {
		name = p.Name()
	}
	switch {
	case p.Word("primary", "key"):
		p.keyName()
		s.Keys = append(s.Keys, sql.Key{Name: "PRIMARY", Columns: p.keyColumns(), Primary: true})
		p.keyOptions()
	case p.Word("unique"):
		_ = p.AnyWord("key", "index")
		if own := p.keyName(); own != "" {
			name = own
		}
		k := sql.Key{Name: name, Columns: p.keyColumns()}
		if k.Name == "" {
			k.Name = k.Columns[0]
		}
		s.Keys = append(s.Keys, k)
		p.keyOptions()
	case p.Word("foreign", "key"):
		p.keyName()
		p.keyColumns()
		p.references()
	case p.Peek().Is("check"):
		p.check(s, name)
	case p.Word("fulltext"), p.Word("spatial"), p.Peek().Is("key"), p.Peek().Is("index"):
		_ = p.AnyWord("key", "index")
		p.keyName()
		p.keyColumns()
		p.keyOptions()
	case name != "" || p.Peek().Is("like"):
		p.fail()
	default:
		s.Columns = append(s.Columns, p.columnDef(s))
	}
}

// keyName takes the optional name and type of a key.
func (p *parser) keyName() string {
	name := ""
	if p.IsName() {
		name = p.Name()
	}
	p.indexType()
	return name
}

func (p *parser) keyOptions() {
	for {
		switch {
		case p.Word("using"):
			p.Label()
		case p.Word("comment"):
			p.text()
		case p.Word("key_block_size"):
			p.Op("=")
			p.Integer()
		case p.AnyWord("visible", "invisible") != "":
		default:
			return
		}
	}
}

func (p *parser) check(s *sql.CreateTable, name string) {
	p.ExpectWord("check")
	p.Expect("(")
	s.Checks = append(s.Checks, sql.Check{Name: name, X: p.condition()})
	p.Expect(")")
	if p.Word("not", "enforced") {
		s.Checks = s.Checks[:len(s.Checks)-1]
	} else {
		p.Word("enforced")
	}
}

// references parses a foreign key, which is not enforced.
func (p *parser) references() {
	p.ExpectWord("references")
	p.table()
	if p.Peek().IsOp("(") {
		p.keyColumns()
	}
	for p.Word("on") {
		_ = p.Word("delete") || p.Word("update")
		_ = p.Word("cascade") || p.Word("restrict") || p.Word("no", "action") || p.Word("set", "null") || p.Word("set", "default")
	}
}

// columnDef parses a column; keys and checks written with it are added to s.
func (p *parser) columnDef(s *sql.CreateTable) sql.ColumnDef {
	c := sql.ColumnDef{Name: p.Name()}
	p.columnType(&c, s)
	for {
		switch {
		case p.Word("not", "null"):
			c.NotNull = true
		case p.Word("null"):
		case p.Word("default"):
			c.Default = p.defaultValue()
		case p.Word("on", "update"):
			c.OnUpdate = p.defaultValue()
		case p.Word("auto_increment"):
			c.Serial, c.NotNull = true, true
		case p.Word("unique"):
			p.Word("key")
			s.Keys = append(s.Keys, sql.Key{Name: c.Name, Columns: []string{c.Name}})
		case p.Word("primary", "key"), p.Word("key"):
			c.NotNull = true
			s.Keys = append(s.Keys, sql.Key{Name: "PRIMARY", Columns: []string{c.Name}, Primary: true})
		case p.Word("comment"):
			p.text()
		case p.Peek().Is("constraint"), p.Peek().Is("check"):
			name := ""
			if p.Word("constraint") && p.IsName() {
				name = p.Name()
			}
			p.check(s, name)
		case p.Peek().Is("references"):
			p.references()
		case p.Peek().Is("generated"), p.Peek().Is("as"):
			p.unsupported("generated columns")
		case p.Peek().Is("character"), p.Peek().Is("charset"), p.Peek().Is("collate"):
			p.characterSet()
		case p.AnyWord("visible", "invisible") != "":
		default:
			return c
		}
	}
}

// defaultValue takes a literal, a function of the time or a parenthesised expression.
func (p *parser) defaultValue() sql.Expr {
	if p.Op("(") {
		x := p.value()
		p.Expect(")")
		return x
	}
	if p.Word("now") {
		return sql.Call{Name: "now", Args: p.parenthesisedPrecision()}
	}
	return value(p.signed())
}

// columnTypes are the names of types, and what the engine has for them.
var columnTypes = map[string]string{
	"tinyint": "int2", "smallint": "int2", "mediumint": "int4", "int": "int4", "integer": "int4", "bigint": "int8",
	"bool": "int2", "boolean": "int2", "year": "int2", "bit": "int8", "int1": "int2", "int2": "int2", "int4": "int4", "int8": "int8",
	"decimal": "numeric", "dec": "numeric", "numeric": "numeric", "fixed": "numeric", "float": "float4", "double": "float8", "real": "float8",
	"char": "varchar", "character": "varchar", "nchar": "varchar", "varchar": "varchar", "nvarchar": "varchar",
	"tinytext": "text", "text": "text", "mediumtext": "text", "longtext": "text", "enum": "text", "set": "text",
	"tinyblob": "bytea", "blob": "bytea", "mediumblob": "bytea", "longblob": "bytea", "binary": "bytea", "varbinary": "bytea",
	"date": "date", "datetime": "timestamp", "timestamp": "timestamp", "time": "text", "json": "json", "uuid": "uuid", "inet6": "text",
}

// wider are the types that hold the unsigned numbers of a type.
var wider = map[string]string{"smallint": "int4", "mediumint": "int4", "int": "int8", "integer": "int8"}

// columnType takes a type. What MySQL calls it stays with the column, as the engine has fewer of them.
func (p *parser) columnType(c *sql.ColumnDef, s *sql.CreateTable) {
	t := p.Peek()
	name := strings.ToLower(p.Label())
	if name == "serial" {
		c.Type = sql.Type{Name: "int8"}
		c.Declared, c.Serial, c.NotNull = "bigint unsigned", true, true
		s.Keys = append(s.Keys, sql.Key{Name: c.Name, Columns: []string{c.Name}})
		return
	}
	engine := columnTypes[name]
	if t.Kind != token.Word || engine == "" {
		p.At--
		p.fail()
	}
	c.Declared = canonicalNames[name]
	if c.Declared == "" {
		c.Declared = name
	}
	switch name {
	case "double":
		p.Word("precision")
	case "character":
		if p.Word("varying") {
			c.Declared = "varchar"
		}
	}
	p.typeModifiers(c, name, engine)
	for {
		switch {
		case p.Word("unsigned"):
			c.Declared += " unsigned"
			if wide := wider[name]; wide != "" {
				engine = wide
			}
		case p.Word("signed"), p.Word("zerofill"):
		default:
			p.characterSet()
			c.Type.Name = engine
			return
		}
	}
}

// canonicalNames are the names that MySQL shows for a type written differently.
var canonicalNames = map[string]string{"integer": "int", "bool": "tinyint(1)", "boolean": "tinyint(1)", "dec": "decimal", "numeric": "decimal",
	"fixed": "decimal", "real": "double", "character": "char", "nchar": "char", "nvarchar": "varchar", "int1": "tinyint", "int2": "smallint",
	"int4": "int", "int8": "bigint"}

// typeModifiers takes (10, 2) or ('a', 'b').
func (p *parser) typeModifiers(c *sql.ColumnDef, name, engine string) {
	var mods []int
	if name == "enum" || name == "set" {
		p.skipParentheses()
		return
	}
	if p.Op("(") {
		for {
			mods = append(mods, p.Integer())
			if !p.Op(",") {
				break
			}
		}
		p.Expect(")")
		var shown []string
		for _, m := range mods {
			shown = append(shown, strconv.Itoa(m))
		}
		if c.Declared != "tinyint(1)" {
			c.Declared += "(" + strings.Join(shown, ",") + ")"
		}
	}
	switch engine {
	case "numeric":
		if len(mods) == 0 {
			mods = []int{10}
		}
		if len(mods) == 1 {
			mods = append(mods, 0)
		}
		c.Type.Mods = mods
	case "varchar":
		if len(mods) == 0 {
			mods = []int{1}
		}
		c.Type.Mods = mods
	case "timestamp":
		if len(mods) == 0 {
			mods = []int{0}
		}
		c.Type.Mods = mods
	}
}
