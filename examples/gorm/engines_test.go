package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgtype"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

// words are an array of PostgreSQL's, and JSON elsewhere.
type words []string

// GormDBDataType implements migrator.GormDataTypeInterface.
func (words) GormDBDataType(db *gorm.DB, _ *schema.Field) string {
	if db.Name() == "postgres" {
		return "text[]"
	}
	return "json"
}

// Value implements driver.Valuer.
func (w words) Value() (driver.Value, error) {
	text, err := pgtype.NewMap().Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, []string(w), nil)
	return string(text), err
}

// Scan implements sql.Scanner.
func (w *words) Scan(src any) error { return pgtype.NewMap().SQLScanner((*[]string)(w)).Scan(src) }

// Parcel has what differs between engines and drivers.
type Parcel struct {
	ID       int64
	Label    string `gorm:"size:40;uniqueIndex"`
	Weight   uint64 `gorm:"type:decimal(20,0)"`
	Price    string `gorm:"type:decimal(30,10)"`
	Note     *string
	Customs  map[string]any `gorm:"type:json;serializer:json"`
	Photo    []byte
	Express  bool
	Sent     time.Time
	Returned *time.Time
	Deleted  gorm.DeletedAt
}

func parcel(label string) Parcel {
	return Parcel{
		Label: label, Weight: math.MaxUint64, Price: "12345678901234567890.0123456789",
		Customs: map[string]any{"goods": []any{"tea", "Käse"}, "value": 1.5}, Photo: []byte{0, 255, '\'', '\\'}, Express: true,
		Sent: time.Date(2026, 3, 29, 2, 30, 0, 123_000_000, time.FixedZone("Tokyo", 9*3600)),
	}
}

// TestEngines: what GORM does differently on the two engines, on real servers.
func TestEngines(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		for name, change := range map[string]func(*gorm.Config){"as it is": func(*gorm.Config) {}, "prepared": prepared} {
			t.Run(name, func(t *testing.T) {
				db := connect(t, e.DSN(c, c.Endpoint()), change).WithContext(cluster.Context(t))
				t.Run("migrator", func(t *testing.T) { testMigrator(t, db) })
				t.Run("types", func(t *testing.T) { testTypes(t, db) })
				t.Run("batches", func(t *testing.T) { testBatches(t, db) })
				t.Run("upsert", func(t *testing.T) { testUpsert(t, e, db) })
				t.Run("savepoints", func(t *testing.T) { testSavepoints(t, db) })
				t.Run("soft delete", func(t *testing.T) { testSoftDelete(t, db) })
				t.Run("dry run", func(t *testing.T) { testDryRun(t, db) })
				t.Run("connection", func(t *testing.T) { testPinned(t, e, db) })
				if e == cluster.PostgreSQL {
					t.Run("returning", func(t *testing.T) { testReturning(t, db) })
					t.Run("arrays", func(t *testing.T) { testArrays(t, db) })
				} else {
					t.Run("last insert id", func(t *testing.T) { testLastInsertID(t, db) })
				}
			})
		}
		t.Run("failover", func(t *testing.T) {
			testPreparedStatements(t, c, connect(t, e.DSN(c, c.Endpoint()), prepared))
		})
		t.Run("errors", func(t *testing.T) {
			cluster.CheckErrors(t, e, c, func(params ...string) cluster.Calls {
				return callsOf(connect(t, c.DSN(c.Endpoint(), params...), func(cfg *gorm.Config) { cfg.TranslateError = false }))
			})
		})
	})
}

// callsOf is how GORM runs SQL that is not its own.
func callsOf(db *gorm.DB) cluster.Calls {
	return cluster.Calls{
		Exec: func(ctx context.Context, statement string) error { return db.WithContext(ctx).Exec(statement).Error },
		InTx: func(ctx context.Context, work func(func(string) error) error) error {
			return db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
				return work(func(statement string) error { return tx.Exec(statement).Error })
			})
		},
	}
}

// testMigrator makes the table of parcels, from an older one.
func testMigrator(t *testing.T, db *gorm.DB) {
	m := db.Migrator()
	type parcel struct {
		ID    int64
		Label string `gorm:"size:20"`
	}
	if err := errors.Join(m.DropTable(&Parcel{}), m.CreateTable(&parcel{}), db.AutoMigrate(&Parcel{}), db.AutoMigrate(&Parcel{})); err != nil {
		t.Fatal(err)
	}
	if !m.HasTable(&Parcel{}) || !m.HasColumn(&Parcel{}, "customs") || !m.HasIndex(&Parcel{}, "idx_parcels_label") {
		t.Error("not all is there")
	}
	columns, err := m.ColumnTypes(&Parcel{})
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int64{}
	for _, column := range columns {
		sizes[column.Name()], _ = column.Length()
	}
	if len(sizes) != 11 || sizes["label"] != 40 {
		t.Errorf("columns %v", sizes)
	}
	if err := errors.Join(m.RenameColumn(&Parcel{}, "note", "remark"), m.RenameColumn(&Parcel{}, "remark", "note")); err != nil {
		t.Error(err)
	}
}

