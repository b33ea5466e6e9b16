package golangmigrate

import (
	"errors"
	"io"

	"github.com/golang-migrate/migrate/v4/database"
)

// Wrap returns d with errors that errors.Is and errors.As can look into. Those of golang-migrate's own drivers are
// database.Errors, which keep their cause in a field. The text of an error stays as it is, and a database.Error
// is still found in it.
func Wrap(d database.Driver) database.Driver { return wrapped{d} }

type wrapped struct{ driver database.Driver }

// Open implements database.Driver.
func (w wrapped) Open(url string) (database.Driver, error) {
	d, err := w.driver.Open(url)
	if err != nil {
		return nil, reveal(err)
	}
	return Wrap(d), nil
}

// Close implements database.Driver.
func (w wrapped) Close() error { return reveal(w.driver.Close()) }

// Lock implements database.Driver.
func (w wrapped) Lock() error { return reveal(w.driver.Lock()) }

// Unlock implements database.Driver.
func (w wrapped) Unlock() error { return reveal(w.driver.Unlock()) }

// Run implements database.Driver.
func (w wrapped) Run(migration io.Reader) error { return reveal(w.driver.Run(migration)) }

// SetVersion implements database.Driver.
func (w wrapped) SetVersion(version int, dirty bool) error {
	return reveal(w.driver.SetVersion(version, dirty))
}

// Version implements database.Driver.
func (w wrapped) Version() (version int, dirty bool, err error) {
	version, dirty, err = w.driver.Version()
	return version, dirty, reveal(err)
}

// Drop implements database.Driver.
func (w wrapped) Drop() error { return reveal(w.driver.Drop()) }

// revealed is an error with the cause that it hides.
type revealed struct{ err, cause error }

// Error implements error.
func (e revealed) Error() string { return e.err.Error() }

// Unwrap returns the error and its cause.
func (e revealed) Unwrap() []error { return []error{e.err, e.cause} }

// reveal makes the cause of a database.Error known, of which golang-migrate returns both values and pointers.
func reveal(err error) error {
	var value database.Error
	var pointer *database.Error
	if errors.As(err, &pointer) {
		value = *pointer
	} else if !errors.As(err, &value) {
		return err
	}
	if value.OrigErr == nil {
		return err
	}
	return revealed{err, value.OrigErr}
}
