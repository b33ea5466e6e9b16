package view

import "github.com/awsdb/awsdb/cmd/awsdb/internal/demo"

// Source is a run as the views see it; *demo.Demo is one.
type Source interface {
	Snapshot() demo.Snapshot
	Events(from int) []demo.Event
}

// Caution is what a viewer must know about the numbers.
const Caution = "Simulated cluster: promotion takes 0.5-3.5 s here, on real Aurora mostly 5-30 s."
