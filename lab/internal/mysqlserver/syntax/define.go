package syntax

import (
	"strconv"
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// accept takes the whole statement as one that changes nothing anybody can see here.
func (p *parser) accept(tag string) sql.Stmt {
	p.skip()
	return sql.Accepted{Tag: tag}
}

func (p *parser) create() sql.Stmt {
	p.expectWord("create")
	_ = p.word("or", "replace")
	t := p.peek()
	switch t.lower {
	case "table":
		p.next()
		return p.createTable()
	case "unique", "index", "fulltext", "spatial":
		return p.createIndex()
	case "database", "schema", "user", "role":
		return p.accept("CREATE " + strings.ToUpper(t.text))
	}
	p.unsupported("CREATE " + strings.ToUpper(t.text))
	return nil
}

func (p *parser) drop() sql.Stmt {
	p.expectWord("drop")
	p.word("temporary")
	t := p.next()
	switch t.lower {
	case "table", "tables":
		s := sql.DropTable{IfExists: p.word("if", "exists")}
		for {
			s.Names = append(s.Names, p.table())
			if !p.op(",") {
				break
			}
		}
		_ = p.word("cascade") || p.word("restrict")
		return s
	case "index", "database", "schema", "user", "role":
		return p.accept("DROP " + strings.ToUpper(t.text))
	}
	if t.kind != word {
		p.at--
		p.fail()
	}
	p.unsupported("DROP " + strings.ToUpper(t.text))
	return nil
}

// alter parses ALTER TABLE into one statement for each of its parts.
func (p *parser) alter() sql.Stmt {
	p.expectWord("alter")
	if t := p.peek(); t.is("database") || t.is("schema") || t.is("user") {
		return p.accept("ALTER " + strings.ToUpper(t.text))
	}
	if !p.word("table") {
		p.unsupported("ALTER " + strings.ToUpper(p.peek().text))
	}
	table := p.table()
	s := &Alter{}
	for {
		s.Actions = append(s.Actions, p.alterAction(table)...)
		if !p.op(",") {
			return s
		}
	}
}

func (p *parser) alterAction(table sql.Name) []sql.Stmt {
	accepted := []sql.Stmt{sql.Accepted{Tag: "ALTER TABLE"}}
	if !p.word("add") {
		t := p.peek()
		switch t.lower {
		case "engine", "auto_increment", "comment", "charset", "character", "default", "collate", "row_format", "convert",
			"algorithm", "lock":
			for k := p.peek(); k.kind != end && !k.isOp(";") && !k.isOp(","); k = p.peek() {
				p.next()
			}
			return accepted
		}
		p.unsupported("ALTER TABLE … " + strings.ToUpper(t.text))
	}
	switch t := p.peek(); {
	case t.is("constraint"), t.is("primary"), t.is("unique"), t.is("index"), t.is("key"), t.is("foreign"), t.is("fulltext"),
		t.is("spatial"), t.is("check"):
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
	p.word("column")
	ifNotExists := p.word("if", "not", "exists")
	parenthesised := p.op("(")
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
		if !p.word("first") && p.word("after") {
			p.name()
		}
		if !parenthesised || !p.op(",") {
			break
		}
	}
	if parenthesised {
		p.expect(")")
	}
	return list
}

func (p *parser) createIndex() sql.Stmt {
	unique := p.word("unique")
	_ = p.anyWord("fulltext", "spatial")
	p.expectWord("index")
	s := sql.CreateUniqueIndex{IfNotExists: p.word("if", "not", "exists"), Name: p.name()}
	p.indexType()
	p.expectWord("on")
	s.Table = p.table()
	s.Columns = p.keyColumns()
	p.skip() // options
	if !unique {
		return sql.Accepted{Tag: "CREATE INDEX"}
	}
	return s
}

func (p *parser) indexType() {
	if p.word("using") {
		p.label()
	}
}

// keyColumns takes (a, b(10) DESC, …).
func (p *parser) keyColumns() []string {
	p.expect("(")
	var list []string
	for {
		if p.peek().isOp("(") {
			p.unsupported("keys of expressions")
		}
		list = append(list, p.name())
		p.modifiers()
		_ = p.word("asc") || p.word("desc")
		if !p.op(",") {
			p.expect(")")
			return list
		}
	}
}

func (p *parser) createTable() sql.Stmt {
	s := &sql.CreateTable{IfNotExists: p.word("if", "not", "exists"), Name: p.table()}
	if !p.op("(") || p.peek().is("like") {
		p.unsupported("CREATE TABLE … LIKE and … AS")
	}
	for {
		p.tableElement(s)
		if !p.op(",") {
			break
		}
	}
	p.expect(")")
	p.tableOptions(s)
	return s
}

// tableOptions skips what comes after the columns, except for where AUTO_INCREMENT starts.
func (p *parser) tableOptions(s *sql.CreateTable) {
	for t := p.peek(); t.kind != end && t.kind != broken && !t.isOp(";"); t = p.peek() {
		switch {
		case p.word("auto_increment"):
			p.op("=")
			first := p.integer()
			for i := range s.Columns {
				s.Columns[i].Start = int64(first)
			}
		case t.is("select"), t.is("as"):
			p.unsupported("CREATE TABLE … AS")
		default:
			p.next()
		}
	}
}

func (p *parser) tableElement(s *sql.CreateTable) {
	name := ""
	if p.word("constraint") && p.isName() {
		name = p.name()
	}
	switch {
	case p.word("primary", "key"):
		p.keyName()
		s.Keys = append(s.Keys, sql.Key{Name: "PRIMARY", Columns: p.keyColumns(), Primary: true})
		p.keyOptions()
	case p.word("unique"):
		_ = p.anyWord("key", "index")
		if own := p.keyName(); own != "" {
			name = own
		}
		k := sql.Key{Name: name, Columns: p.keyColumns()}
		if k.Name == "" {
			k.Name = k.Columns[0]
		}
		s.Keys = append(s.Keys, k)
		p.keyOptions()
	case p.word("foreign", "key"):
		p.keyName()
		p.keyColumns()
		p.references()
	case p.peek().is("check"):
		p.check(s, name)
	case p.word("fulltext"), p.word("spatial"), p.peek().is("key"), p.peek().is("index"):
		_ = p.anyWord("key", "index")
		p.keyName()
		p.keyColumns()
		p.keyOptions()
	case name != "" || p.peek().is("like"):
		p.fail()
	default:
		s.Columns = append(s.Columns, p.columnDef(s))
	}
}

// keyName takes the optional name and type of a key.
func (p *parser) keyName() string {
	name := ""
	if p.isName() {
		name = p.name()
	}
	p.indexType()
	return name
}

func (p *parser) keyOptions() {
	for {
		switch {
		case p.word("using"):
			p.label()
		case p.word("comment"):
			p.text()
		case p.word("key_block_size"):
			p.op("=")
			p.integer()
		case p.anyWord("visible", "invisible") != "":
		default:
			return
		}
	}
}

func (p *parser) check(s *sql.CreateTable, name string) {
	p.expectWord("check")
	p.expect("(")
	s.Checks = append(s.Checks, sql.Check{Name: name, X: p.condition()})
	p.expect(")")
	if p.word("not", "enforced") {
		s.Checks = s.Checks[:len(s.Checks)-1]
	} else {
		p.word("enforced")
	}
}

// references parses a foreign key, which is not enforced.
func (p *parser) references() {
	p.expectWord("references")
	p.table()
	if p.peek().isOp("(") {
		p.keyColumns()
	}
	for p.word("on") {
		_ = p.word("delete") || p.word("update")
		_ = p.word("cascade") || p.word("restrict") || p.word("no", "action") || p.word("set", "null") || p.word("set", "default")
	}
}

// columnDef parses a column; keys and checks written with it are added to s.
func (p *parser) columnDef(s *sql.CreateTable) sql.ColumnDef {
	c := sql.ColumnDef{Name: p.name()}
	p.columnType(&c, s)
	for {
		switch {
		case p.word("not", "null"):
			c.NotNull = true
		case p.word("null"):
		case p.word("default"):
			c.Default = p.defaultValue()
		case p.word("on", "update"):
			c.OnUpdate = p.defaultValue()
		case p.word("auto_increment"):
			c.Serial, c.NotNull = true, true
		case p.word("unique"):
			p.word("key")
			s.Keys = append(s.Keys, sql.Key{Name: c.Name, Columns: []string{c.Name}})
		case p.word("primary", "key"), p.word("key"):
			c.NotNull = true
			s.Keys = append(s.Keys, sql.Key{Name: "PRIMARY", Columns: []string{c.Name}, Primary: true})
		case p.word("comment"):
			p.text()
		case p.peek().is("constraint"), p.peek().is("check"):
			name := ""
			if p.word("constraint") && p.isName() {
				name = p.name()
			}
			p.check(s, name)
		case p.peek().is("references"):
			p.references()
		case p.peek().is("generated"), p.peek().is("as"):
			p.unsupported("generated columns")
		case p.peek().is("character"), p.peek().is("charset"), p.peek().is("collate"):
			p.characterSet()
		case p.anyWord("visible", "invisible") != "":
		default:
			return c
		}
	}
}

// defaultValue takes a literal, a function of the time or a parenthesised expression.
func (p *parser) defaultValue() sql.Expr {
	if p.op("(") {
		x := p.value()
		p.expect(")")
		return x
	}
	if p.word("now") {
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
	t := p.peek()
	name := strings.ToLower(p.label())
	if name == "serial" {
		c.Type = sql.Type{Name: "int8"}
		c.Declared, c.Serial, c.NotNull = "bigint unsigned", true, true
		s.Keys = append(s.Keys, sql.Key{Name: c.Name, Columns: []string{c.Name}})
		return
	}
	engine := columnTypes[name]
	if t.kind != word || engine == "" {
		p.at--
		p.fail()
	}
	c.Declared = canonicalNames[name]
	if c.Declared == "" {
		c.Declared = name
	}
	switch name {
	case "double":
		p.word("precision")
	case "character":
		if p.word("varying") {
			c.Declared = "varchar"
		}
	}
	p.typeModifiers(c, name, engine)
	for {
		switch {
		case p.word("unsigned"):
			c.Declared += " unsigned"
			if wide := wider[name]; wide != "" {
				engine = wide
			}
		case p.word("signed"), p.word("zerofill"):
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
	if p.op("(") {
		for {
			mods = append(mods, p.integer())
			if !p.op(",") {
				break
			}
		}
		p.expect(")")
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
