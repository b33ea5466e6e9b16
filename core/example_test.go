package core_test

import (
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
