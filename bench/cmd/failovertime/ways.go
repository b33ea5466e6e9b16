package main

import (
	"strings"

	"github.com/awsdb/awsdb/lab"
)

// way is one way to lose the writer.
type way struct {
	name    string
	fault   func(*lab.Instance)
	promote lab.PromoteOptions
}

var ways = []way{
	{name: "crash", fault: (*lab.Instance).Crash},   // resets, then refusals
	{name: "refuse", fault: (*lab.Instance).Refuse}, // live connections go on until the promotion
	{name: "freeze", fault: (*lab.Instance).Freeze},
	{name: "vanish", fault: func(i *lab.Instance) { i.Vanish(lab.LosingRequests) }},
	{name: "switchover-drop", fault: none, promote: lab.PromoteOptions{DropSessions: true}},
	{name: "switchover", fault: none}, // sessions stay, and their host is a reader
}

func none(*lab.Instance) {}

// choose returns the way of that name, or all.
func choose(name string) []way {
	if name == "" {
		return ways
	}
	for _, w := range ways {
		if w.name == name {
			return []way{w}
		}
	}
	return nil
}

func names(ways []way) string {
	var all []string
	for _, w := range ways {
		all = append(all, w.name)
	}
	return strings.Join(all, ", ")
}
