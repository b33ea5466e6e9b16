// Package schema says what the shop stores; run go generate in the folder above after
// changing it.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
)

// Item is something to buy.
type Item struct{ ent.Schema }

// Details are stored as JSON.
type Details struct {
	Colour string   `json:"colour"`
	Sizes  []int    `json:"sizes,omitempty"`
	Weight *float64 `json:"weight,omitempty"` // kg
}

// Fields implements ent.Interface.
func (Item) Fields() []ent.Field {
	return []ent.Field{
		field.String("sku").MaxLen(64).Unique(),
		field.Int64("stock").Default(0),
		field.JSON("details", Details{}).Optional(),
		field.Strings("tags").Optional(), // JSON as well, on both engines
	}
}

// Edges implements ent.Interface.
func (Item) Edges() []ent.Edge {
	return []ent.Edge{edge.To("purchases", Purchase.Type)}
}
