package demo

import (
	"encoding/json"
	"math"
	"time"
)

// Millis is a duration that is written to JSON in milliseconds.
type Millis time.Duration

// Unknown is the Millis of what did not happen; null in JSON.
const Unknown Millis = -1

// MarshalJSON implements json.Marshaler: a number with at most three decimals.
func (m Millis) MarshalJSON() ([]byte, error) {
	if m == Unknown {
		return []byte("null"), nil
	}
	return json.Marshal(math.Round(float64(m)/1e3) / 1e3)
}

// Source says who an Event is about.
type Source string

// The sources.
const (
	FromDemo     Source = "demo"     // the demonstration itself
	FromCluster  Source = "cluster"  // what is done to the database
	FromPool     Source = "pool"     // state changes the library logged
	FromWorkload Source = "workload" // what the application saw
)

// Event is a line of the timeline.
type Event struct {
	At     Millis `json:"at_ms"` // since the start
	Source Source `json:"source"`
	Text   string `json:"text"`
}

// Failover is what was measured of one. Unknown where it did not come to it.
type Failover struct {
	Number    int    `json:"number"` // from 1
	Way       Way    `json:"way"`
	OldWriter string `json:"old_writer"`
	NewWriter string `json:"new_writer"`
	// FaultAt is the instant of the fault, since the start.
	FaultAt Millis `json:"fault_at_ms"`
	// Promoted is from the fault until the new writer accepts writes. That is the
	// cluster's part; the pool has no influence on it.
	Promoted Millis `json:"fault_to_promotion_ms"`
	// Noticed is from the fault until the library began to search for the writer,
	// or a call failed.
	Noticed Millis `json:"fault_to_noticed_ms"`
	// Known is from the promotion until the library's topology names the new
	// writer.
	Known Millis `json:"promotion_to_known_ms"`
	// FirstWrite is from the promotion until the first write was acknowledged.
	FirstWrite Millis `json:"promotion_to_first_write_ms"`
	// KnownSinceFault and FirstWriteSinceFault are the same from the fault.
	KnownSinceFault      Millis `json:"fault_to_known_ms"`
	FirstWriteSinceFault Millis `json:"fault_to_first_write_ms"`
	// Pause is from the last write acknowledged before the failover to the first
	// one after it: the outage as the application saw it.
	Pause Millis `json:"write_pause_ms"`
}

// Counters are sums over the run.
type Counters struct {
	// Acknowledged are the writes that a call reported as done.
	Acknowledged int64 `json:"acknowledged"`
	// RepeatedSafely are the attempts made because an error said that the one
	// before certainly had no effect.
	RepeatedSafely int64 `json:"repeated_safely"`
	// Unknown are the attempts of unknown outcome. Of those a look into the table
	// found FoundDone done; the others were repeated.
	Unknown   int64 `json:"unknown_outcome"`
	FoundDone int64 `json:"unknown_found_done"`
	// RepeatedAfterLook are the attempts made because that look found nothing.
	RepeatedAfterLook int64 `json:"unknown_repeated"`
	// Unfinished are writes that were in hand when the demo was stopped early.
	Unfinished int64 `json:"unfinished"`
	// Reads are the reads that gave a result.
	Reads int64 `json:"reads"`
	// Errors are the failed calls, reads included, by what the error says.
	Errors map[string]int64 `json:"errors"`
}

// Check is one part of the verdict.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Report is the result of a run.
type Report struct {
	OK          bool       `json:"ok"` // all checks passed
	Interrupted bool       `json:"interrupted"`
	Engine      Engine     `json:"engine"`
	Seed        uint64     `json:"seed"`
	Instances   int        `json:"instances"`
	Endpoint    string     `json:"endpoint"`
	Duration    Millis     `json:"duration_ms"`
	Failovers   []Failover `json:"failovers"`
	Counters    Counters   `json:"counters"`
	Lost        int        `json:"acknowledged_writes_lost"`
	Doubled     int        `json:"writes_stored_twice"`
	Redelivered int        `json:"statements_delivered_twice"`
	Checks      []Check    `json:"checks"`
	Events      []Event    `json:"events"`
	Recording   *Recording `json:"-"` // nil unless Options.Record
}
