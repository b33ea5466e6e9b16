package mysqlserver

import "encoding/binary"

// Types of columns and parameters, as the protocol numbers them.
const (
	typeDecimal    = 0x00
	typeTiny       = 0x01
	typeShort      = 0x02
	typeLong       = 0x03
	typeFloat      = 0x04
	typeDouble     = 0x05
	typeNull       = 0x06
	typeTimestamp  = 0x07
	typeLongLong   = 0x08
	typeInt24      = 0x09
	typeDate       = 0x0a
	typeTime       = 0x0b
	typeDateTime   = 0x0c
	typeYear       = 0x0d
	typeVarChar    = 0x0f
	typeBit        = 0x10
	typeJSON       = 0xf5
	typeNewDecimal = 0xf6
	typeEnum       = 0xf7
	typeSet        = 0xf8
	typeTinyBlob   = 0xf9
	typeMediumBlob = 0xfa
	typeLongBlob   = 0xfb
	typeBlob       = 0xfc
	typeVarString  = 0xfd
	typeString     = 0xfe
)

// Flags of columns.
const (
	flagNotNull       = 1 << 0
	flagPrimaryKey    = 1 << 1
	flagUniqueKey     = 1 << 2
	flagBlob          = 1 << 4
	flagUnsigned      = 1 << 5
	flagBinary        = 1 << 7
	flagEnum          = 1 << 8
	flagAutoIncrement = 1 << 9
	flagSet           = 1 << 11
)

// notFixed is the number of decimals of a floating point number.
const notFixed = 31

// column describes one column of a result.
type column struct {
	schema, table  string // empty for an expression
	name, origin   string // as the result calls it, and as the table does
	typ            byte
	flags          uint16
	charset        uint16
	length         uint32 // display width, bytes
	decimals       byte
	fixedPrecision bool // of a time: decimals are what it was declared with
}

// packet is the column as a packet.
func (c column) packet() []byte {
	b := appendString(nil, "def")
	for _, s := range []string{c.schema, c.table, c.table, c.name, c.origin} {
		b = appendString(b, s)
	}
	b = append(b, 0x0c) // the length of what follows
	b = binary.LittleEndian.AppendUint16(b, c.charset)
	b = binary.LittleEndian.AppendUint32(b, c.length)
	b = append(b, c.typ)
	b = binary.LittleEndian.AppendUint16(b, c.flags)
	return append(b, c.decimals, 0, 0)
}
