package netflow_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"spoor/flowwatch/netflow"
	"spoor/flowwatch/netflow/netflowtest"
)

var sameAddr = cmpopts.EquateComparable(netip.Addr{})

func pair() []netflowtest.Record {
	return []netflowtest.Record{smtp("192.0.2.9", "198.51.100.1"), smtp("2001:db8::9", "2001:db8:1::25")}
}

// TestFormats checks that the same conversations come out of each format.
func TestFormats(t *testing.T) {
	for _, format := range []netflowtest.Format{netflowtest.V5, netflowtest.V9, netflowtest.IPFIX, netflowtest.SFlow} {
		t.Run(string(format), func(t *testing.T) {
			x := netflowtest.Exporter{Format: format, Domain: 7, Boot: now.Add(-60 * 24 * time.Hour), Sampling: 10}
			got, err := hear(newDecoder(), x.Encode(pair(), now)...)
			if err != nil {
				t.Fatal(err)
			}
			var want []netflow.Flow
			for _, r := range pair() {
				if format != netflowtest.V5 || r.Src.Is4() {
					want = append(want, expected(r, format))
				}
			}
			if diff := cmp.Diff(want, got, sameAddr); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func expected(r netflowtest.Record, format netflowtest.Format) netflow.Flow {
	f := netflow.Flow{
		Exporter: exporter, Domain: 7, Src: r.Src, Dst: r.Dst, SrcPort: r.SrcPort, DstPort: r.DstPort,
		Proto: r.Proto, Flags: r.Flags, Sees: netflow.SeesFlags, Packets: 10 * r.Packets, Bytes: 10 * r.Bytes,
		Sampling: 10, In: r.In, Out: r.Out, Start: netflow.StampOf(r.Start), End: netflow.StampOf(r.End),
	}
	if format == netflowtest.SFlow {
		f.Exporter = netip.MustParseAddr("192.0.2.250")
		f.Sees |= netflow.SeesPacket
		f.Packets, f.Bytes = 10, 10*r.Bytes/r.Packets
		f.Start, f.End = netflow.StampOf(now), netflow.StampOf(now)
	}
	return f
}

// TestSamplingSources checks where each rate comes from, and that configuration overrides.
func TestSamplingSources(t *testing.T) {
	nokia := append(u16(300, 4, 1), u16(149, 4, 302, 4, 305, 4, 306, 4)...)
	nokiaData := []byte{0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 3, 231}
	cases := map[string]struct {
		datagrams [][]byte
		want      netflow.Sampling
	}{
		"v5 header":     {encode(netflowtest.V5, 100), netflow.Sampling{Rate: 100, Source: netflow.SourceHeader}},
		"v9 options":    {encode(netflowtest.V9, 200), netflow.Sampling{Rate: 200, Source: netflow.SourceOptions}},
		"ipfix options": {encode(netflowtest.IPFIX, 300), netflow.Sampling{Rate: 300, Source: netflow.SourceOptions}},
		"v9 sampler":    {encodeBy(netflowtest.Exporter{Format: netflowtest.V9, Sampling: 500, Sampler: 3}), netflow.Sampling{Rate: 500, Source: netflow.SourceOptions}},
		"ipfix sampler": {encodeBy(netflowtest.Exporter{Format: netflowtest.IPFIX, Sampling: 600, Sampler: 4}), netflow.Sampling{Rate: 600, Source: netflow.SourceOptions}},
		"sflow":         {encode(netflowtest.SFlow, 400), netflow.Sampling{Rate: 400, Source: netflow.SourceSample}},
		"nothing":       {encode(netflowtest.V9, 0), netflow.Sampling{Rate: 1, Source: netflow.SourceNone}},
		"nokia 305/306": {[][]byte{ipfix(0, set(3, nokia)), ipfix(0, set(300, nokiaData))},
			netflow.Sampling{Rate: 1000, Source: netflow.SourceOptions}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := newDecoder()
			if _, err := hear(d, c.datagrams...); err != nil {
				t.Fatal(err)
			}
			if got := health(t, d).Sampling[0]; got != c.want {
				t.Errorf("in force %v, want %v", got, c.want)
			}
			d = netflow.NewDecoder(netflow.Config{AllowAny: true, Sampling: map[netip.Addr]uint32{exporter: 5}})
			if _, err := hear(d, c.datagrams...); err != nil {
				t.Fatal(err)
			}
			if got := health(t, d).Sampling[0]; got != (netflow.Sampling{Rate: 5, Source: netflow.SourceConfig}) {
				t.Errorf("in force %v, want the configuration's", got)
			}
		})
	}
}

func encode(format netflowtest.Format, rate uint32) [][]byte {
	return encodeBy(netflowtest.Exporter{Format: format, Domain: 7, Sampling: rate})
}

func encodeBy(x netflowtest.Exporter) [][]byte {
	x.Boot = now.Add(-time.Hour)
	return x.Encode([]netflowtest.Record{smtp("192.0.2.9", "198.51.100.1")}, now)
}

// TestSampler checks that a record's sampler number picks its rate out of the exporter's table.
func TestSampler(t *testing.T) {
	d := newDecoder()
	options := set(1, append(u16(300, 4, 8), u16(1, 4, 48, 1, 34, 4)...))
	table := []byte{0, 0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 0, 2, 0, 0, 0, 20}
	template := set(0, u16(256, 4, 8, 4, 12, 4, 2, 4, 48, 1))
	data := []byte{192, 0, 2, 1, 198, 51, 100, 1, 0, 0, 0, 1, 1, 192, 0, 2, 1, 198, 51, 100, 1, 0, 0, 0, 1, 2}
	flows, err := hear(d, v9(0, options), v9(1, set(300, table)), v9(2, template), v9(3, set(256, data)))
	if err != nil || len(flows) != 2 || flows[0].Packets != 10 || flows[1].Packets != 20 {
		t.Errorf("flows %+v, error %v; want 10 and 20 packets", flows, err)
	}
}

// TestInterfaceSampling checks rates that are told for single interfaces, in v9 by scope type 2 and in IPFIX by element 10, and
// an interface's name; a Decoder after this one knows them, too.
func TestInterfaceSampling(t *testing.T) {
	v9Options := set(1, u16(300, 4, 8, 2, 4, 34, 4, 82, 8))
	ipfixOptions := set(3, u16(300, 3, 1, 10, 4, 34, 4, 82, 8))
	table := append([]byte{0, 0, 0, 5, 0, 0, 0, 10}, "ge-0/0/1\x00\x00\x00\x07\x00\x00\x00\x64xe-1/0/0"...)
	template := u16(256, 4, 8, 4, 12, 4, 2, 4, 10, 4)
	data := []byte{192, 0, 2, 1, 198, 51, 100, 1, 0, 0, 0, 1, 0, 0, 0, 5, 192, 0, 2, 1, 198, 51, 100, 1, 0, 0, 0, 1, 0, 0, 0, 7,
		192, 0, 2, 1, 198, 51, 100, 1, 0, 0, 0, 1, 0, 0, 0, 9}
	for name, datagrams := range map[string][2][][]byte{
		"v9":    {{v9(0, v9Options), v9(1, set(300, table)), v9(2, set(0, template))}, {v9(3, set(256, data))}},
		"ipfix": {{ipfix(0, ipfixOptions), ipfix(0, set(300, table)), ipfix(2, set(2, template))}, {ipfix(2, set(256, data))}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDecoder()
			if _, err := hear(d, datagrams[0]...); err != nil {
				t.Fatal(err)
			}
			after := newDecoder()
			after.Restore(d.Remember(), now)
			for _, d := range []*netflow.Decoder{d, after} {
				flows, err := hear(d, datagrams[1]...)
				if err != nil || len(flows) != 3 || flows[0].Packets != 10 || flows[1].Packets != 100 || flows[2].Packets != 1 {
					t.Errorf("flows %+v, error %v; want 10, 100 and 1 packets", flows, err)
				}
				if n, ok := d.Interface(exporter, "xe-1/0/0"); !ok || n != 7 {
					t.Errorf("xe-1/0/0 is interface %d, %v; want 7", n, ok)
				}
			}
		})
	}
}

// TestSequence checks loss, reordering and restarts of each format's own numbering.
func TestSequence(t *testing.T) {
	for _, format := range []netflowtest.Format{netflowtest.V5, netflowtest.V9, netflowtest.IPFIX, netflowtest.SFlow} {
		t.Run(string(format), func(t *testing.T) {
			x := netflowtest.Exporter{Format: format, Domain: 7, Boot: now.Add(-time.Hour)}
			one := []netflowtest.Record{smtp("192.0.2.9", "198.51.100.1")}
			var all [][]byte
			for range 10 {
				all = append(all, x.Encode(one, now)...)
			}
			d := newDecoder()
			hear(d, all[0], all[1], all[5], all[4], all[6])
			if h := health(t, d); h.Lost != 2 || h.Reordered != 1 || h.Restarts != 0 {
				t.Errorf("lost %d, reordered %d, restarts %d; want 2, 1, 0", h.Lost, h.Reordered, h.Restarts)
			}
			for range 5000 {
				x.Encode(one, now)
			}
			far := x.Encode(one, now)
			hear(d, far...)
			before := health(t, d).Lost
			again := netflowtest.Exporter{Format: format, Domain: 7, Boot: now}
			flows, err := hear(d, again.Encode(one, now)...)
			if h := health(t, d); h.Restarts != 1 || h.Lost != before || len(flows) != 1 || err != nil {
				t.Errorf("after a restart: restarts %d, lost %d more, %d flows, error %v; want 1, 0, 1, nil",
					h.Restarts, h.Lost-before, len(flows), err)
			}
		})
	}
}

// TestRestartedTemplates checks that an exporter that comes back with another layout under the same id is read by it.
func TestRestartedTemplates(t *testing.T) {
	d := newDecoder()
	hear(d, v9(90000, set(0, u16(256, 3, 8, 4, 12, 4, 2, 4))))
	data := []byte{0, 0, 0, 9, 198, 51, 100, 1, 192, 0, 2, 1}
	flows, _ := hear(d, v9(0, set(0, u16(256, 3, 2, 4, 12, 4, 8, 4)), set(256, data)))
	if len(flows) != 1 || flows[0].Src != netip.MustParseAddr("192.0.2.1") || flows[0].Packets != 9 {
		t.Errorf("flows %+v, want 9 packets from 192.0.2.1", flows)
	}
	if h := health(t, d); h.Templates != 1 || h.Restarts != 1 {
		t.Errorf("templates %d, restarts %d; want 1, 1", h.Templates, h.Restarts)
	}
}

// TestClockYearOff checks that an exporter's clock that is wrong shifts nothing: durations
// stay, ends lie by the receive time, and it is counted.
func TestClockYearOff(t *testing.T) {
	for _, format := range []netflowtest.Format{netflowtest.V5, netflowtest.V9, netflowtest.IPFIX} {
		for name, off := range map[string]time.Duration{"ahead": 365 * 24 * time.Hour, "behind": -365 * 24 * time.Hour} {
			t.Run(string(format)+" "+name, func(t *testing.T) {
				r := smtp("192.0.2.9", "198.51.100.1")
				r.Start, r.End = r.Start.Add(off), r.End.Add(off)
				x := netflowtest.Exporter{Format: format, Boot: now.Add(off - time.Hour)}
				d := newDecoder()
				flows, err := hear(d, x.Encode([]netflowtest.Record{r}, now.Add(off))...)
				if err != nil || len(flows) != 1 {
					t.Fatalf("%d flows, error %v", len(flows), err)
				}
				want := smtp("192.0.2.9", "198.51.100.1")
				if !flows[0].Start.Time().Equal(want.Start) || !flows[0].End.Time().Equal(want.End) {
					t.Errorf("from %v to %v, want %v to %v", flows[0].Start.Time(), flows[0].End.Time(), want.Start, want.End)
				}
				if h := health(t, d); h.ClockOffDatagram != 1 || h.ClockSkew.Abs() < 364*24*time.Hour {
					t.Errorf("clock off in %d datagrams by %v; want 1, a year", h.ClockOffDatagram, h.ClockSkew)
				}
			})
		}
	}
}

// TestBadTimes checks that a record's impossible times become the time of receipt, counted.
func TestBadTimes(t *testing.T) {
	r := smtp("192.0.2.9", "198.51.100.1")
	cases := map[string][2]time.Time{
		"ends before it starts": {now, now.Add(-time.Minute)},
		"two days long":         {now.Add(-48 * time.Hour), now},
		"ended hours ago":       {now.Add(-5 * time.Hour), now.Add(-5 * time.Hour)},
		"ends tomorrow":         {now, now.Add(20 * time.Hour)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r.Start, r.End = c[0], c[1]
			x := netflowtest.Exporter{Format: netflowtest.IPFIX}
			d := newDecoder()
			flows, _ := hear(d, x.Encode([]netflowtest.Record{r}, now)...)
			if flows[0].End != netflow.StampOf(now) || flows[0].Start > netflow.StampOf(now) || health(t, d).BadTimes != 1 {
				t.Errorf("from %v to %v, %d counted; want an end at %v, 1", flows[0].Start.Time(), flows[0].End.Time(), health(t, d).BadTimes, now)
			}
		})
	}
}

// TestDataBeforeTemplate checks that data is counted as missed until its template comes, and that an
// IPFIX sequence is not called lossy for it.
func TestDataBeforeTemplate(t *testing.T) {
	data := []byte{192, 0, 2, 1, 198, 51, 100, 1}
	template := set(2, u16(256, 2, 8, 4, 12, 4))
	d := newDecoder()
	flows, _ := hear(d, ipfix(0, set(256, data)), ipfix(1, template), ipfix(1, set(256, data)))
	if h := health(t, d); len(flows) != 1 || h.NoTemplate != 1 || h.Lost != 0 {
		t.Errorf("%d flows, %d without template, %d lost; want 1, 1, 0", len(flows), h.NoTemplate, h.Lost)
	}
	if flows, _ = hear(d, ipfix(2, set(2, u16(2, 0))), ipfix(2, set(256, data))); len(flows) != 0 {
		t.Error("a template that was withdrawn with all others is still read")
	}
}

// TestVariableLength checks fields that bear their own length, short and long, and both directions of a biflow.
func TestVariableLength(t *testing.T) {
	fields := u16(8, 4, 82, 65535, 12, 4, 2, 8)
	fields = append(fields, u16(0x8000|2, 4, 0, 29305)...)
	template := set(2, append(u16(256, 5), fields...))
	record := func(name int) []byte {
		b := []byte{192, 0, 2, 1, byte(name)}
		if name > 254 {
			b = append(b[:4], 255, byte(name>>8), byte(name))
		}
		b = append(b, make([]byte, name)...)
		return append(b, 198, 51, 100, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 6)
	}
	flows, err := hear(newDecoder(), ipfix(0, template, set(256, append(record(3), record(300)...))))
	if err != nil || len(flows) != 4 {
		t.Fatalf("%d flows, error %v; want 2 records of 2 directions", len(flows), err)
	}
	for i, f := range flows {
		want := [2]uint64{5, 6}[i%2]
		if f.Packets != want || (f.Src == netip.MustParseAddr("192.0.2.1")) != (i%2 == 0) {
			t.Errorf("flow %d: %d packets from %v", i, f.Packets, f.Src)
		}
	}
}

// TestNoAllocation checks that records of known layout are read without allocating.
func TestNoAllocation(t *testing.T) {
	for _, format := range []netflowtest.Format{netflowtest.V5, netflowtest.V9, netflowtest.IPFIX} {
		x := netflowtest.Exporter{Format: format, Boot: now.Add(-time.Hour), TemplateEvery: 1 << 30}
		one := []netflowtest.Record{smtp("192.0.2.9", "198.51.100.1")}
		d := newDecoder()
		hear(d, x.Encode(one, now)...)
		b := x.Encode(one, now)[0]
		ignore := func([]netflow.Flow) {}
		if n := testing.AllocsPerRun(100, func() {
			if err := d.Decode(b, exporter, now, ignore); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations a datagram, want 0", format, n)
		}
	}
}

// TestSameFieldTwice checks that of a field that stands twice in a template the first that is not zero counts.
func TestSameFieldTwice(t *testing.T) {
	template := set(0, u16(256, 4, 8, 4, 12, 4, 2, 4, 2, 4))
	data := []byte{192, 0, 2, 1, 198, 51, 100, 1, 0, 0, 0, 5, 0, 0, 0, 6, 192, 0, 2, 1, 198, 51, 100, 1, 0, 0, 0, 0, 0, 0, 0, 6}
	flows, err := hear(newDecoder(), v9(0, template, set(256, data)))
	if err != nil || len(flows) != 2 || flows[0].Packets != 5 || flows[1].Packets != 6 {
		t.Errorf("flows %+v, error %v; want 5 and 6 packets", flows, err)
	}
}

// TestMemory checks that a new decoder reads on with what the old one was told, sampling rates included.
func TestMemory(t *testing.T) {
	for _, format := range []netflowtest.Format{netflowtest.V9, netflowtest.IPFIX} {
		x := netflowtest.Exporter{Format: format, Domain: 7, Boot: now.Add(-time.Hour), Sampling: 50, TemplateEvery: 1 << 30}
		old := newDecoder()
		hear(old, x.Encode(pair(), now)...)
		second := x.Encode(pair(), now)
		want, _ := hear(old, second...)
		fresh := newDecoder()
		fresh.Restore(old.Remember(), now)
		got, err := hear(fresh, second...)
		if diff := cmp.Diff(want, got, sameAddr); err != nil || len(got) != 2 || diff != "" {
			t.Errorf("%s: error %v, the old (-) and the new (+) read differently:\n%s", format, err, diff)
		}
		late := newDecoder()
		late.Restore(old.Remember(), now.Add(25*time.Hour))
		if got, _ := hear(late, second...); len(got) != 0 {
			t.Errorf("%s: templates of yesterday are still read", format)
		}
	}
}
