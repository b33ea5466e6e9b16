package sqlengine

import (
	"math"
	"reflect"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// frame is what an expression is evaluated in: a row, and the rows of the queries around it.
type frame struct {
	*Execution
	values     []any
	outer      *frame
	aggregates []any // results for the group the row stands for
}

// node is a compiled expression.
type node struct {
	typ     OID
	eval    func(*frame) (any, error)
	literal *string // the text, for a string literal of unknown type
	origin  *Origin // the column of a table it is, if it is one
}

// scope is what names mean at one place of a query.
type scope struct {
	columns []scopeColumn
	outer   *scope
	group   *grouping // set while compiling what comes after GROUP BY
}

type scopeColumn struct {
	table, name string
	typ         OID
	hidden      bool // merged by USING: reachable only with its table
	fold        bool // the case of its name does not matter
	origin      *Origin
}

// compiler turns statements into plans. The types of parameters not declared are found on the way.
type compiler struct {
	session *Session
	snap    *snapshot
	tx      *transaction // nil: none yet
	params  []OID        // by number-1; 0: unknown
	ctes    map[string]*plan
}

func (c *compiler) table(n syntax.Name) (*table, error) {
	name := n.Name
	if n.Schema != "" {
		name = n.Schema + "." + n.Name
	}
	t := c.snap.tables[name]
	if c.tx != nil {
		t = c.tx.table(c.snap, name)
	}
	if t == nil {
		failure := Errorf("42P01", "relation \"%s\" does not exist", name)
		failure.Table = name
		return nil, failure
	}
	return t, nil
}

func constant(t OID, v any) node {
	return node{typ: t, eval: func(*frame) (any, error) { return v, nil }}
}

// expression compiles x. want is the type its surroundings expect, which decides the type of a bare parameter; AnyOID: none.
func (c *compiler) expression(sc *scope, x syntax.Expr, want OID) (node, error) {
	if sc != nil && sc.group != nil {
		if n, ok := sc.group.find(x); ok {
			return n, nil
		}
	}
	switch x := x.(type) {
	case syntax.Null:
		return constant(pgtype.UnknownOID, nil), nil
	case syntax.Bool:
		return constant(pgtype.BoolOID, x.Value), nil
	case syntax.Number:
		return compileNumber(x.Text)
	case syntax.String:
		n := constant(pgtype.UnknownOID, x.Text)
		n.literal = &x.Text
		return n, nil
	case syntax.Param:
		return c.param(x.N, want), nil
	case syntax.Column:
		return c.column(sc, x)
	case syntax.Unary:
		return c.unary(sc, x, want)
	case syntax.Binary:
		return c.binary(sc, x)
	case syntax.Is:
		return c.is(sc, x)
	case syntax.In:
		return c.in(sc, x)
	case syntax.Between:
		low := syntax.Binary{Op: ">=", L: x.X, R: x.Low}
		high := syntax.Binary{Op: "<=", L: x.X, R: x.High}
		var both syntax.Expr = syntax.Binary{Op: "AND", L: low, R: high}
		if x.Not {
			both = syntax.Unary{Op: "NOT", X: both}
		}
		return c.expression(sc, both, pgtype.BoolOID)
	case syntax.Like:
		return c.like(sc, x)
	case syntax.Quantified:
		return c.quantified(sc, x)
	case syntax.Case:
		return c.caseOf(sc, x, want)
	case syntax.Cast:
		return c.cast(sc, x)
	case syntax.Call:
		return c.call(sc, x, want)
	case syntax.Subquery:
		return c.subquery(sc, x.Query)
	case syntax.Exists:
		return c.exists(sc, x.Query)
	case syntax.Array:
		return c.array(sc, x, want)
	case syntax.Default:
		return node{}, Errorf("42601", "DEFAULT is not allowed in this context")
	case syntax.Star:
		return node{}, Errorf("42601", "* is not allowed in this context")
	}
	return node{}, Errorf("0A000", "row expressions are not supported here")
}

// as compiles x and converts it to type t as in an assignment; what names the place for messages.
func (c *compiler) as(sc *scope, x syntax.Expr, t OID) (node, error) {
	n, err := c.expression(sc, x, t)
	if err != nil {
		return node{}, err
	}
	return c.coerce(n, t)
}

// condition compiles a boolean expression.
func (c *compiler) condition(sc *scope, x syntax.Expr, clause string) (node, error) {
	n, err := c.expression(sc, x, pgtype.BoolOID)
	if err != nil {
		return node{}, err
	}
	if n.typ != pgtype.BoolOID && n.typ != pgtype.UnknownOID {
		return node{}, Errorf("42804", "argument of %s must be type boolean, not type %s", clause, typeName(n.typ))
	}
	return c.coerce(n, pgtype.BoolOID)
}

// coerce converts a node where no cast is written. A literal is converted once, here.
func coerce(n node, t OID) (node, error) {
	if t == AnyOID || n.typ == t {
		return n, nil
	}
	if n.literal != nil {
		v, err := ParseText(t, *n.literal)
		if err != nil {
			return node{}, err
		}
		return constant(t, v), nil
	}
	if !implicit(n.typ, t) {
		return node{}, Errorf("42804", "expression is of type %s but type %s is expected", typeName(n.typ), typeName(t))
	}
	return converted(n, t), nil
}

// converted converts at run time.
func converted(n node, t OID) node {
	from, eval := n.typ, n.eval
	if from == t {
		return n
	}
	return node{typ: t, eval: func(f *frame) (any, error) {
		v, err := eval(f)
		if err != nil || v == nil {
			return nil, err
		}
		return convert(v, from, t)
	}}
}

// settled gives a literal or parameter that nothing gave a type the type text.
func settled(n node) node {
	if n.typ == pgtype.UnknownOID || n.typ == AnyOID {
		n.typ, n.literal = pgtype.TextOID, nil
	}
	return n
}

func compileNumber(s string) (node, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n > math.MaxInt32 {
			return constant(pgtype.Int8OID, n), nil
		}
		return constant(pgtype.Int4OID, n), nil
	}
	d, ok := ParseDecimal(s)
	if !ok {
		return node{}, Errorf("22003", "value overflows numeric format")
	}
	return constant(pgtype.NumericOID, d), nil
}

