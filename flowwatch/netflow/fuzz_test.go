package netflow_test

import (
	"testing"
	"time"

	"spoor/flowwatch/netflow"
	"spoor/flowwatch/netflow/netflowtest"
)

// fuzz feeds two datagrams to one decoder: what the first leaves behind (templates,
// rates) is where the second can do harm.
func fuzz(f *testing.F, format netflowtest.Format, version []byte) {
	x := netflowtest.Exporter{Format: format, Boot: now.Add(-time.Hour), Sampling: 10, TemplateEvery: 2}
	first, second := x.Encode(pair(), now)[0], x.Encode(pair(), now)[0]
	f.Add(first, second)
	f.Add(second, first)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		d := netflow.NewDecoder(netflow.Config{AllowAny: true, MaxTemplates: 8, MaxDomains: 4})
		bytes, flows := 0, 0
		for _, datagram := range [][]byte{a, b, a} {
			if len(datagram) < len(version) || len(datagram) > 65507 {
				return
			}
			copy(datagram, version)
			bytes += len(datagram)
			_ = d.Decode(datagram, exporter, now, func(list []netflow.Flow) {
				flows += len(list)
				for i := range list {
					checkFlow(t, &list[i])
				}
			})
		}
		// A record needs at least two addresses of four bytes, and makes at most two flows.
		if flows > bytes/4 {
			t.Fatalf("%d flows out of %d bytes", flows, bytes)
		}
		if h := d.Exporters(); len(h) > 0 && h[0].Templates > 8 {
			t.Fatalf("%d templates kept, the bound is 8", h[0].Templates)
		}
	})
}

func checkFlow(t *testing.T, f *netflow.Flow) {
	switch {
	case !f.Src.IsValid() || !f.Dst.IsValid() || f.Src.Is4In6() || f.Dst.Is4In6():
		t.Fatalf("addresses %v, %v", f.Src, f.Dst)
	case f.Sampling == 0:
		t.Fatal("sampling of 0")
	case f.End < f.Start || f.End.Time().Sub(now).Abs() > 2*time.Hour:
		t.Fatalf("from %v to %v, received %v", f.Start.Time(), f.End.Time(), now)
	}
}

func FuzzV5(f *testing.F)    { fuzz(f, netflowtest.V5, []byte{0, 5}) }
func FuzzV9(f *testing.F)    { fuzz(f, netflowtest.V9, []byte{0, 9}) }
func FuzzIPFIX(f *testing.F) { fuzz(f, netflowtest.IPFIX, []byte{0, 10}) }
func FuzzSFlow(f *testing.F) { fuzz(f, netflowtest.SFlow, []byte{0, 0, 0, 5}) }

// FuzzHeader reads packets' beginnings, whose lengths all lie.
func FuzzHeader(f *testing.F) {
	for _, r := range pair() {
		f.Add(uint32(1), netflowtest.Frame(r), 1500)
	}
	f.Add(uint32(7), []byte{0, 0x21, 0x45}, 40)
	f.Fuzz(func(t *testing.T, link uint32, b []byte, frame int) {
		p, ok := netflow.ParseHeader(netflow.Link(link), b, frame&0xffff)
		if ok && (!p.Src.IsValid() || !p.Dst.IsValid() || p.Bytes < 0) {
			t.Fatalf("packet %+v", p)
		}
		if _, alsoShort := netflow.ParseHeader(netflow.Link(link), b[:min(len(b), 12)], 0); alsoShort {
			t.Fatal("12 bytes are no IP packet")
		}
	})
}
