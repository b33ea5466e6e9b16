package pgserver

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/pgserver/syntax"
)

// function is one signature of a function.
type function struct {
	args     []oid // anyOID takes anything
	optional int   // how many of the last arguments may be left out
	variadic bool  // the last argument may be repeated
	result   oid   // anyOID: the type of the first argument
	lax      bool  // called with NULLs, too; the others give NULL
	flavors  []Flavor
	call     func(f *frame, args []any) (any, error)
}

func (fn *function) exists(flavor Flavor) bool {
	return len(fn.flavors) == 0 || slices.Contains(fn.flavors, flavor)
}

// functionKey is the name of a function in the tables below: pg_catalog's are there without their schema.
func functionKey(schema, name string) string {
	if schema == "" || schema == "pg_catalog" {
		return name
	}
	return schema + "." + name
}

// hasFunction reports whether to_regproc finds a function.
func (s *Server) hasFunction(name string, flavor Flavor) bool {
	name = strings.ToLower(strings.TrimSpace(name))
	if i := strings.IndexByte(name, '('); i >= 0 {
		name = name[:i]
	}
	name = strings.TrimPrefix(name, "pg_catalog.")
	for _, fn := range functions[name] {
		if fn.exists(flavor) {
			return true
		}
	}
	table := tableFunctions[name]
	return table != nil && table.exists(flavor)
}

// call compiles a function call.
func (c *compiler) call(sc *scope, x syntax.Call, want oid) (node, error) {
	if x.Schema == "" || x.Schema == "pg_catalog" {
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
	candidates := functions[functionKey(x.Schema, x.Name)]
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
			return fn.node(nodes)
		}
	}
	return node{}, errorf("42883", "function %s(%s) does not exist", callName(x), typeList(nodes))
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
func expectedArg(candidates []*function, i, count int) oid {
	for _, fn := range candidates {
		if count <= len(fn.args) && count >= len(fn.args)-fn.optional {
			return fn.args[i]
		}
	}
	return anyOID
}

// arg is the type of the i-th argument.
func (fn *function) arg(i int) oid {
	if fn.variadic && i >= len(fn.args) {
		i = len(fn.args) - 1
	}
	return fn.args[i]
}

func (fn *function) accepts(nodes []node) bool {
	if len(nodes) < len(fn.args)-fn.optional || len(nodes) > len(fn.args) && !fn.variadic {
		return false
	}
	for i, n := range nodes {
		want := fn.arg(i)
		if want == anyOID || n.typ == want || n.typ == pgtype.UnknownOID {
			continue
		}
		if common, ok := commonType(n.typ, want); !ok || common != want {
			return false
		}
	}
	return true
}

func (fn *function) node(nodes []node) (node, error) {
	nodes = slices.Clone(nodes)
	for i := range nodes {
		var err error
		if fn.arg(i) == anyOID {
			nodes[i] = settled(nodes[i])
		} else if nodes[i], err = coerce(nodes[i], fn.arg(i)); err != nil {
			return node{}, err
		}
	}
	t := fn.result
	if t == anyOID {
		t = nodes[0].typ
	}
	return node{typ: t, eval: func(f *frame) (any, error) {
		args, err := evalAll(f, nodes)
		if err != nil {
			return nil, err
		}
		if !fn.lax && slices.Contains(args, nil) {
			return nil, nil
		}
		return fn.call(f, args)
	}}, nil
}

// choice is COALESCE, GREATEST and LEAST.
func (c *compiler) choice(sc *scope, x syntax.Call, want oid) (node, error) {
	if len(x.Args) == 0 {
		return node{}, errorf("42601", "syntax error at or near \")\"")
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
