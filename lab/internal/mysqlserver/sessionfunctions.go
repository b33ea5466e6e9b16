package mysqlserver

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// sessionFunctions are the functions about the session and the server.
var sessionFunctions = map[string][]*sqlengine.Function{
	"connection_id": one(tBig, func(e *sqlengine.Execution, _ []any) (any, error) { return int64(sessionOf(e).number), nil }),
	"database": one(tText, func(e *sqlengine.Execution, _ []any) (any, error) {
		if name := sessionOf(e).database; name != "" {
			return name, nil
		}
		return nil, nil
	}),
	"user": one(tText, func(e *sqlengine.Execution, _ []any) (any, error) {
		s := sessionOf(e)
		return s.user + "@" + s.clientHost(), nil
	}),
	"version": one(tText, func(e *sqlengine.Execution, _ []any) (any, error) { return sessionOf(e).server.version(), nil }),
	"last_insert_id": append(
		one(tBig, func(e *sqlengine.Execution, _ []any) (any, error) { return sessionOf(e).lastInsertID, nil }),
		one(tBig, func(e *sqlengine.Execution, a []any) (any, error) { // remembers its argument
			s := sessionOf(e)
			s.lastInsertID, s.insertID = a[0].(int64), a[0].(int64)
			return a[0], nil
		}, tBig)...),
	"row_count":      one(tBig, func(e *sqlengine.Execution, _ []any) (any, error) { return sessionOf(e).rowCount, nil }),
	"sleep":          one(tBig, func(e *sqlengine.Execution, a []any) (any, error) { return int64(0), e.Sleep(seconds(a[0].(float64))) }, tFloat),
	"uuid":           pure(tText, func([]any) any { return newUUID() }),
	"aurora_version": {{Result: tText, Flavors: aurora, Call: func(e *sqlengine.Execution, _ []any) (any, error) { return auroraVersion, nil }}},
}

var aurora = []sqlengine.Flavor{sqlengine.AuroraMySQL, sqlengine.GlobalAuroraMySQL}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
