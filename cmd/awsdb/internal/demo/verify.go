package demo

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/awsdb/awsdb/lab"
)

// findings are what the data say.
type findings struct {
	lost        []string // payments acknowledged and not in the table
	doubled     []string // payments that are there more than once
	redelivered []string // attempts that instances received more than once, all together
	deliveries  int      // how many attempts they have a record of
}

// verify compares what the application believes with the rows (id, attempt, …)
// of the table and with the statements that all instances together received,
// among which insert is the one that stores an attempt.
func verify(l ledger, rows [][]any, received []lab.Statement, insert string) findings {
	var f findings
	stored := map[string]int{}
	for _, row := range rows {
		id, _ := row[0].(string)
		if stored[id]++; stored[id] == 2 {
			f.doubled = append(f.doubled, id)
		}
	}
	for _, id := range l.done {
		if stored[id] == 0 {
			f.lost = append(f.lost, id)
		}
	}
	times := map[string]int{}
	for _, s := range received {
		if s.SQL != insert || len(s.Args) < 2 {
			continue
		}
		f.deliveries++
		attempt, _ := s.Args[1].(string)
		if times[attempt]++; times[attempt] == 2 {
			f.redelivered = append(f.redelivered, attempt)
		}
	}
	return f
}

// checks make the verdict on the data.
func (f findings) checks(l ledger) []Check {
	once := count("no statement was delivered twice", f.redelivered, fmt.Sprintf("%d deliveries looked at", f.deliveries))
	if f.deliveries < len(l.done) { // the instances' records are useless: nothing was proven
		once.OK, once.Detail = false, fmt.Sprintf("only %d deliveries on record for %d writes", f.deliveries, len(l.done))
	}
	return []Check{
		count("no acknowledged write is lost", f.lost, fmt.Sprintf("%d writes looked for", len(l.done))),
		count("no write is stored twice", f.doubled, fmt.Sprintf("%d writes looked at", len(l.done)+len(l.unfinished))),
		once,
	}
}

// shown is how many culprits a failed check names.
const shown = 3

func count(name string, culprits []string, detail string) Check {
	if len(culprits) == 0 {
		return Check{Name: name, OK: true, Detail: detail}
	}
	return Check{Name: name, Detail: fmt.Sprintf("%d violations, such as %s", len(culprits),
		strings.Join(culprits[:min(shown, len(culprits))], ", "))}
}

// checkFollowed is the verdict on the failovers themselves.
func checkFollowed(failovers []Failover, interrupted bool) Check {
	c := Check{Name: "every failover was followed", OK: true}
	done := 0
	for _, f := range failovers {
		if f.Known != Unknown && f.FirstWrite != Unknown {
			done++
		}
	}
	c.Detail = fmt.Sprintf("%d of %d", done, len(failovers))
	switch {
	case done == len(failovers):
	case interrupted && done == len(failovers)-1:
		c.Detail += ", the last one was cut short"
	default:
		c.OK = false
	}
	return c
}

// closeGrace is how long sockets and goroutines may take to go after Close: the
// server has to see the end of the connection.
const closeGrace = 3 * time.Second

// checkClosed looks for what is left after sql.DB.Close.
func checkClosed(cluster *lab.Cluster) Check {
	c := Check{Name: "sql.DB.Close left nothing behind"}
	deadline := time.Now().Add(closeGrace)
	for {
		connections, goroutines := 0, len(libraryGoroutines())
		for _, i := range cluster.Instances() {
			connections += i.Connections()
		}
		c.Detail = fmt.Sprintf("%d connections, %d goroutines", connections, goroutines)
		c.OK = connections == 0 && goroutines == 0
		if c.OK || time.Now().After(deadline) {
			return c
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// libraryGoroutines are the stacks of all goroutines that run the library's or
// the driver's code, or were started by it. The lab's servers are none of them.
func libraryGoroutines() []string {
	packages := []string{"awsdb/awsdb/core.", "awsdb/awsdb/failover.", "awsdb/awsdb/hostmonitor.", "database/sql."}
	for _, e := range engines {
		packages = append(packages, e.packages...)
	}
	buffer := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buffer, true)
		if n < len(buffer) {
			buffer = buffer[:n]
			break
		}
		buffer = make([]byte, 2*len(buffer))
	}
	return slices.DeleteFunc(strings.Split(string(buffer), "\n\n"), func(stack string) bool {
		return !slices.ContainsFunc(packages, func(name string) bool { return strings.Contains(stack, name) })
	})
}
