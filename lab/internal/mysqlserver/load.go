package mysqlserver

import (
	"context"
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/mysqlserver/syntax"
	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// maxLoad bounds what LOAD DATA takes, as it is kept in memory. Bytes.
const maxLoad = 256 << 20

// loadData runs LOAD DATA LOCAL INFILE: the client sends the file that the statement names.
func (s *session) loadData(ctx context.Context, stmt *syntax.LoadData) (*result, error) {
	if s.capabilities&clientLocalFiles == 0 {
		return nil, errorf(3948, "42000", "Loading local data is disabled; this must be enabled on both the client and server sides")
	}
	s.openTransaction()
	if err := s.checkWritable(stmt); err != nil {
		return nil, s.finish(err)
	}
	p, err := s.compile(selectAll(stmt.Table), nil)
	if err != nil {
		return nil, s.finish(err)
	}
	columns := stmt.Columns
	if columns == nil {
		for _, f := range p.Fields() {
			columns = append(columns, f.Name)
		}
	}
	content, err := s.receiveFile(stmt.File)
	if err != nil {
		return nil, s.finish(err)
	}
	insert := &sql.Insert{Table: stmt.Table, Source: &sql.Select{}, OnConflict: &sql.Conflict{Replace: stmt.Replace}}
	for _, name := range columns {
		if name != "" {
			insert.Columns = append(insert.Columns, name)
		}
	}
	records := records(content, stmt)
	for _, fields := range records {
		insert.Source.Values = append(insert.Source.Values, loadedRow(columns, fields))
	}
	r := &result{}
	if len(records) > 0 {
		r, err = s.execute(ctx, insert, nil)
	}
	if err = s.finish(err); err != nil {
		return nil, err
	}
	r.info = fmt.Sprintf("Records: %d  Deleted: 0  Skipped: %d  Warnings: 0", len(records), len(records)-min(int(r.affected), len(records)))
	return r, nil
}

// loadedRow are the values of one line: missing fields are NULL, those beyond the columns are dropped.
func loadedRow(columns []string, fields []*string) []sql.Expr {
	var row []sql.Expr
	for i, name := range columns {
		switch {
		case name == "":
		case i < len(fields) && fields[i] != nil:
			row = append(row, sql.String{Text: *fields[i]})
		default:
			row = append(row, sql.Null{})
		}
	}
	return row
}

// receiveFile asks the client for a file.
func (s *session) receiveFile(name string) (string, error) {
	if err := s.packets.write(append([]byte{0xfb}, name...)); err != nil {
		return "", err
	}
	if err := s.packets.flush(); err != nil {
		return "", err
	}
	var b strings.Builder
	for {
		packet, err := s.packets.read()
		if err != nil {
			return "", errConnection
		}
		if len(packet) == 0 {
			if b.Len() > maxLoad {
				return "", errorf(1153, "08S01", "the lab takes files of up to %d bytes", maxLoad)
			}
			return b.String(), nil
		}
		if b.Len() <= maxLoad { // what is too much is read to its end
			b.Write(packet)
		}
	}
}

// records cuts a file into lines and fields; a nil field is NULL, written \N.
func records(content string, stmt *syntax.LoadData) [][]*string {
	c := cutter{rest: content, LoadData: stmt}
	var list [][]*string
	for line := 0; c.rest != ""; line++ {
		fields := c.line()
		if line >= stmt.SkipLines && fields != nil {
			list = append(list, fields)
		}
	}
	return list
}

type cutter struct {
	*syntax.LoadData
	rest string
}

// line takes one line; nil when it does not start as lines have to.
func (c *cutter) line() []*string {
	if c.Start != "" {
		at := strings.Index(c.rest, c.Start)
		if at < 0 {
			c.rest = ""
			return nil
		}
		c.rest = c.rest[at+len(c.Start):]
	}
	var fields []*string
	for {
		field, last := c.field()
		fields = append(fields, field)
		if last {
			return fields
		}
	}
}

// field takes one field and the separator after it.
func (c *cutter) field() (field *string, last bool) {
	var b strings.Builder
	null := false
	inside := c.Quote != "" && strings.HasPrefix(c.rest, c.Quote)
	if inside {
		c.rest = c.rest[len(c.Quote):]
	}
	finish := func(separator string, last bool) (*string, bool) {
		c.rest = c.rest[len(separator):]
		if null {
			return nil, last
		}
		s := b.String()
		return &s, last
	}
	for c.rest != "" {
		switch {
		case c.Escape != "" && strings.HasPrefix(c.rest, c.Escape) && len(c.rest) > len(c.Escape):
			next := c.rest[len(c.Escape)]
			null = next == 'N' && b.Len() == 0 && !inside
			b.WriteString(syntax.Unescape(next))
			c.rest = c.rest[len(c.Escape)+1:]
		case inside && strings.HasPrefix(c.rest, c.Quote+c.Quote):
			b.WriteString(c.Quote)
			c.rest = c.rest[2*len(c.Quote):]
		case inside && strings.HasPrefix(c.rest, c.Quote):
			inside = false
			c.rest = c.rest[len(c.Quote):]
		case !inside && c.LinesEnd != "" && strings.HasPrefix(c.rest, c.LinesEnd):
			return finish(c.LinesEnd, true)
		case !inside && c.FieldsEnd != "" && strings.HasPrefix(c.rest, c.FieldsEnd):
			return finish(c.FieldsEnd, false)
		default:
			b.WriteByte(c.rest[0])
			c.rest = c.rest[1:]
		}
	}
	return finish("", true)
}
