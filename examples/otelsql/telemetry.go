package main

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

// open is sql.Open with spans around awsdb's calls. It connects nothing yet.
func open(url string, tracing trace.TracerProvider) (*sql.DB, error) {
	driver := driverOf(url)
	return otelsql.Open(driver, url, options(driver, tracing)...)
}

// driverOf is the driver of a connection string.
func driverOf(url string) string {
	if strings.HasPrefix(url, "postgres") {
		return pgdriver.Name
	}
	return mysqldriver.Name
}

// options make a span of each call of the application, and of each connect.
func options(driver string, tracing trace.TracerProvider) []otelsql.Option {
	system := attribute.String("db.system.name", "postgresql")
	if driver == mysqldriver.Name {
		system = attribute.String("db.system.name", "mysql")
	}
	return []otelsql.Option{
		otelsql.WithTracerProvider(tracing),
		otelsql.WithAttributes(system),
		otelsql.WithSpanErrorAttributesGetter(loss),
		otelsql.WithInstrumentErrorAttributesGetter(loss),
		otelsql.WithDisableSkipErrMeasurement(true),
		otelsql.WithSpanOptions(otelsql.SpanOptions{
			OmitRows:             true,
			OmitConnResetSession: true, // asks nothing of the server
			RecordError:          concernsCaller,
		}),
	}
}

// concernsCaller tells that the application gets the error. It does not get ErrSkip, by which go-sql-driver asks for
// the statement to be prepared, and ErrBadConn, upon which database/sql takes another connection.
func concernsCaller(err error) bool {
	return !errors.Is(err, driver.ErrSkip) && !errors.Is(err, driver.ErrBadConn)
}

// loss says what is known about a call whose connection was lost: attributes of few values, for which errors can be counted.
func loss(err error) []attribute.KeyValue {
	var e *core.Error
	if !errors.As(err, &e) {
		return nil
	}
	return []attribute.KeyValue{
		attribute.String("server.address", e.Host),
		attribute.String("awsdb.outcome", e.Outcome.String()),
		attribute.Bool("awsdb.failover", errors.Is(err, core.ErrFailover)),
	}
}
