package sharedtx

import "github.com/jackc/pgx/v5/pgtype"

// TypeMap is a method of pgx.Rows since a version that is newer than what these
// tests were written for.
func (r *SharedTxRows) TypeMap() *pgtype.Map { return r.innerRows.TypeMap() }
