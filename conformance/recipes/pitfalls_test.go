package recipes

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/uptrace/bun"
	"gorm.io/gorm"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// The tests of this file are about what tools do that users must know, because of which the
// recipes do not use it. A test that fails tells that the tool has changed for the better.

// gorm is GORM on the database.
func (db database) gorm(t *testing.T, config gorm.Config) *gorm.DB {
	t.Helper()
	g, err := newGORM(db.front, db.DB, config)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// GORM's TranslateError throws MySQL's error away, and keeps PostgreSQL's.
func TestGORMTranslateError(t *testing.T) {
	for _, front := range overSQL() {
		virtual(t, front, func(t *testing.T, db database) {
			g := db.gorm(t, gorm.Config{TranslateError: true})
			if err := insertAs(db, "taken"); err != nil {
				t.Fatal(err)
			}
			err := g.Create(&gormRow{ID: "taken"}).Error
			if !errors.Is(err, gorm.ErrDuplicatedKey) {
				t.Errorf("%s: error does not match gorm.ErrDuplicatedKey: %v", front.Name(), err)
			}
			if hidden := !errors.As(err, new(*mysql.MySQLError)) && front.Code(err) == ""; hidden != (front == frontend.MySQL) {
				t.Errorf("%s: driver's error hidden: %t", front.Name(), hidden)
			}
			recovered := db.meet("insert", lab.CutAfter())
			defer recovered()
			if err := g.Session(&gorm.Session{SkipDefaultTransaction: true}).Create(&gormRow{ID: "lost"}).Error; !errors.Is(err, core.ErrOutcomeUnknown) {
				t.Errorf("%s: error does not match core.ErrOutcomeUnknown: %v", front.Name(), err)
			}
		})
	}
}

// With GORM's PrepareStmt, who comes while a statement is being prepared waits for that as
// long as it takes, and gets the error of who prepares it: of another caller's context.
func TestGORMPrepareStmtSharesErrors(t *testing.T) {
	for _, front := range overSQL() {
		virtual(t, front, func(t *testing.T, db database) {
			g := db.gorm(t, gorm.Config{PrepareStmt: true, PrepareStmtTTL: endless})
			db.lab.Writer().Freeze()
			defer db.lab.Writer().Heal()
			others := make(chan error, 1)
			go func() { others <- queryByGORM(t.Context(), g, 3*time.Second) }()
			time.Sleep(time.Second)
			began := time.Now()
			err := queryByGORM(t.Context(), g, time.Second)
			if took := time.Since(began); took != 2*time.Second {
				t.Errorf("%s: a call with a limit of a second took %v", front.Name(), took)
			}
			if first := <-others; !errors.Is(err, context.DeadlineExceeded) || err.Error() != first.Error() {
				t.Errorf("%s: the errors are %v and %v", front.Name(), first, err)
			}
		})
	}
}

func queryByGORM(ctx context.Context, g *gorm.DB, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var n int
	return g.WithContext(ctx).Raw("select 1").Scan(&n).Error
}

// With GORM's PrepareStmt, Row panics when the statement cannot be prepared.
func TestGORMPrepareStmtRowPanics(t *testing.T) {
	for _, front := range overSQL() {
		virtual(t, front, func(t *testing.T, db database) {
			g := db.gorm(t, gorm.Config{PrepareStmt: true, PrepareStmtTTL: endless})
			db.lab.Writer().Freeze()
			defer db.lab.Writer().Heal()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", front.Name())
				}
			}()
			var n int
			err := g.WithContext(ctx).Raw("select 1").Row().Scan(&n)
			t.Errorf("%s: %v", front.Name(), err)
		})
	}
}

