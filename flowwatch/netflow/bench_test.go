package netflow_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	goflow "github.com/netsampler/goflow2/v2/decoders/netflow"
	legacy "github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"spoor/flowwatch/netflow"
	"spoor/flowwatch/netflow/netflowtest"
)

// datagrams of 24 records each, the templates in the first alone.
func datagrams(format netflowtest.Format, n int) [][]byte {
	return datagramsOf(netflowtest.Exporter{Format: format, Boot: now.Add(-time.Hour), TemplateEvery: 1 << 30}, n)
}

func datagramsOf(x netflowtest.Exporter, n int) [][]byte {
	records := make([]netflowtest.Record, 24*n)
	for i := range records {
		records[i] = smtp("192.0.2.9", "198.51.100.1")
	}
	return x.Encode(records, now)
}

// BenchmarkDecode measures the reading of records beside goflow2's, which hands out boxed fields.
func BenchmarkDecode(b *testing.B) {
	cost := map[string]float64{}
	for _, format := range []netflowtest.Format{netflowtest.V5, netflowtest.V9, netflowtest.IPFIX} {
		b.Run(string(format)+"/spoor", func(b *testing.B) { cost[string(format)+"-spoor"] = benchOurs(b, datagrams(format, 64)) })
		b.Run(string(format)+"/goflow2", func(b *testing.B) { cost[string(format)+"-goflow2"] = benchGoflow(b, format) })
	}
	for _, format := range []string{"v5", "v9", "ipfix"} {
		if ours, theirs := cost[format+"-spoor"], cost[format+"-goflow2"]; ours > 0 && theirs > 0 {
			fmt.Printf("ratio decode-%s-vs-goflow2 %.2f\n", format, theirs/ours)
		}
	}
}

func perRecord(b *testing.B, records int) float64 {
	ns := float64(b.Elapsed().Nanoseconds()) / float64(records)
	b.ReportMetric(ns, "ns/record")
	return ns
}

// BenchmarkDecodeSampled measures records that name their sampler, as those of Cisco's and Juniper's routers do.
func BenchmarkDecodeSampled(b *testing.B) {
	for _, format := range []netflowtest.Format{netflowtest.V9, netflowtest.IPFIX} {
		x := netflowtest.Exporter{Format: format, Boot: now.Add(-time.Hour), TemplateEvery: 1 << 30, Sampling: 100, Sampler: 1}
		b.Run(string(format), func(b *testing.B) { benchOurs(b, datagramsOf(x, 64)) })
	}
}

func benchOurs(b *testing.B, list [][]byte) float64 {
	d := newDecoder()
	records := 0
	count := func(list []netflow.Flow) { records += len(list) }
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := d.Decode(list[i%len(list)], exporter, now, count); err != nil {
			b.Fatal(err)
		}
	}
	return perRecord(b, records)
}

func benchGoflow(b *testing.B, format netflowtest.Format) float64 {
	list := datagrams(format, 64)
	templates := goflow.CreateTemplateSystem()
	b.ReportAllocs()
	n := 0
	for i := 0; b.Loop(); i++ {
		var err error
		if format == netflowtest.V5 {
			var p legacy.PacketNetFlowV5
			err = legacy.DecodeMessageVersion(bytes.NewBuffer(list[i%len(list)]), &p)
		} else {
			var v9 goflow.NFv9Packet
			var ipfix goflow.IPFIXPacket
			err = goflow.DecodeMessageVersion(bytes.NewBuffer(list[i%len(list)]), templates, &v9, &ipfix)
		}
		if err != nil {
			b.Fatal(err)
		}
		n += 24
	}
	return perRecord(b, n)
}
