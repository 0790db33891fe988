package netflow_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"spoor/flowwatch/netflow"
	"spoor/flowwatch/netflow/netflowtest"
)

var (
	be  = binary.BigEndian
	now = time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
)

func u16(values ...uint16) (b []byte) {
	for _, v := range values {
		b = be.AppendUint16(b, v)
	}
	return b
}

// v9 and ipfix wrap sets into a datagram.
func v9(seq uint32, sets ...[]byte) []byte {
	b := u16(9, 1, 0, 1000)
	for _, v := range []uint32{uint32(now.Unix()), seq, 7} {
		b = be.AppendUint32(b, v)
	}
	return join(b, sets)
}

func ipfix(seq uint32, sets ...[]byte) []byte {
	b := u16(10, 0)
	for _, v := range []uint32{uint32(now.Unix()), seq, 7} {
		b = be.AppendUint32(b, v)
	}
	b = join(b, sets)
	be.PutUint16(b[2:], uint16(len(b)))
	return b
}

func join(b []byte, sets [][]byte) []byte {
	for _, s := range sets {
		b = append(b, s...)
	}
	return b
}

func set(id uint16, body []byte) []byte { return append(u16(id, uint16(4+len(body))), body...) }

// hear decodes datagrams and returns the flows and the last error.
func hear(d *netflow.Decoder, datagrams ...[]byte) (flows []netflow.Flow, err error) {
	for _, b := range datagrams {
		err = d.Decode(b, exporter, now, func(list []netflow.Flow) { flows = append(flows, list...) })
	}
	return flows, err
}

func newDecoder() *netflow.Decoder { return netflow.NewDecoder(netflow.Config{AllowAny: true}) }

func health(t *testing.T, d *netflow.Decoder) netflow.Exporter {
	t.Helper()
	list := d.Exporters()
	if len(list) != 1 {
		t.Fatalf("%d exporters, want 1", len(list))
	}
	return list[0]
}

// within fails the test if f takes memory out of proportion; a call that never returns ends in the test's own limit.
func within(t *testing.T, bytes uint64, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > bytes {
		t.Errorf("took %d bytes of memory, want at most %d", took, bytes)
	}
}

// TestEndlessRecords sends the pairs of packets after which goflow2's decoder never returns.
func TestEndlessRecords(t *testing.T) {
	some := make([]byte, 64)
	cases := map[string][][]byte{
		"IPFIX withdrawal, then data":     {ipfix(0, set(2, u16(256, 0))), ipfix(0, set(256, some))},
		"v9 template without fields":      {v9(0, set(0, u16(256, 0))), v9(1, set(256, some))},
		"v9 only field of length 0":       {v9(0, set(0, u16(256, 1, 8, 0))), v9(1, set(256, some))},
		"IPFIX only field of length 0":    {ipfix(0, set(2, u16(256, 1, 8, 0))), ipfix(0, set(256, some))},
		"v9 options of length 0":          {v9(0, set(1, u16(256, 4, 0, 1, 0))), v9(1, set(256, some))},
		"IPFIX options of length 0":       {ipfix(0, set(3, u16(256, 1, 1, 149, 0))), ipfix(0, set(256, some))},
		"IPFIX options without any field": {ipfix(0, set(3, u16(256, 0, 0))), ipfix(0, set(256, some))},
		"record longer than any datagram": {v9(0, set(0, u16(256, 2, 8, 65000, 12, 65000))), v9(1, set(256, some))},
		"template that redefines a good one": {
			v9(0, set(0, u16(256, 2, 8, 4, 12, 4))), v9(1, set(0, u16(256, 1, 8, 0))), v9(2, set(256, some))},
	}
	for name, datagrams := range cases {
		t.Run(name, func(t *testing.T) {
			d := newDecoder()
			within(t, 1<<18, func() {
				if flows, _ := hear(d, datagrams...); len(flows) != 0 {
					t.Errorf("%d flows out of nothing", len(flows))
				}
			})
			if h := health(t, d); h.Templates != 0 || h.NoTemplate != 1 {
				t.Errorf("templates %d, want 0; data without template %d, want 1", h.Templates, h.NoTemplate)
			}
		})
	}
}