// Bun does not look whether a statement whose one row it scans into variables has come to its
// end. PostgreSQL sends the row of an insert before it commits.
func TestBunScanHidesLosses(t *testing.T) {
	virtual(t, frontend.PostgreSQL, func(t *testing.T, db database) {
		b := newBun(db.front, db.DB)
		scans := map[string]func(seq *int64) error{
			"Exec": func(seq *int64) error {
				_, err := b.NewInsert().Model(&bunRow{ID: "Exec"}).Returning("seq").Exec(t.Context(), seq)
				return err
			},
			"NewRaw": func(seq *int64) error {
				return b.NewRaw("insert into writes (id) values ('NewRaw') returning seq").Scan(t.Context(), seq)
			},
		}
		for name, scan := range scans {
			recovered := db.meet("insert", lab.CutAfterRows(1))
			var seq int64
			if err := scan(&seq); err != nil {
				t.Errorf("%s: the loss shows: %v", name, err)
			}
			if recovered() == nil || seq == 0 {
				t.Errorf("%s: no row was read", name)
			}
			// Into the model, and into a slice, it reads to the end.
			recovered = db.meet("insert", lab.CutAfterRows(1))
			if _, err := b.NewInsert().Model(&bunRow{ID: name + " into the model"}).Exec(t.Context()); !errors.Is(err, core.ErrOutcomeUnknown) {
				t.Errorf("%s: the loss does not show: %v", name, err)
			}
			recovered()
		}
	})
}

// GORM hides the error of a savepoint from users of PostgreSQL. The connection is lost with it,
// so that what follows fails as well.
func TestGORMSavepoint(t *testing.T) {
	virtual(t, frontend.PostgreSQL, func(t *testing.T, db database) {
		g := db.gorm(t, gorm.Config{})
		recovered := db.meet("savepoint", lab.CutAfter())
		defer recovered()
		err := g.Transaction(func(tx *gorm.DB) error {
			if err := tx.SavePoint("here").Error; err != nil {
				t.Errorf("the error shows: %v", err)
			}
			return tx.Create(&gormRow{ID: "lost"}).Error
		})
		if !errors.Is(err, core.ErrTransactionResolutionUnknown) || !core.SafeToRepeat(err) {
			t.Errorf("the statement after it: %v", err)
		}
	})
}

// A model that has got its number in an attempt that was lost is written with that number by
// the next: another row may have it by then. Models are made in the function that is repeated.
func TestModelsKeepTheirNumbers(t *testing.T) {
	for _, front := range overSQL() {
		virtual(t, front, func(t *testing.T, db database) {
			g, b := db.gorm(t, gorm.Config{}), newBun(db.front, db.DB)
			byGORM, byBun := gormRow{ID: "GORM"}, bunRow{ID: "bun"}
			tools := map[string]func() error{
				"GORM": func() error {
					return g.Transaction(func(tx *gorm.DB) error {
						return errors.Join(tx.Create(&byGORM).Error, tx.Exec("select 1").Error)
					})
				},
				"bun": func() error {
					return b.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
						_, first := tx.NewInsert().Model(&byBun).Exec(ctx)
						_, second := tx.ExecContext(ctx, "select 1")
						return errors.Join(first, second)
					})
				},
			}
			for name, write := range tools {
				db.lab.Writer().ResetStatements()
				recovered := db.meet("select", lab.CutAfter())
				if err := core.Retry(t.Context(), write); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				recovered()
				if sent := inserts(db.lab.Writer()); len(sent) != 2 || sent[0] == sent[1] {
					t.Errorf("%s: %s sent %q", front.Name(), name, sent)
				}
			}
		})
	}
}

func inserts(i *lab.Instance) []string {
	var texts []string
	for _, s := range i.Statements() {
		if strings.HasPrefix(s.SQL, "INSERT") {
			texts = append(texts, s.SQL)
		}
	}
	return texts
}

// A query of GORM's that has ended in an error gives that for ever: nothing is sent any more.
// Queries are built in the function that is repeated.
func TestGORMQueriesKeepTheirErrors(t *testing.T) {
	for _, front := range overSQL() {
		virtual(t, front, func(t *testing.T, db database) {
			query := db.gorm(t, gorm.Config{}).Where("id = ?", "x")
			recovered := db.meet("select", lab.CutBefore())
			first := query.Find(&[]gormRow{}).Error
			if recovered() == nil || !errors.Is(first, core.ErrFailoverSuccess) {
				t.Errorf("%s: %v", front.Name(), first)
			}
			recovered = db.meet("select", lab.Run())
			again := query.Find(&[]gormRow{}).Error
			if met := recovered(); met != nil || !errors.Is(again, core.ErrFailoverSuccess) {
				t.Errorf("%s: the second time: %v", front.Name(), again)
			}
		})
	}
}
