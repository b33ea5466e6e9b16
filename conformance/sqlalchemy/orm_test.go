package sqlalchemy

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"
	gormmysql "gorm.io/driver/mysql"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// account is the model of both ORMs.
type account struct {
	bun.BaseModel `bun:"table:accounts" gorm:"-"`

	ID    int64  `bun:"id,pk" gorm:"primaryKey;autoIncrement:false"`
	Owner string `bun:"owner"`
}

const createAccounts = "create table accounts (id bigint primary key, owner varchar(50))"

// orm is an ORM as an application sets it up.
type orm struct {
	name string
	// wrap gives it a *sql.DB: the form with a creator.
	wrap func(e engine, db *sql.DB) (session, error)
	// open gives it the name of a driver and a connection string: the form with nothing but a URL.
	open func(e engine, url string) (session, error)
}

var orms = []orm{
	{"gorm", wrapGORM, openGORM},
	{"bun", wrapBun, openBun},
}

// session is what the tests do with an ORM. Errors are the ORM's, as they are.
type session interface {
	// Create inserts a row, outside of a transaction unless one is open.
	Create(ctx context.Context, a *account) error
	// All reads all rows.
	All(ctx context.Context) ([]account, error)
	// Row reads the first value of the first row of a statement.
	Row(ctx context.Context, statement string, into any) error
	Exec(ctx context.Context, statement string) error
	Transaction(ctx context.Context, work func(tx session) error) error
	// Dialect is what the ORM calls the kind of database.
	Dialect() string
	DB() *sql.DB
}

// gormSession is GORM. A Create runs in a transaction of its own there unless that is turned off.
type gormSession struct{ db *gorm.DB }

func wrapGORM(e engine, db *sql.DB) (session, error) {
	return startGORM(dialectorOf(e, db), gorm.Config{SkipDefaultTransaction: true})
}

// dialectorOf is GORM's own for a *sql.DB.
func dialectorOf(e engine, db *sql.DB) gorm.Dialector {
	if e.Name() == "mysql" {
		return gormmysql.New(gormmysql.Config{Conn: db})
	}
	return gormpostgres.New(gormpostgres.Config{Conn: db})
}

func openGORM(e engine, url string) (session, error) {
	d := gormpostgres.New(gormpostgres.Config{DriverName: e.Driver(), DSN: url})
	if e.Name() == "mysql" {
		d = gormmysql.New(gormmysql.Config{DriverName: e.Driver(), DSN: url})
	}
	return startGORM(d, gorm.Config{SkipDefaultTransaction: true})
}

func startGORM(d gorm.Dialector, c gorm.Config) (session, error) {
	c.Logger = logger.Discard
	db, err := gorm.Open(d, &c)
	if err != nil {
		return nil, err
	}
	return gormSession{db}, nil
}

func (s gormSession) Create(ctx context.Context, a *account) error {
	return s.db.WithContext(ctx).Create(a).Error
}

func (s gormSession) All(ctx context.Context) (all []account, err error) {
	err = s.db.WithContext(ctx).Order("id").Find(&all).Error
	return all, err
}

func (s gormSession) Row(ctx context.Context, statement string, into any) error {
	return s.db.WithContext(ctx).Raw(statement).Row().Scan(into)
}

func (s gormSession) Exec(ctx context.Context, statement string) error {
	return s.db.WithContext(ctx).Exec(statement).Error
}

func (s gormSession) Transaction(ctx context.Context, work func(tx session) error) error {
	return s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return work(gormSession{tx}) })
}

func (s gormSession) Dialect() string { return s.db.Name() }

func (s gormSession) DB() *sql.DB {
	db, err := s.db.DB()
	if err != nil {
		panic(err) // only of a session without a *sql.DB
	}
	return db
}

// bunSession is bun: a *bun.DB, or a transaction of it.
type bunSession struct {
	bun.IDB
	db *bun.DB
}

func wrapBun(e engine, db *sql.DB) (session, error) {
	var dialect schema.Dialect = pgdialect.New()
	if e.Name() == "mysql" {
		dialect = mysqldialect.New()
	}
	b := bun.NewDB(db, dialect)
	return bunSession{b, b}, nil
}

func openBun(e engine, url string) (session, error) {
	db, err := sql.Open(e.Driver(), url)
	if err != nil {
		return nil, err
	}
	return wrapBun(e, db)
}

func (s bunSession) Create(ctx context.Context, a *account) error {
	_, err := s.NewInsert().Model(a).Exec(ctx)
	return err
}

func (s bunSession) All(ctx context.Context) (all []account, err error) {
	err = s.NewSelect().Model(&all).Order("id").Scan(ctx)
	return all, err
}

func (s bunSession) Row(ctx context.Context, statement string, into any) error {
	return s.NewRaw(statement).Scan(ctx, into)
}

func (s bunSession) Exec(ctx context.Context, statement string) error {
	_, err := s.NewRaw(statement).Exec(ctx)
	return err
}

func (s bunSession) Transaction(ctx context.Context, work func(tx session) error) error {
	return s.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error { return work(bunSession{tx, s.db}) })
}

func (s bunSession) Dialect() string { return s.db.Dialect().Name().String() }

func (s bunSession) DB() *sql.DB { return s.db.DB }

var errPlanned = errors.New("the unit of work has failed for a reason of its own")
