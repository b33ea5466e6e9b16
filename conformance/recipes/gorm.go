package recipes

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/awsdb/awsdb/conformance/frontend"
)

// gormRow is a row with a number that the server gives: GORM asks for it by RETURNING or
// LastInsertId.
type gormRow struct {
	ID   string `gorm:"column:id"`
	Host string `gorm:"column:host"`
	Seq  int64  `gorm:"column:seq;primaryKey"`
}

func (gormRow) TableName() string { return "writes" }

// gormKeyed is a row that is known by its identifier.
type gormKeyed struct {
	ID   string `gorm:"column:id;primaryKey"`
	Host string `gorm:"column:host"`
}

func (gormKeyed) TableName() string { return "keyed" }

type gormProgram struct{ *gorm.DB }

func openGORM(front frontend.Frontend, db *sql.DB) (Program, error) {
	return openGORMAs(front, db, gorm.Config{})
}

// endless is the lifetime of prepared statements for which GORM starts no goroutine that
// removes old ones: that would never end.
const endless = 10 * 365 * 24 * time.Hour

func openPreparingGORM(front frontend.Frontend, db *sql.DB) (Program, error) {
	return openGORMAs(front, db, gorm.Config{PrepareStmt: true, PrepareStmtTTL: endless})
}

// newGORM asks the server nothing: a pool of readers may be opened while there are none.
func newGORM(front frontend.Frontend, db *sql.DB, config gorm.Config) (*gorm.DB, error) {
	dialect := postgres.New(postgres.Config{Conn: db})
	if front == frontend.MySQL {
		dialect = mysql.New(mysql.Config{Conn: db, SkipInitializeWithVersion: true})
	}
	config.Logger, config.DisableAutomaticPing = logger.Discard, true
	return gorm.Open(dialect, &config)
}

func openGORMAs(front frontend.Frontend, pool *sql.DB, config gorm.Config) (Program, error) {
	db, err := newGORM(front, pool, config)
	if err != nil {
		return Program{}, err
	}
	p := gormProgram{db}
	return Program{
		Writes: map[string]Write{
			"Transaction": repeated(p.transaction), "nested Transaction": repeated(p.nested), "Begin and Commit": repeated(p.byHand),
			"Create": repeated(p.create), "Create without a transaction": repeated(p.single),
		},
		Once:    known(p.once),
		Numbers: p.numbers,
	}, nil
}

func (p gormProgram) transaction(ctx context.Context, r row) error {
	return p.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		return tx.Create(&gormRow{ID: r.ID, Host: r.Host}).Error
	})
}

// nested sets a savepoint.
func (p gormProgram) nested(ctx context.Context, r row) error {
	return p.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		return tx.Transaction(func(tx *gorm.DB) error {
			return tx.Create(&gormRow{ID: r.ID, Host: r.Host}).Error
		})
	})
}

func (p gormProgram) byHand(ctx context.Context, r row) error {
	tx := p.WithContext(ctx).Begin()
	if tx.Error != nil {
		return tx.Error
	}
	if err := tx.Create(&gormRow{ID: r.ID, Host: r.Host}).Error; err != nil {
		tx.Rollback() // its own error would go to tx
		return err
	}
	return tx.Commit().Error
}

// create is in a transaction that GORM makes of each write.
func (p gormProgram) create(ctx context.Context, r row) error {
	return p.WithContext(ctx).Create(&gormRow{ID: r.ID, Host: r.Host}).Error
}

func (p gormProgram) single(ctx context.Context, r row) error {
	return p.WithContext(ctx).Connection(func(c *gorm.DB) error {
		return c.Session(&gorm.Session{SkipDefaultTransaction: true}).Create(&gormRow{ID: r.ID, Host: r.Host}).Error
	})
}

func (p gormProgram) once(ctx context.Context, r row) error {
	return p.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&gormKeyed{ID: r.ID, Host: r.Host}).Error
	})
}

func (p gormProgram) numbers(ctx context.Context, query string) ([]int64, error) {
	var all []int64
	err := p.WithContext(ctx).Raw(query).Scan(&all).Error
	return all, err
}
