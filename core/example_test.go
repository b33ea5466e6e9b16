package core_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/awsdb/awsdb/core"
)

func ExampleParseEndpoint() {
	for _, host := range []string{
		"mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com",
		"MyDB-2.c9xyz0abcdef.rds.cn-north-1.amazonaws.com.cn.",
		"db.example.com",
	} {
		e := core.ParseEndpoint(host)
		fmt.Printf("%s: %q in %q, instances at %q\n", e.Kind, e.Name, e.Region, e.InstanceTemplate())
	}
	// Output:
	// writer: "mydb" in "us-east-1", instances at "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	// instance: "mydb-2" in "cn-north-1", instances at "?.c9xyz0abcdef.rds.cn-north-1.amazonaws.com.cn"
	// other: "" in "", instances at ""
}

// What a loop of one's own asks an error.
func ExampleSafeToRepeat() {
	lost := &core.Error{Op: core.OpExec, Kind: core.ErrFailoverSuccess, Sent: true, Outcome: core.OutcomeUnknown}
	inTx := &core.Error{Op: core.OpExec, Kind: core.ErrTransactionResolutionUnknown, Sent: true, InTx: true, Outcome: core.OutcomeRolledBack}
	for _, err := range []error{lost, inTx, errors.New("duplicate key")} {
		fmt.Println(core.SafeToRepeat(err), errors.Is(err, core.ErrOutcomeUnknown), core.ClassOf(err))
	}
	// Output:
	// false true operational
	// true false operational
	// false false none
}

// The unit of work is a transaction as an ORM runs it; it is run again while it certainly had no
// effect. Everything that it changes must be made anew within.
func ExampleRetry() {
	attempts := 0
	transfer := func() error { // such as db.Transaction(…) of GORM
		if attempts++; attempts == 1 {
			return &core.Error{Op: core.OpExec, Kind: core.ErrTransactionResolutionUnknown, Sent: true, InTx: true, Outcome: core.OutcomeRolledBack}
		}
		return nil
	}
	err := core.Retry(context.Background(), transfer)
	switch {
	case errors.Is(err, core.ErrOutcomeUnknown):
		fmt.Println("the answer to the commit was lost: look whether the transfer was made")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("done at attempt", attempts)
	}
	// Output:
	// done at attempt 2
}

// An order has a number of its own, so that it does no harm to place it again when the answer to the commit was lost.
func ExampleRetryIdempotent() {
	placed, attempts := map[int]bool{}, 0
	place := func() error { // such as INSERT … ON CONFLICT DO NOTHING, in a transaction
		placed[4711] = true
		if attempts++; attempts == 1 {
			return &core.Error{Op: core.OpCommit, Kind: core.ErrTransactionResolutionUnknown, Sent: true, InTx: true, Outcome: core.OutcomeUnknown}
		}
		return nil
	}
	err := core.RetryIdempotent(context.Background(), place)
	fmt.Println(len(placed), "order placed in", attempts, "attempts:", err)
	// Output:
	// 1 order placed in 2 attempts: <nil>
}

// Why a connection was lost is inside every error of a loss.
func ExampleLostError() {
	err := fmt.Errorf("order 4711: %w", &core.Error{
		Op: core.OpQuery, Kind: core.ErrFailoverSuccess, Sent: true, Outcome: core.OutcomeUnknown,
		Err: &core.LostError{Host: "mydb-1", Aborted: true, Err: errors.New("no answer to the host monitor for 15s")},
	})
	var lost *core.LostError
	if errors.As(err, &lost) && lost.Aborted {
		fmt.Printf("awsdb cut the connection to %s: %v\n", lost.Host, lost.Err)
	}
	// Output:
	// awsdb cut the connection to mydb-1: no answer to the host monitor for 15s
}
