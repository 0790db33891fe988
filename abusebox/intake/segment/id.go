package segment

import (
	"fmt"
	"strconv"
)

const offsetBits = 40 // a segment ends long before 1 TB; 24 bits number the segments

// An ID is the place of a record: its segment's number and its offset there.
// IDs grow in the order in which records were kept, whatever the clock does.
type ID uint64

func newID(segment uint32, offset int64) ID { return ID(uint64(segment)<<offsetBits | uint64(offset)) }

// Segment is the number of the file that holds the record.
func (id ID) Segment() uint32 { return uint32(id >> offsetBits) }

// Offset is where the record begins in its file, in bytes.
func (id ID) Offset() int64 { return int64(id & (1<<offsetBits - 1)) }

// String writes id as "00002a-0000001f3c": hexadecimal, and sorting as text as it does as a number.
func (id ID) String() string { return fmt.Sprintf("%06x-%010x", id.Segment(), id.Offset()) }

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	if len(s) == 17 && s[6] == '-' {
		seg, err1 := strconv.ParseUint(s[:6], 16, 24)
		off, err2 := strconv.ParseUint(s[7:], 16, offsetBits)
		if err1 == nil && err2 == nil {
			return newID(uint32(seg), int64(off)), nil
		}
	}
	return 0, fmt.Errorf("%q is no mail id: one looks like \"00002a-0000001f3c\"", s)
}

// MarshalText writes id as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads id as ParseID does.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}
