package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/awsdb/awsdb/core"
)

// Product is what can be ordered.
type Product struct {
	ID    int64
	Name  string `gorm:"size:40;uniqueIndex"`
	Stock int64
}

// Order is known by its Number, which comes from the customer: there is one order of a number, however often it is placed.
type Order struct {
	ID        int64
	Number    int64 `gorm:"uniqueIndex"`
	CreatedAt time.Time
	Lines     []Line
}

// Line is a part of an Order.
type Line struct {
	ID        int64
	OrderID   int64 `gorm:"index"`
	ProductID int64
	Quantity  int64
}

// Event is the diary of the shop, which a hook writes.
type Event struct {
	ID     int64
	Number int64
	What   string `gorm:"size:40"`
}

// AfterCreate runs in the transaction that creates the order: repeated with it, and rolled back with it.
func (o *Order) AfterCreate(tx *gorm.DB) error {
	return tx.Create(&Event{Number: o.Number, What: "placed"}).Error
}

// prepare makes the tables, and fills the shelves if there are none.
func prepare(ctx context.Context, db *gorm.DB) error {
	err := repeat(ctx, db, func(db *gorm.DB) error { return db.AutoMigrate(&Product{}, &Order{}, &Line{}, &Event{}) })
	if err != nil {
		return err
	}
	return transact(ctx, db, func(tx *gorm.DB) error {
		var n int64
		if err := tx.Model(&Product{}).Count(&n).Error; err != nil || n > 0 {
			return err
		}
		return tx.Create([]Product{{Name: "apple", Stock: capital}, {Name: "pear", Stock: capital}}).Error
	})
}

// transact runs work in a transaction, and all of it again while that is safe: see core.SafeToRepeat.
func transact(ctx context.Context, db *gorm.DB, work func(tx *gorm.DB) error) error {
	return core.Retry(ctx, func() error { return db.WithContext(ctx).Transaction(work) })
}

// repeat runs work that may be done twice, and again after a failover: queries that change nothing, which awsdb cannot know of
// them; migrations, which look at what is there and do the rest.
func repeat(ctx context.Context, db *gorm.DB, work func(db *gorm.DB) error) error {
	return core.RetryIdempotent(ctx, func() error { return work(db.WithContext(ctx)) })
}

// place places an order exactly once, however often the writer goes away meanwhile. transact would not start over when the
// answer to the COMMIT was lost. But an order is known by its number, so that placing it again is right even then.
func place(ctx context.Context, db *gorm.DB, number int64, quantities map[int64]int64) error {
	return repeat(ctx, db, func(db *gorm.DB) error {
		err := db.Transaction(func(tx *gorm.DB) error { return book(tx, number, quantities) })
		if errors.Is(err, gorm.ErrDuplicatedKey) {
			return nil // it was committed after all
		}
		return err
	})
}

// book is the unit of work. It makes the order anew each time it is run: Create writes the id it got into its argument,
// where it stays if the transaction is rolled back.
func book(tx *gorm.DB, number int64, quantities map[int64]int64) error {
	order := Order{Number: number}
	for _, product := range slices.Sorted(maps.Keys(quantities)) { // always in this order: no two orders wait for each other
		order.Lines = append(order.Lines, Line{ProductID: product, Quantity: quantities[product]})
	}
	if err := tx.Create(&order).Error; err != nil { // with its lines, and the event of the hook
		return err
	}
	for _, line := range order.Lines {
		taken := tx.Model(&Product{}).Where("id = ? and stock >= ?", line.ProductID, line.Quantity).
			Update("stock", gorm.Expr("stock - ?", line.Quantity))
		if taken.Error != nil {
			return taken.Error
		}
		if taken.RowsAffected == 0 {
			return errSoldOut
		}
	}
	return nil
}

var errSoldOut = errors.New("sold out")

// shelves returns the products.
func shelves(ctx context.Context, db *gorm.DB) (products []Product, err error) {
	err = repeat(ctx, db, func(db *gorm.DB) error { return db.Order("id").Find(&products).Error })
	return products, err
}
