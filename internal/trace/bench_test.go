package trace

import (
	"encoding/json"
	"testing"

	"spoor/internal/message"
)

// benchLines are the sample lines with their field name.
func benchLines(tb testing.TB) []string {
	var out []string
	for _, s := range sampleLines(tb) {
		out = append(out, "Received: "+s)
	}
	return out
}

// BenchmarkLine reads Received lines of every dialect; ns/line is the measure.
func BenchmarkLine(b *testing.B) {
	lines := benchLines(b)
	var r lineReader
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range lines {
			var h Hop
			r.read(&h, s)
		}
	}
	perLine := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(len(lines))
	b.ReportMetric(perLine, "ns/line")
}

// BenchmarkShares reads lines of which each dialect has as many as in mail.
func BenchmarkShares(b *testing.B) {
	lines := headerLines(b)
	var r lineReader
	hops := make([]Hop, len(lines))
	b.ReportAllocs()
	for b.Loop() {
		clear(hops)
		for i, s := range lines {
			r.read(&hops[i], s)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(lines)), "ns/line")
}

// BenchmarkDate reads the dates alone.
func BenchmarkDate(b *testing.B) {
	const s = "Mon, 5 Oct 2026 10:11:12 +0200 (CEST)"
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseDate(s); !ok {
			b.Fatal("no date")
		}
	}
}

// benchHeader is a header of seven hops.
func benchHeader(tb testing.TB) message.Header {
	text := "Return-Path: <anna@example.com>\n"
	for _, s := range benchLines(tb)[:7] {
		text += s + "\n"
	}
	return header(tb, text+"From: anna@example.com\nTo: user@example.net\nDate: Mon, 5 Oct 2026 10:11:10 +0200\nMessage-ID: <1@example.com>\nSubject: x\n")
}

// BenchmarkTrace traces a whole header.
func BenchmarkTrace(b *testing.B) {
	h := benchHeader(b)
	t := NewTracer(Options{Hosts: []string{"example.net"}})
	b.ReportAllocs()
	for b.Loop() {
		t.Trace(h)
	}
}

// BenchmarkTraceJSON also writes the result as JSON.
func BenchmarkTraceJSON(b *testing.B) {
	h := benchHeader(b)
	t := NewTracer(Options{Hosts: []string{"example.net"}})
	b.ReportAllocs()
	for b.Loop() {
		r := t.Trace(h)
		if _, err := json.Marshal(&r); err != nil {
			b.Fatal(err)
		}
	}
}
