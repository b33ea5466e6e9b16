package sqlengine

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

func (fn *Function) exists(flavor Flavor) bool { return exists(fn.Flavors, flavor) }

// exists reports whether what is limited to some flavors is there in one; without any it is everywhere.
func exists(flavors []Flavor, flavor Flavor) bool {
	return len(flavors) == 0 || slices.Contains(flavors, flavor)
}

// hasFunction reports whether to_regproc finds a function.
func (s *Session) hasFunction(name string) bool {
	d, flavor := s.dialect(), s.flavor()
	name = strings.ToLower(strings.TrimSpace(name))
	if i := strings.IndexByte(name, '('); i >= 0 {
		name = name[:i]
	}
	name = strings.TrimPrefix(name, d.SystemSchema+".")
	for _, fn := range d.Functions[name] {
		if fn.exists(flavor) {
			return true
		}
	}
	table := d.TableFunctions[name]
	return table != nil && table.exists(flavor)
}

// call compiles a function call.
func (c *compiler) call(sc *scope, x syntax.Call, want OID) (node, error) {
	d := c.session.dialect()
	if x.Schema == "" || x.Schema == d.SystemSchema {
		if aggregateNames[x.Name] {
			return c.aggregate(sc, x)
		}
		switch x.Name {
		case "coalesce", "greatest", "least":
			return c.choice(sc, x, want)
		case "nullif":
			if len(x.Args) == 2 {
				equal := syntax.Binary{Op: "=", L: x.Args[0], R: x.Args[1]}
				return c.caseOf(sc, syntax.Case{Whens: []syntax.When{{If: equal, Then: syntax.Null{}}}, Else: x.Args[0]}, want)
			}
		}
	}
	candidates := d.Functions[d.key(x.Schema, x.Name)]
	nodes := make([]node, len(x.Args))
	for i, arg := range x.Args {
		n, err := c.expression(sc, arg, expectedArg(candidates, i, len(x.Args)))
		if err != nil {
			return node{}, err
		}
		nodes[i] = n
	}
	for _, fn := range candidates {
		if fn.exists(c.session.flavor()) && fn.accepts(nodes) && !x.Star {
			return c.callNode(fn, nodes)
		}
	}
	if c.lenient() {
		for _, fn := range candidates {
			if fn.exists(c.session.flavor()) && fn.takes(len(nodes)) && !x.Star {
				return c.callNode(fn, nodes)
			}
		}
	}
	failure := Errorf("42883", "function %s(%s) does not exist", callName(x), typeList(nodes))
	failure.Subject = callName(x)
	if len(candidates) > 0 {
		failure.Detail = "There is one with other arguments."
	}
	return node{}, failure
}

func callName(x syntax.Call) string {
	if x.Schema != "" {
		return x.Schema + "." + x.Name
	}
	return x.Name
}

func typeList(nodes []node) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = typeName(n.typ)
	}
	return strings.Join(names, ", ")
}

// expectedArg is the type of the i-th argument of the first signature with that many.
func expectedArg(candidates []*Function, i, count int) OID {
	for _, fn := range candidates {
		if count <= len(fn.Args) && count >= len(fn.Args)-fn.Optional {
			return fn.Args[i]
		}
	}
	return AnyOID
}

// arg is the type of the i-th argument.
func (fn *Function) arg(i int) OID {
	if fn.Variadic && i >= len(fn.Args) {
		i = len(fn.Args) - 1
	}
	return fn.Args[i]
}

// takes reports whether the function can be called with so many arguments.
func (fn *Function) takes(n int) bool {
	return n >= len(fn.Args)-fn.Optional && (n <= len(fn.Args) || fn.Variadic)
}

func (fn *Function) accepts(nodes []node) bool {
	if !fn.takes(len(nodes)) {
		return false
	}
	for i, n := range nodes {
		want := fn.arg(i)
		if want == AnyOID || n.typ == want || n.typ == pgtype.UnknownOID {
			continue
		}
		if common, ok := commonType(n.typ, want); !ok || common != want {
			return false
		}
	}
	return true
}

