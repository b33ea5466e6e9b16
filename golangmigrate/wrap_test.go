package golangmigrate

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/golang-migrate/migrate/v4/database"

	"github.com/awsdb/awsdb/core"
)

// failing is a driver whose methods all end with an error.
type failing struct{ err error }

func (f failing) Open(string) (database.Driver, error) { return nil, f.err }
func (f failing) Close() error                         { return f.err }
func (f failing) Lock() error                          { return f.err }
func (f failing) Unlock() error                        { return f.err }
func (f failing) Run(io.Reader) error                  { return f.err }
func (f failing) SetVersion(int, bool) error           { return f.err }
func (f failing) Version() (int, bool, error)          { return 7, true, f.err }
func (f failing) Drop() error                          { return f.err }

func TestWrapRevealsTheCause(t *testing.T) {
	lost := &core.Error{Kind: core.ErrTransactionResolutionUnknown, Op: core.OpExec, Outcome: core.OutcomeRolledBack}
	for name, hidden := range map[string]error{
		"value":   database.Error{OrigErr: lost, Err: "migration failed", Query: []byte("create table a ()")},
		"pointer": &database.Error{OrigErr: lost, Query: []byte("truncate versions")},
		"joined":  errors.Join(&database.Error{OrigErr: lost}, database.ErrNotLocked),
		"wrapped": fmt.Errorf("version table: %w", &database.Error{OrigErr: lost}),
	} {
		d := Wrap(failing{hidden})
		_, openErr := d.Open("")
		_, _, versionErr := d.Version()
		for method, err := range map[string]error{
			"Open": openErr, "Close": d.Close(), "Lock": d.Lock(), "Unlock": d.Unlock(), "Run": d.Run(nil),
			"SetVersion": d.SetVersion(1, true), "Version": versionErr, "Drop": d.Drop(),
		} {
			var e *core.Error
			if !errors.Is(err, core.ErrFailover) || !errors.As(err, &e) || e != lost || !core.SafeToRepeat(err) {
				t.Errorf("%s of %s hides the cause: %v", method, name, err)
			}
			if !errors.Is(err, hidden) && !errors.As(err, new(database.Error)) {
				t.Errorf("%s of %s: golang-migrate's own error is gone: %v", method, name, err)
			}
			if err.Error() != hidden.Error() {
				t.Errorf("%s of %s: %q, want %q", method, name, err, hidden)
			}
		}
	}
}

func TestWrapLeavesOtherErrorsAlone(t *testing.T) {
	for _, want := range []error{nil, database.ErrLocked, &database.Error{Err: "no cause"}} {
		if err := Wrap(failing{want}).Lock(); err != want { //nolint:errorlint // identity is meant
			t.Errorf("Lock: %v, want %v", err, want)
		}
	}
	if version, dirty, err := Wrap(failing{}).Version(); version != 7 || !dirty || err != nil {
		t.Errorf("Version: %d, %t, %v", version, dirty, err)
	}
	if d, err := Wrap(failing{}).Open(""); d == nil || err != nil {
		t.Errorf("Open: %v, %v", d, err)
	}
}
