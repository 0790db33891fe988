package netflow_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/flowwatch/netflow"
)

// TestLayoutEqualsFieldByField reads random records by templates of random fields twice: as they are, which a layout may
// read, and with a field of variable length behind, with which they are read field by field.
func TestLayoutEqualsFieldByField(t *testing.T) {
	for version, message := range map[uint16]func(uint32, ...[]byte) []byte{9: v9, 10: ipfix} {
		r := rand.New(rand.NewPCG(1, 2))
		compared, timed, sampled := 0, 0, 0
		for range 400 {
			fields := randomFields(r)
			longer := append(append([][2]uint16{}, fields...), [2]uint16{82, 0xffff}) // interfaceName
			template := set(map[uint16]uint16{9: 0, 10: 2}[version], append(described(300, fields), described(301, longer)...))
			var body, more []byte
			for range 1 + r.IntN(100) {
				record := randomRecord(r, fields)
				if len(more)+len(record) > 60_000 {
					break
				}
				body = append(body, record...)
				more = append(append(more, record...), 0)
			}
			samplers := r.IntN(2) == 0
			got, err := hear(samplingDecoder(t, samplers), message(1, template, set(300, body)))
			want, err2 := hear(samplingDecoder(t, samplers), message(1, template, set(301, more)))
			if err != nil || err2 != nil {
				t.Fatalf("version %d, fields %v: errors %v and %v", version, fields, err, err2)
			}
			if !slices.Equal(want, got) {
				diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netflow.Flow) bool { return a == b }))
				t.Fatalf("version %d, fields %v: field by field (-) and by layout (+):\n%s", version, fields, diff)
			}
			compared += len(got)
			for i := range got {
				if got[i].Sampling > 1 {
					sampled++
				}
				if got[i].Start != netflow.StampOf(now) || got[i].End != netflow.StampOf(now) {
					timed++ // by its own times
				}
			}
		}
		if compared < 10_000 || timed < 1000 || sampled < 1000 {
			t.Errorf("version %d: only %d records were compared, %d of them with times, %d sampled", version, compared, timed, sampled)
		}
	}
}

// samplingDecoder is a Decoder that may have been told of samplers, one packet in ten and in twenty.
func samplingDecoder(t *testing.T, told bool) *netflow.Decoder {
	t.Helper()
	d := newDecoder()
	if !told {
		return d
	}
	table := []byte{0, 0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 0, 2, 0, 0, 0, 20}
	v9Options := set(1, append(u16(300, 4, 8), u16(1, 4, 48, 1, 34, 4)...))
	ipfixOptions := set(3, append(u16(300, 3, 1), u16(149, 4, 48, 1, 34, 4)...))
	if _, err := hear(d, v9(1, v9Options, set(300, table)), ipfix(1, ipfixOptions, set(300, table))); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestTimesOutOfReach reads records whose times, or one of them, lie farther back than a layout reaches.
func TestTimesOutOfReach(t *testing.T) {
	began, ended := now.Add(-time.Minute), now.Add(-time.Second)
	start, end := be.AppendUint64(nil, uint64(began.UnixMilli())), be.AppendUint64(nil, uint64(ended.UnixMilli()))
	far := make([]byte, 230) // with the addresses, ten bytes from where a layout ends
	record := slices.Concat([]byte{192, 0, 2, 9, 198, 51, 100, 1}, far, start, end)
	template := set(2, described(300, [][2]uint16{{8, 4}, {12, 4}, {999, 230}, {152, 8}, {153, 8}}))
	flows, err := hear(newDecoder(), ipfix(1, template, set(300, record)))
	if err != nil || len(flows) != 1 {
		t.Fatalf("%d flows, error %v", len(flows), err)
	}
	if f := flows[0]; !f.Start.Time().Equal(began) || !f.End.Time().Equal(ended) {
		t.Errorf("from %v to %v, want %v to %v", f.Start.Time(), f.End.Time(), began, ended)
	}
}

// randomFields are a template's elements with their lengths. Some are too far from its beginning for a layout.
func randomFields(r *rand.Rand) (fields [][2]uint16) {
	usual := map[uint16]uint16{8: 4, 12: 4, 27: 16, 28: 16, 4: 1, 32: 2, 21: 4, 22: 4, 152: 8, 153: 8}
	known := []uint16{8, 12, 27, 28, 7, 11, 4, 6, 2, 1, 10, 14, 85, 86, 252, 180, 233, 34, 48, 999}
	times := [][]uint16{{22, 21}, {152, 153}, {150, 151}, {22, 21, 153}, {152}, {22, 153}, {160, 22, 21}, {152, 161}}
	add := func(id uint16) {
		size := usual[id]
		if size == 0 || r.IntN(20) == 0 {
			size = uint16(1 + r.IntN(9))
		}
		if r.IntN(10) == 0 {
			id, size = 999, uint16(1+r.IntN(200)) // nothing that is known
		}
		fields = append(fields, [2]uint16{id, size})
	}
	add(8)
	add(12)
	add(4)
	if r.IntN(4) == 0 {
		fields = append(fields, [2]uint16{48, 1})
	}
	if r.IntN(4) == 0 {
		add(32) // where all else is laid, so is this
	} else {
		known = append(known, 32)
	}
	for range r.IntN(16) {
		add(known[r.IntN(len(known))])
	}
	for _, id := range times[r.IntN(len(times))] {
		add(id)
	}
	r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	return fields
}

// randomRecord is a record whose times and protocol are such as exporters tell, most of them.
func randomRecord(r *rand.Rand, fields [][2]uint16) (record []byte) {
	for _, f := range fields {
		value := make([]byte, f[1])
		for i := range value {
			value[i] = byte(r.Uint32() & r.Uint32()) // zeros among them
		}
		ago := r.Uint64N(100_000)
		switch plausible := r.IntN(8) > 0; {
		case plausible && f == [2]uint16{48, 1}:
			value[0] = byte(r.IntN(4))
		case plausible && f == [2]uint16{4, 1}:
			value[0] = []byte{netflow.ProtoICMP, netflow.ProtoTCP, netflow.ProtoUDP, netflow.ProtoICMPv6}[r.IntN(4)]
		case plausible && f == [2]uint16{152, 8}:
			be.PutUint64(value, uint64(now.UnixMilli())-200_000-ago)
		case plausible && f == [2]uint16{153, 8}:
			be.PutUint64(value, uint64(now.UnixMilli())-ago)
		case plausible && f == [2]uint16{22, 4}:
			be.PutUint32(value, uint32(1000-200_000-int64(ago))) // the header says 1000: the exporter's counter has just wrapped
		case plausible && f == [2]uint16{21, 4}:
			be.PutUint32(value, uint32(1000-int64(ago)))
		}
		record = append(record, value...)
	}
	return record
}

func described(id uint16, fields [][2]uint16) []byte {
	b := u16(id, uint16(len(fields)))
	for _, f := range fields {
		b = append(b, u16(f[0], f[1])...)
	}
	return b
}
