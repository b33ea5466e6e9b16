package sqlengine

import (
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// grouping is GROUP BY and the aggregates computed for each group.
type grouping struct {
	exprs      []syntax.Expr
	nodes      []node
	input      *scope
	columns    map[int]bool // columns that may be used as they are
	everything bool         // grouped by a primary key, so every column may
	aggregates []aggregate
}

type aggregate struct {
	name     string
	args     []node
	distinct bool
	filter   *node
	typ      OID
	lenient  bool // of a lenient dialect
}

var aggregateNames = map[string]bool{"count": true, "sum": true, "min": true, "max": true, "avg": true,
	"bool_and": true, "bool_or": true, "every": true, "string_agg": true, "array_agg": true}

// hasAggregate reports whether a select list or ORDER BY has an aggregate of this query.
func hasAggregate(items []syntax.Item, order []syntax.Order) bool {
	for _, i := range items {
		if containsAggregate(i.X) {
			return true
		}
	}
	for _, o := range order {
		if containsAggregate(o.X) {
			return true
		}
	}
	return false
}

func containsAggregate(x syntax.Expr) bool {
	any := func(list ...syntax.Expr) bool {
		for _, e := range list {
			if e != nil && containsAggregate(e) {
				return true
			}
		}
		return false
	}
	switch x := x.(type) {
	case syntax.Call:
		return aggregateNames[x.Name] || any(x.Args...)
	case syntax.Unary:
		return any(x.X)
	case syntax.Binary:
		return any(x.L, x.R)
	case syntax.Is:
		return any(x.X)
	case syntax.In:
		return any(x.X) || any(x.List...)
	case syntax.Between:
		return any(x.X, x.Low, x.High)
	case syntax.Like:
		return any(x.X, x.Pattern)
	case syntax.Quantified:
		return any(x.X, x.Array)
	case syntax.Cast:
		return any(x.X)
	case syntax.Array:
		return any(x.Elements...)
	case syntax.Row:
		return any(x.Elements...)
	case syntax.Case:
		for _, w := range x.Whens {
			if any(w.If, w.Then) {
				return true
			}
		}
		return any(x.Operand, x.Else)
	}
	return false
}

func (c *compiler) grouping(q *syntax.Select, items []syntax.Item, input *scope) (*grouping, error) {
	g := &grouping{input: input, columns: map[int]bool{}}
	for _, x := range q.GroupBy {
		if n, ok := ordinal(x); ok {
			if n < 1 || n > len(items) {
				return nil, Errorf("42P10", "GROUP BY position %d is not in select list", n)
			}
			x = items[n-1].X
		} else if col, ok := x.(syntax.Column); ok && col.Table == "" {
			if index, err := input.find(col); err == nil && index < 0 { // the name of an output column
				for _, item := range items {
					if sameName(item.Alias, col.Name, c.lenient()) {
						x = item.X
					}
				}
			}
		}
		n, err := c.expression(input, x, AnyOID)
		if err != nil {
			return nil, err
		}
		g.exprs, g.nodes = append(g.exprs, x), append(g.nodes, settled(n))
		if col, ok := x.(syntax.Column); ok {
			if index, err := input.find(col); err == nil && index >= 0 {
				g.columns[index] = true
				g.everything = g.everything || c.isPrimaryKey(q.From, input.columns[index])
			}
		}
	}
	return g, nil
}

// isPrimaryKey reports whether a column alone is the primary key of the only table of a query.
func (c *compiler) isPrimaryKey(from []syntax.From, col scopeColumn) bool {
	if len(from) != 1 || from[0].Call != nil || from[0].Query != nil {
		return false
	}
	t, err := c.table(from[0].Table)
	if err != nil {
		return false
	}
	for _, k := range t.keys {
		if k.primary && len(k.columns) == 1 && t.columns[k.columns[0]].name == col.name {
			return true
		}
	}
	return false
}

// find gives the node of an expression that is grouped by.
func (g *grouping) find(x syntax.Expr) (node, bool) {
	for i, e := range g.exprs {
		if sameExpr(e, x) {
			return g.nodes[i], true
		}
	}
	return node{}, false
}

func (g *grouping) free(column int) bool { return g.everything || g.columns[column] }

// aggregate compiles a call of an aggregate.
func (c *compiler) aggregate(sc *scope, x syntax.Call) (node, error) {
	if sc == nil || sc.group == nil {
		return node{}, Errorf("42803", "aggregate functions are not allowed here")
	}
	g := sc.group
	a := aggregate{name: x.Name, distinct: x.Distinct}
	for _, arg := range x.Args {
		n, err := c.expression(g.input, arg, AnyOID)
		if err != nil {
			return node{}, err
		}
		n = settled(n)
		if c.lenient() && (x.Name == "sum" || x.Name == "avg") && categoryOf(n.typ) != numericCategory {
			if n, err = c.adapt(n, pgtype.Float8OID, false); err != nil {
				return node{}, err
			}
		}
		a.args = append(a.args, n)
	}
	a.lenient = c.lenient()
	if x.Filter != nil {
		n, err := c.condition(g.input, x.Filter, "FILTER")
		if err != nil {
			return node{}, err
		}
		a.filter = &n
	}
	if err := a.resolve(x.Star); err != nil {
		return node{}, err
	}
	index := len(g.aggregates)
	g.aggregates = append(g.aggregates, a)
	return node{typ: a.typ, eval: func(f *frame) (any, error) { return f.aggregates[index], nil }}, nil
}

// resolve checks the arguments and finds the type of the result.
func (a *aggregate) resolve(star bool) error {
	want := 1
	switch {
	case star && a.name == "count":
		want = 0
	case a.name == "string_agg":
		want = 2
	}
	if len(a.args) != want || star && a.name != "count" {
		return Errorf("42883", "function %s(%s) does not exist", a.name, typeList(a.args))
	}
	var arg OID
	if want > 0 {
		arg = a.args[0].typ
	}
	switch a.name {
	case "count":
		a.typ = pgtype.Int8OID
	case "min", "max":
		a.typ = arg
	case "bool_and", "bool_or", "every":
		a.typ = pgtype.BoolOID
	case "string_agg":
		a.typ = pgtype.TextOID
	case "array_agg":
		a.typ = typeInfos[arg].array
	case "sum", "avg":
		switch {
		case categoryOf(arg) != numericCategory:
			return Errorf("42883", "function %s(%s) does not exist", a.name, typeName(arg))
		case isFloat(arg):
			a.typ = pgtype.Float8OID
		case a.name == "sum" && !a.lenient && (arg == pgtype.Int4OID || arg == pgtype.Int2OID):
			a.typ = pgtype.Int8OID
		default:
			a.typ = pgtype.NumericOID
		}
	}
	return nil
}

// run makes the groups and computes their aggregates. Without GROUP BY there is one group, even of no rows.
func (g *grouping) run(outer *frame, rows []*frame, width int) ([]*frame, error) {
	var order []string
	groups := map[string][]*frame{}
	if len(g.exprs) == 0 {
		order, groups[""] = []string{""}, rows
	} else {
		for _, f := range rows {
			values, err := evalAll(f, g.nodes)
			if err != nil {
				return nil, err
			}
			k := keyOf(values)
			if groups[k] == nil {
				order = append(order, k)
			}
			groups[k] = append(groups[k], f)
		}
	}
	out := make([]*frame, len(order))
	for i, k := range order {
		f := &frame{Execution: outer.Execution, outer: outer, values: make([]any, width)}
		if len(groups[k]) > 0 {
			f.values = groups[k][0].values
		}
		f.aggregates = make([]any, len(g.aggregates))
		for j, a := range g.aggregates {
			v, err := a.compute(groups[k])
			if err != nil {
				return nil, err
			}
			f.aggregates[j] = v
		}
		out[i] = f
	}
	return out, nil
}

// inputs are the arguments of the rows that count: filtered, not NULL, and distinct if asked for.
func (a *aggregate) inputs(rows []*frame) ([][]any, error) {
	var list [][]any
	for _, f := range rows {
		if a.filter != nil {
			if v, err := a.filter.eval(f); err != nil {
				return nil, err
			} else if v != true {
				continue
			}
		}
		values, err := evalAll(f, a.args)
		if err != nil {
			return nil, err
		}
		if len(values) > 0 && values[0] == nil && a.name != "array_agg" {
			continue
		}
		list = append(list, values)
	}
	if a.distinct {
		list = distinct(list)
	}
	return list, nil
}

func (a *aggregate) compute(rows []*frame) (any, error) {
	list, err := a.inputs(rows)
	if err != nil {
		return nil, err
	}
	if a.name == "count" {
		return int64(len(list)), nil
	}
	if len(list) == 0 {
		return nil, nil
	}
	switch a.name {
	case "sum", "avg":
		return a.sum(list)
	case "string_agg":
		var b strings.Builder
		for i, values := range list {
			if i > 0 && values[1] != nil {
				b.WriteString(FormatText(a.args[1].typ, values[1]))
			}
			b.WriteString(FormatText(a.args[0].typ, values[0]))
		}
		return b.String(), nil
	case "array_agg":
		out := make([]any, len(list))
		for i, values := range list {
			out[i] = values[0]
		}
		return out, nil
	}
	best := list[0][0]
	for _, values := range list[1:] {
		order := compare(values[0], best)
		if order < 0 && (a.name == "min" || a.name == "bool_and" || a.name == "every") || order > 0 && (a.name == "max" || a.name == "bool_or") {
			best = values[0]
		}
	}
	return best, nil
}

func (a *aggregate) sum(list [][]any) (any, error) {
	if a.typ == pgtype.Float8OID {
		var total float64
		for _, values := range list {
			total += values[0].(float64)
		}
		if a.name == "avg" {
			total /= float64(len(list))
		}
		return total, nil
	}
	total := decimalOf(0)
	for _, values := range list {
		v, err := convert(values[0], a.args[0].typ, pgtype.NumericOID)
		if err != nil {
			return nil, err
		}
		total = total.add(v.(Decimal))
	}
	if a.name == "avg" {
		average := total.divide(decimalOf(int64(len(list))))
		if a.lenient { // MySQL's div_precision_increment
			average = average.rescale(total.scale + 4)
		}
		return average, nil
	}
	return convert(total, pgtype.NumericOID, a.typ)
}
