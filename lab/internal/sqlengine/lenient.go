package sqlengine

import (
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// lenient reports whether the dialect converts values where PostgreSQL wants a cast.
func (c *compiler) lenient() bool { return c.session.dialect().Convert != nil }

// coerce converts a node where no cast is written.
func (c *compiler) coerce(n node, t OID) (node, error) {
	if c.lenient() {
		return c.adapt(n, t, false)
	}
	return coerce(n, t)
}

// adapt is coerce by the dialect's own conversions. stored says that the value goes into a column.
func (c *compiler) adapt(n node, t OID, stored bool) (node, error) {
	if t == AnyOID || n.typ == t {
		return n, nil
	}
	convert, from, eval := c.session.dialect().Convert, n.typ, n.eval
	if n.literal != nil {
		v, err := convert(*n.literal, from, t, stored)
		return constant(t, v), err
	}
	return node{typ: t, eval: func(f *frame) (any, error) {
		v, err := eval(f)
		if err != nil || v == nil {
			return nil, err
		}
		return convert(v, from, t, stored)
	}}, nil
}

// conversion is convert for values that no cast is written for.
func (c *compiler) conversion() func(v any, from, to OID) (any, error) {
	if !c.lenient() {
		return convert
	}
	own := c.session.dialect().Convert
	return func(v any, from, to OID) (any, error) {
		if v == nil || from == to {
			return v, nil
		}
		return own(v, from, to, false)
	}
}

// common is the type in which values of two types are one column or the result of one choice.
func (c *compiler) common(a, b OID) (OID, bool) {
	t, ok := commonType(a, b)
	switch {
	case ok || !c.lenient():
		return t, ok
	case a == pgtype.ByteaOID || b == pgtype.ByteaOID:
		return pgtype.ByteaOID, true
	}
	return pgtype.TextOID, true
}

// comparable brings the operands of a comparison to types that can be compared: numbers win over texts, and so do
// times, over everything but numbers.
func (c *compiler) comparable(l, r node) (node, node, error) {
	if !c.lenient() {
		return l, r, nil
	}
	if l.literal != nil && r.literal == nil {
		r, l, err := c.comparable(r, l)
		return l, r, err
	}
	if r.literal != nil && l.literal == nil {
		if v, err := c.session.dialect().Convert(*r.literal, r.typ, l.typ, true); err == nil {
			return l, constant(l.typ, v), nil
		} else if categoryOf(l.typ) == timeCategory {
			return l, r, err
		}
	}
	t, ok := commonType(l.typ, r.typ)
	if ok && t != pgtype.JSONOID && (r.literal == nil || l.literal != nil) {
		return l, r, nil
	}
	a, b := categoryOf(l.typ), categoryOf(r.typ)
	switch {
	case a == numericCategory || b == numericCategory:
		t = pgtype.Float8OID
	case a == timeCategory || b == timeCategory:
		t = pgtype.TimestampOID
	case l.typ == pgtype.ByteaOID || r.typ == pgtype.ByteaOID:
		t = pgtype.ByteaOID
	default:
		t = pgtype.TextOID
	}
	return c.both(l, r, t)
}

// calculable brings the operands of arithmetic to numeric types: texts are read as numbers, integers have 64 bits.
func (c *compiler) calculable(l, r node) (node, node, error) {
	if !c.lenient() {
		return l, r, nil
	}
	wide := func(n node) (node, error) {
		switch {
		case isInteger(n.typ), n.typ == pgtype.BoolOID:
			return c.adapt(n, pgtype.Int8OID, false)
		case categoryOf(n.typ) == numericCategory, n.typ == pgtype.UnknownOID && n.literal == nil:
			return n, nil
		}
		return c.adapt(n, pgtype.Float8OID, false)
	}
	l, err := wide(l)
	if err != nil {
		return l, r, err
	}
	if r, err = wide(r); err == nil && l.typ == pgtype.UnknownOID && r.typ == pgtype.UnknownOID {
		return c.both(l, r, pgtype.Float8OID)
	}
	return l, r, err
}

func (c *compiler) both(l, r node, t OID) (node, node, error) {
	l, err := c.adapt(l, t, false)
	if err != nil {
		return l, r, err
	}
	r, err = c.adapt(r, t, false)
	return l, r, err
}

// is reports whether a column goes by a name.
func (col scopeColumn) is(name string) bool { return sameName(col.name, name, col.fold) }

func sameName(a, b string, fold bool) bool { return a == b || fold && strings.EqualFold(a, b) }