func (c *compiler) param(n int, want OID) node {
	for len(c.params) < n {
		c.params = append(c.params, AnyOID)
	}
	t := c.params[n-1]
	if (t == AnyOID || t == pgtype.UnknownOID) && want != AnyOID && want != pgtype.UnknownOID {
		t = want
		c.params[n-1] = t
	}
	if t == AnyOID {
		t = pgtype.UnknownOID
	}
	return node{typ: t, eval: func(f *frame) (any, error) {
		if n > len(f.args) {
			return nil, Errorf("42P02", "there is no parameter $%d", n)
		}
		return f.args[n-1], nil
	}}
}

// open reports whether x takes its type from its surroundings.
func (c *compiler) open(x syntax.Expr) bool {
	switch x := x.(type) {
	case syntax.Null, syntax.String:
		return true
	case syntax.Param:
		return x.N > len(c.params) || c.params[x.N-1] == AnyOID || c.params[x.N-1] == pgtype.UnknownOID
	}
	return false
}

// pair compiles two operands, an open one after the other so that it gets the other's type.
func (c *compiler) pair(sc *scope, left, right syntax.Expr) (l, r node, err error) {
	if c.open(left) && !c.open(right) {
		r, l, err = c.pair(sc, right, left)
		return l, r, err
	}
	if l, err = c.expression(sc, left, AnyOID); err != nil {
		return l, r, err
	}
	r, err = c.expression(sc, right, l.typ)
	return l, r, err
}

// column finds what a column reference means, in this query or one around it.
func (c *compiler) column(sc *scope, x syntax.Column) (node, error) {
	depth := 0
	for s := sc; s != nil; s = s.outer {
		index, err := s.find(x)
		if err != nil {
			return node{}, err
		}
		if index < 0 {
			depth++
			continue
		}
		if s.group != nil && !s.group.free(index) {
			return node{}, Errorf("42803", "column \"%s\" must appear in the GROUP BY clause or be used in an aggregate function", columnText(x))
		}
		n := columnAt(s.columns[index].typ, index, depth)
		n.origin = s.columns[index].origin
		return n, nil
	}
	if x.Table != "" && !sc.hasTable(x.Table) {
		failure := Errorf("42P01", "missing FROM-clause entry for table \"%s\"", x.Table)
		failure.Column = columnText(x)
		return node{}, failure
	}
	failure := Errorf("42703", "column \"%s\" does not exist", columnText(x))
	failure.Column = columnText(x)
	return node{}, failure
}

func columnText(x syntax.Column) string {
	if x.Table != "" {
		return x.Table + "." + x.Name
	}
	return x.Name
}

func columnAt(t OID, index, depth int) node {
	if depth == 0 {
		return node{typ: t, eval: func(f *frame) (any, error) { return f.values[index], nil }}
	}
	return node{typ: t, eval: func(f *frame) (any, error) {
		for range depth {
			f = f.outer
		}
		return f.values[index], nil
	}}
}

func (s *scope) find(x syntax.Column) (int, error) {
	found := -1
	for i, col := range s.columns {
		if !col.is(x.Name) || x.Table != "" && col.table != x.Table || x.Table == "" && col.hidden {
			continue
		}
		if found >= 0 {
			failure := Errorf("42702", "column reference \"%s\" is ambiguous", x.Name)
			failure.Column = x.Name
			return 0, failure
		}
		found = i
	}
	return found, nil
}

