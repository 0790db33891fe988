package netflowtest

import (
	"math"
	"testing"
	"time"
)

// TestSampler checks that a sampler looks at one packet in its rate, that packets add up to their conversation, and that
// the flows hold what the packets do.
func TestSampler(t *testing.T) {
	s := NewSimulation(3, time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC))
	var list []Record
	for n := range 12 {
		list = append(list, s.Records(n)...)
	}
	packets, bytes, opened := uint64(0), uint64(0), 0
	for _, r := range list {
		sum, syns := uint64(0), 0
		for i := range r.Packets {
			p := r.packet(i)
			sum += p.Bytes
			if p.Flags&(syn|ack) == syn {
				syns++
			}
		}
		if diff := int64(sum) - int64(r.Bytes); max(diff, -diff) > int64(r.Bytes/10+r.Packets) {
			t.Fatalf("the packets of %+v sum up to %d bytes", r, sum)
		}
		if want := r.Flags&fin != 0 && r.SrcPort >= 1024; want && syns != 1 {
			t.Fatalf("%d SYN in %+v", syns, r)
		}
		opened += syns
		packets, bytes = packets+r.Packets, bytes+r.Bytes
	}
	for _, rate := range []uint32{1, 10, 1000} {
		single, flows := NewSampler(rate, 5).Packets(list), NewSampler(rate, 5).Flows(list)
		got, inFlows := uint64(len(single)), uint64(0)
		for _, f := range flows {
			inFlows += f.Packets
		}
		want := float64(packets) / float64(rate)
		if math.Abs(float64(got)-want) > 5*math.Sqrt(want) || rate == 1 && got != packets {
			t.Errorf("one packet in %d: %d of %d packets", rate, got, packets)
		}
		if inFlows != got || len(flows) > len(list) {
			t.Errorf("one packet in %d: the flows hold %d packets, %d were looked at", rate, inFlows, got)
		}
		syns := 0
		for _, p := range single {
			if p.Flags&(syn|ack) == syn {
				syns++
			}
		}
		if want := float64(opened) / float64(rate); math.Abs(float64(syns)-want) > 5*math.Sqrt(want)+1 {
			t.Errorf("one packet in %d: %d SYN of %d", rate, syns, opened)
		}
	}
	if a, b := NewSampler(10, 5).Packets(list), NewSampler(10, 5).Packets(list); len(a) != len(b) || a[7] != b[7] {
		t.Error("equal seeds look at other packets")
	}
}