func testTypes(t *testing.T, db *gorm.DB) {
	want := parcel("types")
	if err := db.Create(&want).Error; err != nil {
		t.Fatal(err)
	}
	var got Parcel
	if err := db.First(&got, want.ID).Error; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); want.ID == 0 || diff != "" {
		t.Errorf("parcel (-want +got):\n%s", diff)
	}
	var sums struct{ Total, Nothing *string }
	if err := db.Raw("select sum(weight) as total, null as nothing from parcels").Scan(&sums).Error; err != nil {
		t.Fatal(err)
	}
	if sums.Total == nil || *sums.Total != "18446744073709551615" || sums.Nothing != nil {
		t.Errorf("sums %+v", sums)
	}
}

func testBatches(t *testing.T, db *gorm.DB) {
	const n = 250
	batch := make([]Parcel, n)
	for i := range batch {
		batch[i] = parcel("batch " + string(rune('a'+i/26)) + string(rune('a'+i%26)))
	}
	if err := db.CreateInBatches(&batch, 100).Error; err != nil {
		t.Fatal(err)
	}
	ofBatch := db.Where("label like 'batch %'").Session(&gorm.Session{})
	var found []Parcel
	calls := 0
	err := ofBatch.FindInBatches(&found, 60, func(tx *gorm.DB, _ int) error {
		for _, p := range found {
			if want := batch[p.ID-batch[0].ID]; p.Label != want.Label {
				t.Errorf("parcel %d is %q, and was made as %q", p.ID, p.Label, want.Label)
			}
		}
		calls++
		return nil
	}).Error
	if err != nil || calls != 5 {
		t.Errorf("%v after %d batches", err, calls)
	}
	rows, err := ofBatch.Model(&Parcel{}).Rows()
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	scanned := 0
	for ; rows.Next(); scanned++ {
		var p Parcel
		if err := db.ScanRows(rows, &p); err != nil || p.Weight != math.MaxUint64 {
			t.Fatalf("%v, %+v", err, p)
		}
	}
	if err := rows.Err(); err != nil || scanned != n {
		t.Errorf("%v after %d rows", err, scanned)
	}
}

func testUpsert(t *testing.T, e cluster.Engine, db *gorm.DB) {
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "label"}}, DoUpdates: clause.AssignmentColumns([]string{"price"})}
	first, second, third := parcel("upsert"), parcel("upsert"), parcel("upsert")
	second.Price, third.Price = "1.5000000000", "2.5000000000"
	if err := errors.Join(db.Create(&first).Error, db.Clauses(upsert).Create(&second).Error); err != nil {
		t.Fatal(err)
	}
	if first.ID != second.ID {
		t.Errorf("id %d, and of the upsert %d", first.ID, second.ID)
	}
	result := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&third)
	if result.Error != nil {
		t.Fatal(result.Error)
	}
	// MariaDB's RETURNING, which GORM uses, returns the row that was there: nobody can tell that nothing was inserted.
	if want := map[cluster.Engine]int64{cluster.PostgreSQL: 0, cluster.MySQL: 1}[e]; result.RowsAffected != want {
		t.Errorf("%d rows affected by an insert that did nothing, want %d", result.RowsAffected, want)
	}
	var got Parcel
	if err := db.First(&got, "label = ?", "upsert").Error; err != nil || got.Price != second.Price {
		t.Errorf("price %s, %v, want %s", got.Price, err, second.Price)
	}
}

func testSavepoints(t *testing.T, db *gorm.DB) {
	outer, inner, last := parcel("outer"), parcel("inner"), parcel("last")
	err := db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(&outer).Error; err != nil {
			return err
		}
		err := tx.Transaction(func(tx *gorm.DB) error {
			return errors.Join(tx.Create(&inner).Error, tx.Create(&Parcel{Label: "outer", Price: "0"}).Error)
		})
		if !errors.Is(err, gorm.ErrDuplicatedKey) {
			t.Errorf("inner transaction: %v", err)
		}
		return tx.Create(&last).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	if err := db.Model(&Parcel{}).Where("label in ?", []string{"outer", "inner", "last"}).Order("id").Pluck("label", &labels).Error; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"outer", "last"}, labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func testSoftDelete(t *testing.T, db *gorm.DB) {
	p := parcel("deleted")
	if err := errors.Join(db.Create(&p).Error, db.Delete(&p).Error); err != nil {
		t.Fatal(err)
	}
	if err := db.First(&Parcel{}, p.ID).Error; !errors.Is(err, gorm.ErrRecordNotFound) {
		t.Errorf("%v, want ErrRecordNotFound", err)
	}
	var got Parcel
	if err := db.Unscoped().First(&got, p.ID).Error; err != nil || !got.Deleted.Valid {
		t.Errorf("%v, %+v", err, got.Deleted)
	}
}