// TestClaimedRecords sends a 24-byte v5 datagram that claims 65,535 records.
func TestClaimedRecords(t *testing.T) {
	b := make([]byte, 24)
	be.PutUint16(b, 5)
	be.PutUint16(b[2:], 65535)
	d := newDecoder()
	flows, err := hear(d, b)
	if len(flows) != 0 || !errors.Is(err, netflow.ErrTruncated) {
		t.Errorf("%d flows and error %v, want none and ErrTruncated", len(flows), err)
	}
	if h := health(t, d); h.Malformed != 1 {
		t.Errorf("malformed %d, want 1", h.Malformed)
	}
}

// TestShortHeaders sends what is too short or contradicts itself, an IPFIX length below 16 among it.
func TestShortHeaders(t *testing.T) {
	short := ipfix(0, set(256, make([]byte, 8)))
	be.PutUint16(short[2:], 3)
	cases := map[string]struct {
		b    []byte
		want error
	}{
		"nothing":               {nil, netflow.ErrTruncated},
		"v5 header cut":         {u16(5, 1, 0, 0), netflow.ErrTruncated},
		"v9 header cut":         {u16(9, 1, 0, 0), netflow.ErrTruncated},
		"IPFIX header cut":      {u16(10, 16, 0, 0), netflow.ErrTruncated},
		"IPFIX length 3":        {short, netflow.ErrMalformed},
		"sFlow header cut":      {u16(0, 5, 0, 1), netflow.ErrTruncated},
		"sFlow v4":              {u16(0, 4, 0, 1), netflow.ErrVersion},
		"v7":                    {u16(7, 1, 0, 0), netflow.ErrVersion},
		"set of length 2":       {v9(0, u16(256, 2, 1, 1)), netflow.ErrMalformed},
		"set past the end":      {v9(0, u16(256, 200, 1, 1)), netflow.ErrTruncated},
		"set id 5":              {v9(0, set(5, u16(1, 1))), netflow.ErrMalformed},
		"template past the end": {v9(0, set(0, u16(256, 100, 8, 4))), netflow.ErrTruncated},
		"zero filled":           {v9(0, make([]byte, 40)), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if flows, err := hear(newDecoder(), c.b); !errors.Is(err, c.want) || len(flows) != 0 {
				t.Errorf("%d flows and error %v, want none and %v", len(flows), err, c.want)
			}
		})
	}
}

// TestClaimedFields sends templates of a few bytes that claim 65,535 fields, for which goflow2 makes room.
func TestClaimedFields(t *testing.T) {
	d := newDecoder()
	within(t, 1<<20, func() {
		for range 200 {
			hear(d, v9(0, set(0, u16(256, 65535))), v9(1, set(1, u16(256, 65532, 65532))),
				ipfix(0, set(2, u16(256, 65535))), ipfix(0, set(3, u16(256, 65535, 65535))))
		}
	})
	if h := health(t, d); h.Templates != 0 || h.BadTemplates != 800 {
		t.Errorf("%d templates and %d bad ones, want 0 and 800", h.Templates, h.BadTemplates)
	}
}

// TestSFlowClaims sends an expanded sample that claims 2^32-1 records, and samples of unknown kinds before a good one.
func TestSFlowClaims(t *testing.T) {
	x := netflowtest.Exporter{Format: netflowtest.SFlow, Boot: now.Add(-time.Hour), Sampling: 100}
	good := x.Encode([]netflowtest.Record{smtp("192.0.2.9", "198.51.100.1")}, now)[0]
	greedy := make([]byte, 28+8+44)
	copy(greedy, good[:28])
	be.PutUint32(greedy[28:], 3)
	be.PutUint32(greedy[32:], 44)
	be.PutUint32(greedy[28+8+40:], 0xffffffff)
	d := newDecoder()
	within(t, 1<<16, func() {
		if flows, err := hear(d, greedy); len(flows) != 0 || err == nil {
			t.Errorf("%d flows, error %v; want none and an error", len(flows), err)
		}
	})
	unknown := append([]byte(nil), good[:28]...)
	be.PutUint32(unknown[24:], 3)
	unknown = be.AppendUint32(be.AppendUint32(unknown, 77<<12|1), 0) // an enterprise's own sample
	unknown = append(be.AppendUint32(be.AppendUint32(unknown, 2), 4), 0, 0, 0, 9)
	unknown = append(unknown, good[28:]...)
	if flows, err := hear(d, unknown); len(flows) != 1 || err != nil {
		t.Errorf("%d flows, error %v; want the good sample's", len(flows), err)
	}
}