// callNode compiles a call of fn.
func (c *compiler) callNode(fn *Function, nodes []node) (node, error) {
	nodes = slices.Clone(nodes)
	for i := range nodes {
		var err error
		if fn.arg(i) == AnyOID {
			nodes[i] = settled(nodes[i])
		} else if nodes[i], err = c.coerce(nodes[i], fn.arg(i)); err != nil {
			return node{}, err
		}
	}
	t := fn.Result
	if t == AnyOID {
		t = nodes[0].typ
	}
	return node{typ: t, eval: func(f *frame) (any, error) {
		args, err := evalAll(f, nodes)
		if err != nil {
			return nil, err
		}
		if !fn.Lax && slices.Contains(args, nil) {
			return nil, nil
		}
		return fn.Call(f.Execution, args)
	}}, nil
}

// choice is COALESCE, GREATEST and LEAST.
func (c *compiler) choice(sc *scope, x syntax.Call, want OID) (node, error) {
	if len(x.Args) == 0 {
		return node{}, Errorf("42601", "syntax error at or near \")\"")
	}
	t, nodes, err := c.unify(sc, x.Args, want, strings.ToUpper(x.Name))
	if err != nil {
		return node{}, err
	}
	return node{typ: t, eval: func(f *frame) (any, error) {
		var best any
		for _, n := range nodes {
			v, err := n.eval(f)
			if err != nil {
				return nil, err
			}
			switch {
			case v == nil:
			case x.Name == "coalesce":
				return v, nil
			case best == nil, x.Name == "greatest" && compare(v, best) > 0, x.Name == "least" && compare(v, best) < 0:
				best = v
			}
		}
		return best, nil
	}}, nil
}

// tableFunction compiles a function in FROM. A function of one value supplies one row.
func (c *compiler) tableFunction(x syntax.Call, outer *scope) (*source, error) {
	d := c.session.dialect()
	fn := d.TableFunctions[d.key(x.Schema, x.Name)]
	sc := &scope{outer: outer}
	if fn == nil {
		n, err := c.call(sc, x, AnyOID)
		if err != nil {
			return nil, err
		}
		return &source{columns: []scopeColumn{{name: x.Name, typ: n.typ, fold: c.lenient()}}, rows: func(f *frame) ([]record, error) {
			v, err := n.eval(&frame{Execution: f.Execution, outer: f})
			return []record{{values: []any{v}}}, err
		}}, nil
	}
	nodes := make([]node, len(x.Args))
	for i, arg := range x.Args {
		n, err := c.expression(sc, arg, expectedArg([]*Function{&fn.Function}, i, len(x.Args)))
		if err != nil {
			return nil, err
		}
		nodes[i] = n
	}
	if !fn.exists(c.session.flavor()) || !fn.accepts(nodes) {
		return nil, Errorf("42883", "function %s(%s) does not exist", callName(x), typeList(nodes))
	}
	for i := range nodes {
		var err error
		if nodes[i], err = coerce(nodes[i], fn.Args[i]); err != nil {
			return nil, err
		}
	}
	src := &source{rows: func(f *frame) ([]record, error) {
		args, err := evalAll(&frame{Execution: f.Execution, outer: f}, nodes)
		if err != nil {
			return nil, err
		}
		rows, err := fn.Rows(f.Execution, args)
		return records(rows), err
	}}
	for _, col := range fn.Columns {
		t := col.Type
		switch {
		case t == AnyOID && len(nodes) > 0: // unnest
			if t = elements[nodes[0].typ]; t == 0 {
				return nil, Errorf("42883", "function %s(%s) does not exist", callName(x), typeList(nodes))
			}
		case col.Name == "generate_series" && narrow(x, nodes):
			t = pgtype.Int4OID
		}
		src.columns = append(src.columns, scopeColumn{name: col.Name, typ: t, fold: c.lenient()})
	}
	return src, nil
}

// narrow reports whether all arguments were written as literals that fit an integer, so the result is one, too.
func narrow(x syntax.Call, nodes []node) bool {
	for i := range nodes {
		n, ok := x.Args[i].(syntax.Number)
		if !ok || len(n.Text) > 9 {
			return false
		}
	}
	return true
}
