package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
)

// Purchase is one item bought.
type Purchase struct{ ent.Schema }

// Fields implements ent.Interface.
func (Purchase) Fields() []ent.Field {
	return []ent.Field{
		// The number comes from the buyer, so that a purchase that is repeated is known by it.
		field.Int64("number").Unique().Immutable(),
		field.Time("placed_at").Default(time.Now).Immutable(),
		field.String("note").Optional().Nillable(),
	}
}

// Edges implements ent.Interface.
func (Purchase) Edges() []ent.Edge {
	return []ent.Edge{edge.From("item", Item.Type).Ref("purchases").Unique().Required().Immutable()}
}
