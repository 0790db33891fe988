package netflow_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spoor/flowwatch/netflow"
)

// TestLayoutEqualsFieldByField reads random records by templates of random fields twice: as they are, which a layout may
// read, and with a field of variable length behind, with which they are read field by field.
func TestLayoutEqualsFieldByField(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for range 500 {
		fields, record := randomRecord(r)
		longer := append(append([][2]uint16{}, fields...), [2]uint16{82, 0xffff}) // interfaceName
		template := set(2, append(described(300, fields), described(301, longer)...))
		var body, more []byte
		for range 1 + r.IntN(min(100, 60_000/(len(record)+1))) {
			for i := range record {
				record[i] = byte(r.Uint32() & r.Uint32()) // zeros among them
			}
			body = append(body, record...)
			more = append(append(more, record...), 0)
		}
		got, err := hear(newDecoder(), ipfix(1, template, set(300, body)))
		want, err2 := hear(newDecoder(), ipfix(1, template, set(301, more)))
		if err != nil || err2 != nil {
			t.Fatalf("fields %v: errors %v and %v", fields, err, err2)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netflow.Flow) bool { return a == b })); diff != "" {
			t.Fatalf("fields %v: field by field (-) and by layout (+):\n%s", fields, diff)
		}
		compared += len(got)
	}
	if compared < 5000 {
		t.Errorf("only %d records were compared", compared)
	}
}

// randomRecord is a template's elements with their lengths, and room for a record.
func randomRecord(r *rand.Rand) (fields [][2]uint16, record []byte) {
	addresses := map[uint16]uint16{8: 4, 12: 4, 27: 16, 28: 16}
	known := []uint16{8, 12, 27, 28, 7, 11, 4, 6, 2, 1, 10, 14, 152, 153, 150, 151, 85, 86, 252, 180, 32, 22, 21, 233, 34, 999}
	length := 0
	for range 1 + r.IntN(20) {
		id := known[r.IntN(len(known))]
		size := addresses[id]
		if size == 0 || r.IntN(20) == 0 {
			size = uint16(1 + r.IntN(8))
		}
		if r.IntN(12) == 0 {
			id, size = 999, uint16(1+r.IntN(200)) // what lies behind may be too far for a layout
		}
		fields = append(fields, [2]uint16{id, size})
		length += int(size)
	}
	return fields, make([]byte, length)
}

func described(id uint16, fields [][2]uint16) []byte {
	b := u16(id, uint16(len(fields)))
	for _, f := range fields {
		b = append(b, u16(f[0], f[1])...)
	}
	return b
}
