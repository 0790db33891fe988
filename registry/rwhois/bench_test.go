package rwhois

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"spoor/registry/whois"

	"spoor/internal/listen"
	"spoor/registry"
)

// BenchmarkServers asks RWhois and whois over new connections, as their clients do, in
// turn with a null server that reads a line and writes as many bytes.
func BenchmarkServers(b *testing.B) {
	built := table(b)
	c := registry.DefaultConfig().Serve
	c.MaxClients, c.MaxPerClient = 1000, 1000
	rw := NewServer(Deps{Config: c, Table: func() *registry.Table { return built }, Version: "bench"})
	who := whois.NewServer(whois.Deps{Config: c, Table: func() *registry.Table { return built }})
	options := listen.Options{Idle: c.Timeout.Std(), Limits: listen.NewLimits(listen.Quota{Total: c.MaxClients, PerClient: c.MaxPerClient}, nil)}
	for _, s := range []struct {
		name  string
		serve func(context.Context, *listen.Listener) error
	}{{"rwhois", rw.ServeListener}, {"whois", who.ServeListener}} {
		b.Run(s.name, func(b *testing.B) {
			addr := serveBench(b, options, s.serve)
			answer, err := ask(addr, "198.51.100.7")
			if err != nil || len(answer) < 300 {
				b.Fatalf("%q, %v", answer, err)
			}
			null := nullServer(b, []byte(answer))
			var ours, theirs []time.Duration
			for b.Loop() {
				theirs = append(theirs, crowd(b, null))
				ours = append(ours, crowd(b, addr))
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			mine, nulls := ours[len(ours)/2], theirs[len(theirs)/2]
			b.ReportMetric(float64(crowdSize)/mine.Seconds(), "answers/s")
			b.ReportMetric(float64(crowdSize)/nulls.Seconds(), "null/s")
			fmt.Printf("ratio %s-vs-null %.2f\n", s.name, float64(nulls)/float64(mine))
		})
	}
}

func serveBench(b *testing.B, o listen.Options, run func(context.Context, *listen.Listener) error) string {
	b.Helper()
	l, err := listen.Open(context.Background(), "127.0.0.1:0", o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, l) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return l.Addr().String()
}

const crowdSize = 400

// crowd asks crowdSize times from eight clients and returns how long it took.
func crowd(b *testing.B, addr string) time.Duration {
	begin := time.Now()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range crowdSize / 8 {
				if answer, err := ask(addr, "198.51.100.7"); err != nil || len(answer) < 300 {
					b.Errorf("%q, %v", answer, err)
					return
				}
			}
		})
	}
	wait.Wait()
	return time.Since(begin)
}

// nullServer answers any line with the same bytes and closes.
func nullServer(b *testing.B, answer []byte) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer conn.Close()
				buf := make([]byte, 512)
				if _, err := conn.Read(buf); err == nil || err == io.EOF {
					_, _ = conn.Write(answer)
				}
			})
		}
	})
	b.Cleanup(func() {
		l.Close()
		wait.Wait()
	})
	return l.Addr().String()
}
