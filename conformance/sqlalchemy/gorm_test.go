package sqlalchemy

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// TestErrorsThatGORMHides: where GORM itself keeps the text of an error and drops its type. An application that needs the type
// has to look elsewhere, or turn off what drops it. A failing test means that GORM has changed: then change the page.
func TestErrorsThatGORMHides(t *testing.T) {
	for _, e := range engines {
		t.Run(e.Name(), func(t *testing.T) {
			virtually(t, e, orms[0], func(t *testing.T, s *stage) {
				h, err := startGORM(dialectorOf(e, s.create(t, plugins).DB()), gorm.Config{TranslateError: true})
				if err != nil {
					t.Fatal(err)
				}
				translated(t, s, h)
				deadlineInDefaultTransaction(t, s, h)
				lossInDefaultTransaction(t, s, h)
			})
		})
	}
}

// translated: with TranslateError, MySQL's errors lose the driver's type if GORM has a name for them.
func translated(t *testing.T, s *stage, h session) {
	t.Helper()
	if err := h.Create(t.Context(), &account{ID: 1}); err != nil {
		t.Error(err)
	}
	err := h.Create(t.Context(), &account{ID: 1})
	demand.Is(t, "the second insert", err, gorm.ErrDuplicatedKey)
	if kept := s.Code(err) != ""; kept != (s.Name() == "postgresql") {
		t.Errorf("the driver's error is there: %t: %v", kept, err)
	}
}

// deadlineInDefaultTransaction: when the context ends, database/sql rolls back, and so does GORM. If GORM comes second, as when
// one of its hooks takes a moment, it makes that the error that matches.
func deadlineInDefaultTransaction(t *testing.T, s *stage, h session) {
	t.Helper()
	err := h.(gormSession).db.Callback().Create().Before("gorm:commit_or_rollback_transaction").Register("test:slow", func(*gorm.DB) { time.Sleep(time.Millisecond) })
	if err != nil {
		t.Fatal(err)
	}
	s.onStatement("insert", lab.HangBefore)
	defer s.Writer().OnStatement(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = h.Create(ctx, &account{ID: 2})
	demand.Is(t, "GORM", err, sql.ErrTxDone)
	demand.IsNot(t, "GORM", err, context.DeadlineExceeded)
	if core.ClassOf(err) != core.ClassNone || core.SafeToRepeat(err) {
		t.Errorf("the class is %v, safe to repeat: %t: %v", core.ClassOf(err), core.SafeToRepeat(err), err)
	}
}

// lossInDefaultTransaction: the rollback of a lost connection succeeds, so that GORM has nothing to hide the error behind. As a
// transaction was open, the write is known to have had no effect.
func lossInDefaultTransaction(t *testing.T, s *stage, h session) {
	t.Helper()
	s.crashAt(t, "insert")
	err := h.Create(t.Context(), &account{ID: 3})
	demand.Is(t, "GORM", err, core.ErrTransactionResolutionUnknown)
	if !core.SafeToRepeat(err) {
		t.Errorf("not safe to repeat: %v", err)
	}
}
