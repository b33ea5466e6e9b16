package pgdriver

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
)

// querier is what a pgx connection and a transaction have in common.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error)
}

// leave ends a call of the session.
func (s *session) leave(ctx context.Context, o core.Ongoing, err error) error {
	if err != nil && s.conn.InTx() && (endsTx(o.Query, false) || (!s.beginning && s.pgx.PgConn().TxStatus() == 'I')) {
		s.conn.Leaky() // somebody has sent a COMMIT of his own, now or before
	}
	return s.conn.Leave(ctx, o, err)
}

// endsTx tells that a text may hold a statement that commits, or one that is committed at
// once because it follows a ROLLBACK; more tells that others follow the text. When it is
// lost, its transaction may not be rolled back. Where it is not sure it says yes.
func endsTx(sql string, more bool) bool {
	sql, sure := skipComments(sql)
	if !sure {
		return true
	}
	for sql != "" {
		statement, rest, _ := strings.Cut(sql, ";")
		statement = strings.TrimSpace(statement)
		first, others := word(statement)
		switch {
		case strings.HasPrefix(statement, "--"), strings.HasPrefix(statement, "/*"):
			return true
		case is(first, "commit"), is(first, "end"), is(first, "prepare"):
			return true
		case is(first, "rollback"), is(first, "abort"):
			if w, next := word(others); is(w, "work") || is(w, "transaction") {
				others = next
			}
			if w, _ := word(others); !is(w, "to") && (more || strings.TrimSpace(rest) != "") {
				return true
			}
		}
		sql = rest
	}
	return false
}

// word is the word of ASCII letters that a text begins with, and what follows it.
func word(sql string) (first, rest string) {
	sql = strings.TrimSpace(sql)
	end := strings.IndexFunc(sql, func(c rune) bool { return (c|0x20) < 'a' || (c|0x20) > 'z' })
	if end < 0 {
		end = len(sql)
	}
	return sql[:end], sql[end:]
}

func is(word, keyword string) bool { return strings.EqualFold(word, keyword) }

// readOnly tells that a text begins a transaction that is read-only.
func readOnly(begin string) bool {
	words := strings.FieldsFunc(strings.ToLower(begin), func(c rune) bool { return c < 'a' || c > 'z' })
	for i, w := range words[:max(len(words)-1, 0)] {
		if w == "read" && words[i+1] == "only" {
			return true
		}
	}
	return false
}

// skipComments leaves out the comments before the first statement: sqlc and others put
// one before each of theirs. Not sure is what a comment inside a comment makes it.
func skipComments(sql string) (rest string, sure bool) {
	for {
		sql = strings.TrimSpace(sql)
		switch {
		case strings.HasPrefix(sql, "--"):
			end := strings.IndexAny(sql, "\r\n")
			if end < 0 {
				return "", true
			}
			sql = sql[end:]
		case strings.HasPrefix(sql, "/*"):
			comment, rest, closed := strings.Cut(sql[len("/*"):], "*/")
			if !closed || strings.Contains(comment, "/*") {
				return sql, false
			}
			sql = rest
		default:
			return sql, true
		}
	}
}

func (s *session) exec(ctx context.Context, q querier, sql string, args []any) (pgconn.CommandTag, error) {
	ctx, call, err := s.conn.Enter(ctx, core.Call{Op: core.OpExec, Query: sql})
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := q.Exec(ctx, sql, args...)
	if err == nil && len(args) == 0 && s.conn.InTx() && endsTx(sql, false) {
		s.conn.Leaky() // the transaction that is open now, if any, is another
	}
	return tag, s.leave(ctx, call, err)
}

func (s *session) query(ctx context.Context, q querier, sql string, args []any) (*poolRows, error) {
	ctx, call, err := s.conn.Enter(ctx, core.Call{Op: core.OpQuery, Query: sql})
	if err != nil {
		return &poolRows{err: pointer(err)}, err
	}
	r, err := q.Query(ctx, sql, args...)
	if err == nil && s.pgx.IsClosed() { // pgx tells later what it knows already
		r.Close()
		err = r.Err()
	}
	if err != nil {
		err = s.leave(ctx, call, err)
		return &poolRows{err: pointer(err)}, err
	}
	return s.newRows(ctx, call, r), nil
}

// queryRow also returns an error that its row will tell, if it is known already.
func (s *session) queryRow(ctx context.Context, q querier, sql string, args []any) (*poolRow, error) {
	ctx, call, err := s.conn.Enter(ctx, core.Call{Op: core.OpQuery, Query: sql})
	if err != nil {
		return &poolRow{err: pointer(err)}, err
	}
	r := q.QueryRow(ctx, sql, args...)
	if s.pgx.IsClosed() { // pgx tells later what it knows already
		err = s.leave(ctx, call, r.Scan())
		return &poolRow{err: pointer(err)}, err
	}
	return s.newRow(ctx, call, r), nil
}

func (s *session) copyFrom(ctx context.Context, q querier, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	ctx, call, err := s.conn.Enter(ctx, core.Call{Op: core.OpExec, Query: "copy"})
	if err != nil {
		return 0, err
	}
	n, err := q.CopyFrom(ctx, table, columns, source)
	return n, s.leave(ctx, call, err)
}

func (s *session) sendBatch(ctx context.Context, q querier, b *pgx.Batch, lease *pgxpool.Conn) pgx.BatchResults {
	var text string
	if s.conn.InTx() {
		text = textOf(b)
	}
	ctx, call, err := s.conn.Enter(ctx, core.Call{Op: core.OpExec, Query: text})
	if err != nil {
		if lease != nil {
			lease.Release()
		}
		return pgx.FailedBatchResults(b, err)
	}
	r := &poolBatch{inner: q.SendBatch(ctx, b), open: s.read(ctx, call), lease: lease}
	t := r.inner.Tx()
	if t == nil {
		return r
	}
	if _, inside := q.(pgx.Tx); inside { // pgx has refused to begin another
		r.open.tx = &tx{inner: t}
		return r
	}
	s.conn.TxBegun(readOnly(b.QueuedQueries[0].SQL))
	s.beginning = true
	r.open.call.Query = textOf(b)
	r.open.tx, r.lease = s.newTx(t, lease), nil
	return r
}

// textOf is the statement of a batch that ends a transaction, if any, in a form that says
// so by itself.
func textOf(b *pgx.Batch) string {
	for i, q := range b.QueuedQueries {
		if endsTx(q.SQL, false) {
			return q.SQL
		}
		if more := i < len(b.QueuedQueries)-1; more && endsTx(q.SQL, more) {
			return q.SQL + ";" + b.QueuedQueries[i+1].SQL
		}
	}
	return ""
}

func (s *session) beginTx(ctx context.Context, c *pgx.Conn, opts pgx.TxOptions, lease *pgxpool.Conn) (*tx, error) {
	ctx, call, err := s.conn.Enter(ctx, core.Call{Op: core.OpBegin})
	if err != nil {
		return nil, err
	}
	t, err := c.BeginTx(ctx, opts)
	if err = s.conn.Leave(ctx, call, err); err != nil {
		return nil, err
	}
	s.conn.TxBegun(opts.AccessMode == pgx.ReadOnly || readOnly(opts.BeginQuery))
	return s.newTx(t, lease), nil
}
