package report_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"spoor/abusebox/report"
	"spoor/internal/message"
)

func reportPercentiles(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "median-µs")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
	var sum time.Duration
	for _, t := range times {
		sum += t
	}
	b.ReportMetric(float64(len(times))/sum.Seconds(), "mails/s")
}

// cpuTime is what this process has used of the processor, which other work on a
// busy machine does not change.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// samples returns our own sample complaints.
func samples(tb testing.TB) [][]byte {
	tb.Helper()
	names, _ := filepath.Glob("../../testdata/reports/*/*.eml")
	var out [][]byte
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, b)
	}
	if len(out) == 0 {
		tb.Fatal("no samples")
	}
	return out
}

// readOverAndOver reads the mails until the benchmark ends; it reports the median, the 99th percentile and the processor time of one mail.
func readOverAndOver(b *testing.B, mails [][]byte) {
	ctx := context.Background()
	var times []time.Duration
	used := cpuTime()
	b.ReportAllocs()
	for b.Loop() {
		for _, raw := range mails {
			start := time.Now()
			report.Parse(ctx, message.Read(raw, message.Limits{}), report.Options{})
			times = append(times, time.Since(start))
		}
	}
	b.ReportMetric(float64((cpuTime()-used).Microseconds())/float64(len(times)), "cpu-µs/mail")
	reportPercentiles(b, times)
}

func BenchmarkSamples(b *testing.B) {
	readOverAndOver(b, samples(b))
}

// BenchmarkParallel uses all cores.
func BenchmarkParallel(b *testing.B) {
	mails := samples(b)
	ctx := context.Background()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			report.Parse(ctx, message.Read(mails[i%len(mails)], message.Limits{}), report.Options{})
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
