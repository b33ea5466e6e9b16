package pgdriver

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// What the server has answered in full is an answer, whatever befell the connection since.
func TestAnswerBeforeLoss(t *testing.T) {
	cluster := started(t, lab.Options{Instances: 1})
	p := pooled(t, cluster, nil)
	tests := map[string]struct {
		sql  string
		dest any
		want func(error) bool
	}{
		"no rows":  {"select 1 where false", new(int), func(err error) bool { return err == pgx.ErrNoRows }}, //nolint:errorlint // applications compare so
		"a row":    {"select 1", new(int), func(err error) bool { return err == nil }},
		"bad dest": {"select 1", new([]string), func(err error) bool { return errors.As(err, new(pgx.ScanArgError)) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := acquired(t, p)
			row := c.QueryRow(t.Context(), test.sql)
			c.session.conn.Link().Abort(errors.New("test"))
			if err := row.Scan(test.dest); !test.want(err) || errors.As(err, new(*core.Error)) {
				t.Errorf("got %v", err)
			}
			if _, err := c.Exec(t.Context(), "select 1"); !errors.As(err, new(*core.Error)) {
				t.Errorf("the next call: %v", err)
			}
		})
	}
}