func testDryRun(t *testing.T, db *gorm.DB) {
	p := parcel("dry")
	result := db.Session(&gorm.Session{DryRun: true}).Create(&p)
	if result.Error != nil || result.Statement.SQL.Len() == 0 {
		t.Errorf("%q, %v", result.Statement.SQL.String(), result.Error)
	}
	var n int64
	if err := db.Model(&Parcel{}).Where("label = 'dry'").Count(&n).Error; err != nil || n != 0 {
		t.Errorf("%d parcels, %v", n, err)
	}
}

// testPinned: a db.Connection is one connection, but as it is GORM leaves it after its first transaction.
func testPinned(t *testing.T, e cluster.Engine, db *gorm.DB) {
	query := map[cluster.Engine]string{cluster.PostgreSQL: "select pg_backend_pid()", cluster.MySQL: "select connection_id()"}[e]
	id := func(db *gorm.DB) (id int64) {
		t.Helper()
		if err := db.Raw(query).Scan(&id).Error; err != nil {
			t.Fatal(err)
		}
		return id
	}
	for name, test := range map[string]struct {
		begin func(*gorm.DB) *gorm.DB
		stays bool
	}{
		"as it is":     {func(db *gorm.DB) *gorm.DB { return db }, false},
		"in a session": {func(db *gorm.DB) *gorm.DB { return db.Session(&gorm.Session{}) }, true},
	} {
		err := db.Connection(func(db *gorm.DB) error {
			db = test.begin(db)
			before := id(db)
			p := parcel(name)
			if err := db.Create(&p).Error; err != nil {
				return err
			}
			if after := id(db); (before == after) != test.stays {
				t.Errorf("%s: connection %d, then %d", name, before, after)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testReturning(t *testing.T, db *gorm.DB) {
	p := parcel("returning")
	if err := db.Create(&p).Error; err != nil {
		t.Fatal(err)
	}
	var updated, deleted []Parcel
	err := errors.Join(
		db.Model(&updated).Clauses(clause.Returning{}).Where("id = ?", p.ID).Update("express", false).Error,
		db.Unscoped().Clauses(clause.Returning{Columns: []clause.Column{{Name: "label"}}}).Where("id = ?", p.ID).Delete(&deleted).Error,
	)
	if err != nil {
		t.Fatal(err)
	}
	p.Express = false
	if diff := cmp.Diff([]Parcel{p}, updated); diff != "" {
		t.Errorf("updated (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Parcel{{Label: "returning"}}, deleted, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
}

func testArrays(t *testing.T, db *gorm.DB) {
	type Text struct {
		ID    int64
		Words words
	}
	text := Text{Words: words{"a", `b,"c"`, "", "NULL", "{}"}}
	var got Text
	err := errors.Join(db.Migrator().DropTable(&text), db.AutoMigrate(&text), db.Create(&text).Error,
		db.Where("? = any(words)", `b,"c"`).First(&got).Error)
	if diff := cmp.Diff(text, got); err != nil || diff != "" {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	var n int64
	if err := db.Model(&Text{}).Where("words @> ?", words{"a", "NULL"}).Where("id in ?", []int64{text.ID, 77}).Count(&n).Error; err != nil || n != 1 {
		t.Errorf("%d texts have the words, %v", n, err)
	}
}

// testLastInsertID does as GORM does with MySQL, which has no RETURNING.
func testLastInsertID(t *testing.T, db *gorm.DB) {
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	db = gormOn(t, mysql.New(mysql.Config{Conn: pool, DisableWithReturning: true})).WithContext(cluster.Context(t))
	batch := []Parcel{parcel("last 1"), parcel("last 2"), parcel("last 3")}
	if err := db.Create(&batch).Error; err != nil {
		t.Fatal(err)
	}
	for _, p := range batch {
		var label string
		if err := db.Model(&Parcel{}).Where("id = ?", p.ID).Pluck("label", &label).Error; err != nil || label != p.Label {
			t.Errorf("parcel %d is %q (%v), and was made as %q", p.ID, label, err, p.Label)
		}
	}
	again := parcel("last 1")
	if result := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&again); result.Error != nil || result.RowsAffected != 0 {
		t.Errorf("%d rows affected by an insert that did nothing, %v", result.RowsAffected, result.Error)
	}
}
