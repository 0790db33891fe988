package report_test

import (
	"bytes"
	"context"
	"testing"

	"spoor/abusebox/report"
	"spoor/internal/message"
)

// BenchmarkARF reads one feedback report (RFC 5965), from its bytes to the complaint.
func BenchmarkARF(b *testing.B) {
	for _, raw := range samples(b) {
		if !bytes.Contains(raw, []byte("message/feedback-report")) || !bytes.Contains(raw, []byte("message/rfc822")) {
			continue
		}
		used := cpuTime()
		b.ReportAllocs()
		for b.Loop() {
			if r := report.Parse(context.Background(), message.Read(raw, message.DefaultLimits()), report.Options{}); len(r.Reports) == 0 {
				b.Fatal("nothing was read")
			}
		}
		b.ReportMetric(float64((cpuTime()-used).Nanoseconds())/1e3/float64(b.N), "cpu-µs/mail")
		b.ReportMetric(float64(len(raw)), "bytes")
		return
	}
	b.Fatal("no feedback report among the samples")
}
