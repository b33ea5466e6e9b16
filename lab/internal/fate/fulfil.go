package fate

import (
	"context"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Means are what a session has to fulfil the fate of a statement. What Cut, Hang and Fail return is never nil.
type Means struct {
	Run  func() error // runs the statement; with another action than ActionRun, settles its outcome, too
	Cut  func() error // drops the connection
	Hang func() error // says nothing until the connection goes or the session is ended
	Fail func() error // the error to answer with
}

// Fulfil does with a statement what f says, and returns what its means do, or why ctx ended before the delay had passed. For
// CutAfterRows it only runs the statement, and cuts if that fails: to send the rows and cut then is for the caller.
func (f Fate) Fulfil(ctx context.Context, means Means) error {
	if err := sqlengine.Sleep(ctx, f.Delay); err != nil {
		return err
	}
	switch f.Action {
	case ActionCutBefore:
		return means.Cut()
	case ActionHangBefore:
		return means.Hang()
	case ActionFail:
		return means.Fail()
	}
	err := means.Run()
	switch {
	case f.Action == ActionRun:
		return err
	case f.Action == ActionHangAfter:
		return means.Hang()
	case f.Action == ActionCutAfter, err != nil:
		return means.Cut()
	}
	return nil
}
