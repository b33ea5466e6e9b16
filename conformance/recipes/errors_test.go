package recipes

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// trouble befalls the first statement with a verb.
type trouble struct {
	name string
	verb string
	fate lab.Fate
	// What the recipes end with: nothing if they have begun again.
	inTx, single []error
}

func troubles(front frontend.Frontend) []trouble {
	begin, _, _ := strings.Cut(front.SQL().Begin, " ")
	conflict := map[frontend.Frontend]string{frontend.PostgreSQL: "40001", frontend.MySQL: "1213"}[front]
	lost := []error{core.ErrOutcomeUnknown, core.ErrFailoverSuccess, core.ErrFailover}
	inDoubt := []error{core.ErrOutcomeUnknown, core.ErrTransactionResolutionUnknown, core.ErrFailover}
	late := []error{context.DeadlineExceeded}
	return []trouble{
		{"insert lost before it ran", "insert", lab.CutBefore(), nil, lost},
		{"insert lost after it ran", "insert", lab.CutAfter(), nil, lost},
		{"insert lost after its first row", "insert", lab.CutAfterRows(1), nil, lost},
		{"insert in conflict with another", "insert", lab.Fail(conflict, "conflict"), nil, nil},
		{"insert never answered", "insert", lab.HangBefore(), late, append(late, core.ErrOutcomeUnknown)},
		{"begin lost", begin, lab.CutAfter(), nil, nil},
		{"savepoint lost", "savepoint", lab.CutAfter(), nil, nil},
		{"release of a savepoint lost", "release", lab.CutAfter(), nil, nil},
		{"commit lost before it ran", "commit", lab.CutBefore(), inDoubt, nil},
		{"commit lost after it ran", "commit", lab.CutAfter(), inDoubt, nil},
		{"commit never answered", "commit", lab.HangAfter(), append(late, core.ErrOutcomeUnknown), nil},
	}
}

// hidden are what tools may give instead of the error.
var hidden = map[string]error{
	// GORM rolls back the transaction that it has made of the write, and keeps only the last
	// error: that database/sql was quicker.
	"GORM/Create/insert never answered":             sql.ErrTxDone,
	"GORM-PrepareStmt/Create/insert never answered": sql.ErrTxDone,
}

// Each recipe begins again where that is safe, and says why where it does not.
func TestTroubles(t *testing.T) {
	met := map[string]int{}
	eachTool(t, func(t *testing.T, db database, tool Tool) {
		p := db.open(t, tool)
		for _, name := range slices.Sorted(maps.Keys(p.Writes)) {
			for _, trouble := range troubles(db.front) {
				if befall(t, db, trouble, tool.Name+"/"+name, p.Writes[name]) {
					met[db.front.Name()+": "+trouble.name]++
				}
			}
		}
	})
	for _, front := range overSQL() {
		for _, trouble := range troubles(front) {
			if met[front.Name()+": "+trouble.name] == 0 {
				t.Errorf("%s: nobody met %s", front.Name(), trouble.name)
			}
		}
	}
}

// eachTool runs a test for each tool with each engine.
func eachTool(t *testing.T, test func(t *testing.T, db database, tool Tool)) {
	t.Helper()
	for _, front := range overSQL() {
		for _, tool := range All() {
			t.Run(front.Name()+"/"+tool.Name, func(t *testing.T) {
				virtual(t, front, func(t *testing.T, db database) { test(t, db, tool) })
			})
		}
	}
}

// befall tells whether a statement met the trouble.
func befall(t *testing.T, db database, trouble trouble, what string, write Write) bool {
	t.Helper()
	what += "/" + trouble.name
	recovered := db.meet(trouble.verb, trouble.fate)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	err := write(ctx, what, "tag")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("%s: the call took %v", what, took)
	}
	met := recovered()
	var want []error
	switch {
	case met == nil:
	case hidden[what] != nil && errors.Is(err, hidden[what]):
		want = []error{hidden[what]}
	case met.InTx || trouble.verb != "insert":
		want = trouble.inTx
	default:
		want = trouble.single
	}
	for _, target := range want {
		if !errors.Is(err, target) {
			t.Errorf("%s: error does not match %q: %v", what, target, err)
		}
	}
	switch n := db.rows(what); {
	case want == nil && err != nil:
		t.Errorf("%s: %v", what, err)
	case err == nil && n != 1:
		t.Errorf("%s: the row is there %d times", what, n)
	case err != nil && core.SafeToRepeat(err):
		t.Errorf("%s: ends with what is safe to repeat: %v", what, err)
	case err != nil && !errors.Is(err, core.ErrOutcomeUnknown) && n != 0:
		t.Errorf("%s: the row is there though the error leaves no doubt: %v", what, err)
	}
	return met != nil
}

// A row that is known by its identifier is written whatever is lost, and is there once.
func TestTroublesOfKnownRows(t *testing.T) {
	eachTool(t, func(t *testing.T, db database, tool Tool) {
		p := db.open(t, tool)
		for _, trouble := range troubles(db.front) {
			recovered := db.meet(trouble.verb, trouble.fate)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			err := p.Once(ctx, trouble.name, "tag")
			cancel()
			if recovered() == nil && trouble.verb == "insert" { // the others depend on the tool
				t.Errorf("%s: nobody met it", trouble.name)
			}
			if errors.Is(err, context.DeadlineExceeded) { // there is no time left
				err = p.Once(t.Context(), trouble.name, "again")
			}
			if n := db.rows(trouble.name); err != nil || n != 1 {
				t.Errorf("%s: the row is there %d times: %v", trouble.name, n, err)
			}
		}
	})
}

// What the server refuses comes out as the driver's own error, and is not repeated.
func TestRefusals(t *testing.T) {
	eachTool(t, func(t *testing.T, db database, tool Tool) {
		p := db.open(t, tool)
		if err := insertAs(db, "taken"); err != nil {
			t.Fatal(err)
		}
		for name, write := range p.Writes {
			err := write(t.Context(), "taken", "tag")
			if got := db.front.Code(err); got != db.front.Codes().UniqueViolation {
				t.Errorf("%s: server's error %q: %v", name, got, err)
			}
		}
	})
}

func insertAs(db database, id string) error {
	_, err := db.Exec(db.front.SQL().Bind("insert into writes (id, host) values (?, ?)"), id, "host")
	return err
}

// A result that ends early is an error, not a short result.
func TestResultsCutShort(t *testing.T) {
	eachTool(t, func(t *testing.T, db database, tool Tool) {
		p := db.open(t, tool)
		query := db.front.SQL().Series(5)
		got, err := p.Numbers(t.Context(), query)
		if diff := cmp.Diff([]int64{1, 2, 3, 4, 5}, got); err != nil || diff != "" {
			t.Errorf("want no error, but %v, and (-want +got):\n%s", err, diff)
		}
		recovered := db.meet("select", lab.CutAfterRows(3))
		if got, err := p.Numbers(t.Context(), query); !errors.Is(err, core.ErrFailoverSuccess) {
			t.Errorf("%d rows and %v", len(got), err)
		}
		recovered()
	})
}