// TestEnterpriseOptions checks that the enterprise bit is stripped from IPFIX options: an
// enterprise's element 34 is no sampling interval, and IANA's after it is.
func TestEnterpriseOptions(t *testing.T) {
	fields := u16(149, 4)                               // scope: observation domain
	fields = append(fields, u16(0x8000|34, 4, 0, 9)...) // element 34 of enterprise 9
	fields = append(fields, u16(34, 4)...)
	data := be.AppendUint32(be.AppendUint32(be.AppendUint32(nil, 7), 4711), 250)
	d := newDecoder()
	if _, err := hear(d, ipfix(0, set(3, append(u16(300, 3, 1), fields...))), ipfix(0, set(300, data))); err != nil {
		t.Fatal(err)
	}
	want := netflow.Sampling{Rate: 250, Source: netflow.SourceOptions}
	if got := health(t, d).Sampling; len(got) != 1 || got[0] != want {
		t.Errorf("sampling %v, want %v", got, want)
	}
}

// TestTemplateFlood shows that an exporter's templates are bounded, and what was refused is counted.
func TestTemplateFlood(t *testing.T) {
	d := netflow.NewDecoder(netflow.Config{AllowAny: true, MaxTemplates: 100, MaxDomains: 10})
	for domain := range 50 {
		for id := range 256 {
			b := v9(uint32(id), set(0, u16(uint16(256+id), 2, 8, 4, 12, 4)))
			be.PutUint32(b[16:], uint32(domain))
			hear(d, b)
		}
	}
	h := health(t, d)
	if h.Templates != 100 || h.TemplatesFull != 50*256-100 {
		t.Errorf("%d templates kept and %d refused, want 100 and %d", h.Templates, h.TemplatesFull, 50*256-100)
	}
	if h.DomainsFull == 0 {
		t.Error("50 domains fitted into 10")
	}
	d.Expire(now.Add(25 * time.Hour))
	if h := health(t, d); h.Templates != 0 || h.TemplatesExpired != 100 {
		t.Errorf("%d templates after a day without repetition, %d expired; want 0 and 100", h.Templates, h.TemplatesExpired)
	}
}

// TestStrangers shows that only allowed exporters are heard, others counted, and few of them named.
func TestStrangers(t *testing.T) {
	d := netflow.NewDecoder(netflow.Config{Allowed: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/30")}})
	x := netflowtest.Exporter{Format: netflowtest.V5, Boot: now.Add(-time.Hour)}
	b := x.Encode([]netflowtest.Record{smtp("192.0.2.9", "198.51.100.1")}, now)[0]
	flows := 0
	count := func(list []netflow.Flow) { flows += len(list) }
	for i := range 1000 {
		from := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		if err := d.Decode(b, from, now, count); !errors.Is(err, netflow.ErrRefused) {
			t.Fatalf("error %v, want ErrRefused", err)
		}
	}
	if err := d.Decode(b, netip.MustParseAddr("::ffff:192.0.2.1"), now, count); err != nil {
		t.Error(err)
	}
	total, named := d.Refused()
	if flows != 1 || total != 1000 || len(named) != 64 {
		t.Errorf("%d flows, %d refused, %d named; want 1, 1000, 64", flows, total, len(named))
	}
}

func smtp(src, dst string) netflowtest.Record {
	return netflowtest.Record{
		Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), SrcPort: 40000, DstPort: 25,
		Proto: 6, Flags: 0x1b, Packets: 12, Bytes: 5400, In: 3, Out: 4,
		Start: now.Add(-90 * time.Second), End: now.Add(-30 * time.Second),
	}
}