func (s *scope) hasTable(name string) bool {
	for ; s != nil; s = s.outer {
		for _, col := range s.columns {
			if col.table == name {
				return true
			}
		}
	}
	return false
}

// caseOf compiles CASE and, through it, COALESCE-like choices.
func (c *compiler) caseOf(sc *scope, x syntax.Case, want OID) (node, error) {
	conditions := make([]node, len(x.Whens))
	values := make([]syntax.Expr, 0, len(x.Whens)+1)
	for i, w := range x.Whens {
		test := w.If
		if x.Operand != nil {
			test = syntax.Binary{Op: "=", L: x.Operand, R: w.If}
		}
		n, err := c.condition(sc, test, "CASE/WHEN")
		if err != nil {
			return node{}, err
		}
		conditions[i] = n
		values = append(values, w.Then)
	}
	otherwise := x.Else
	if otherwise == nil {
		otherwise = syntax.Null{}
	}
	t, results, err := c.unify(sc, append(values, otherwise), want, "CASE")
	if err != nil {
		return node{}, err
	}
	return node{typ: t, eval: func(f *frame) (any, error) {
		for i, n := range conditions {
			v, err := n.eval(f)
			if err != nil {
				return nil, err
			}
			if v == true {
				return results[i].eval(f)
			}
		}
		return results[len(results)-1].eval(f)
	}}, nil
}

// unify compiles expressions that must have one type.
func (c *compiler) unify(sc *scope, list []syntax.Expr, want OID, what string) (OID, []node, error) {
	nodes := make([]node, len(list))
	t := AnyOID
	for _, openOnes := range []bool{false, true} {
		for i, x := range list {
			if nodes[i].eval != nil || c.open(x) != openOnes {
				continue
			}
			expected := t
			if t == AnyOID {
				expected = want
			}
			n, err := c.expression(sc, x, expected)
			if err != nil {
				return 0, nil, err
			}
			if c.lenient() && n.literal != nil { // a text makes a text of the others
				n = settled(n)
			}
			common, ok := c.common(n.typ, t)
			if !ok {
				return 0, nil, Errorf("42804", "%s types %s and %s cannot be matched", what, typeName(t), typeName(n.typ))
			}
			nodes[i], t = n, common
		}
	}
	if t == pgtype.UnknownOID || t == AnyOID {
		t = pgtype.TextOID
	}
	for i, n := range nodes {
		var err error
		if nodes[i], err = c.coerce(n, t); err != nil {
			return 0, nil, err
		}
	}
	return t, nodes, nil
}

func (c *compiler) cast(sc *scope, x syntax.Cast) (node, error) {
	t, err := resolveType(x.Type)
	if err != nil {
		return node{}, err
	}
	n, err := c.expression(sc, x.X, t)
	if err != nil {
		return node{}, err
	}
	switch {
	case n.literal != nil && t != RegprocOID && t != RegclassOID:
		if n, err = coerce(n, t); err != nil {
			return node{}, err
		}
	case t == RegprocOID || t == RegclassOID:
		return c.registered(n, t), nil
	default:
		n = converted(n, t)
	}
	if len(x.Type.Mods) == 0 {
		return n, nil
	}
	inner, mods := n.eval, x.Type.Mods
	return node{typ: t, eval: func(f *frame) (any, error) {
		v, err := inner(f)
		if err != nil {
			return nil, err
		}
		return limitType(v, t, mods, true)
	}}, nil
}

// registered casts to regproc or regclass: the name must exist.
func (c *compiler) registered(n node, t OID) node {
	return node{typ: t, eval: func(f *frame) (any, error) {
		v, err := n.eval(f)
		if err != nil || v == nil {
			return nil, err
		}
		name, _ := v.(string)
		if t == RegprocOID {
			if !f.session.hasFunction(name) {
				return nil, Errorf("42883", "function \"%s\" does not exist", name)
			}
			return name, nil
		}
		if !relationExists(f.Execution, name) {
			return nil, Errorf("42P01", "relation \"%s\" does not exist", name)
		}
		return name, nil
	}}
}

func (c *compiler) array(sc *scope, x syntax.Array, want OID) (node, error) {
	t, nodes, err := c.unify(sc, x.Elements, elements[want], "ARRAY")
	if err != nil {
		return node{}, err
	}
	return node{typ: typeInfos[t].array, eval: func(f *frame) (any, error) { return evalAll(f, nodes) }}, nil
}

func evalAll(f *frame, nodes []node) ([]any, error) {
	values := make([]any, len(nodes))
	for i, n := range nodes {
		v, err := n.eval(f)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// sameExpr reports whether two expressions are written alike.
func sameExpr(a, b syntax.Expr) bool { return reflect.DeepEqual(a, b) }
