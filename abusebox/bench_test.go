package abusebox_test

import (
	"context"
	"fmt"
	"net/smtp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
)

// A timedStore notes how long after its arrival each mail was decided and on disk.
type timedStore struct {
	abusebox.Store
	mu    sync.Mutex
	waits []time.Duration
}

func (s *timedStore) Decide(ctx context.Context, ask abusebox.Ask, decide func(incident.Known) (incident.Decision, error)) (incident.Decision, error) {
	d, err := s.Store.Decide(ctx, ask, decide)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits = append(s.waits, time.Since(ask.Record.Arrived))
	return d, err
}

func (s *timedStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waits)
}

// BenchmarkDesk sends complaints by SMTP over 16 connections and waits until each is decided, its notice queued and
// composed: everything on but the last hop. A tenth of the complaints are about a host not seen before.
func BenchmarkDesk(b *testing.B) { benchmarkDesk(b, 0) }

// BenchmarkDeskPaced sends 500 complaints a second, as many as the desk is to sustain, and shows how long the slowest
// hundredth waits from its arrival to its decision on disk.
func BenchmarkDeskPaced(b *testing.B) { benchmarkDesk(b, 500) }

func benchmarkDesk(b *testing.B, perSecond int) {
	timed := &timedStore{}
	w := newWorld(b, func(d *abusebox.Deps) {
		d.Now, d.Notify.Send, d.Notify.PerContact, d.Notify.PerHour = nil, false, 1<<20, 1<<20
		d.Policy.PerReporter, d.Policy.PerUnproven = 1<<20, 1<<20
		timed.Store = d.Store
		d.Store = timed
		d.Witnesses = []abusebox.Witness{alwaysSeen{}}
	})
	cfg := intake.DefaultConfig()
	cfg.SMTP, cfg.Recipients, cfg.Hostname = []string{"127.0.0.1:0"}, []string{"abuse@example.net"}, "desk.example"
	cfg.MaxConnectionsClient, cfg.ConnectionsPerMinute, cfg.MailsPerMinute = 1000, 1<<20, 1<<20
	server, err := intake.New(cfg, intake.Deps{Spool: w.spool, Logger: discardLogger(), Dir: w.dir})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := server.Listen(ctx); err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	defer func() { cancel(); <-done }()
	b.ResetTimer()
	commits, changes := w.commits.Load(), w.changes.Load()
	begin, used := time.Now(), cpuTime(b)
	sendAll(b, server.Addrs()[0].String(), b.N, perSecond)
	for timed.count() < b.N {
		time.Sleep(time.Millisecond)
	}
	took := time.Since(begin)
	b.StopTimer()
	used = cpuTime(b) - used
	commits, changes = w.commits.Load()-commits, w.changes.Load()-changes
	slices.Sort(timed.waits)
	b.ReportMetric(float64(b.N)/took.Seconds(), "mails/s")
	b.ReportMetric(float64(timed.waits[len(timed.waits)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/mail") // of the sender, too
	b.ReportMetric(float64(commits)/float64(b.N), "commits/mail")
	b.ReportMetric(float64(changes)/float64(max(commits, 1)), "changes/commit")
}

// cpuTime is what this process has used of all cores, which other work on the machine changes little.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func sendAll(b *testing.B, addr string, n, perSecond int) {
	var group sync.WaitGroup
	next := make(chan int)
	for range 16 {
		group.Go(func() {
			c, err := smtp.Dial(addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			for k := range next {
				if err := sendOne(c, k); err != nil {
					b.Error(err)
					return
				}
			}
			_ = c.Quit()
		})
	}
	begin := time.Now()
	for k := range n {
		if perSecond > 0 {
			time.Sleep(time.Until(begin.Add(time.Duration(k) * time.Second / time.Duration(perSecond))))
		}
		next <- k
	}
	close(next)
	group.Wait()
}

func sendOne(c *smtp.Client, k int) error {
	host := k / 10 % 250
	if err := c.Mail("fbl@reporter.example"); err != nil {
		return err
	}
	if err := c.Rcpt("abuse@example.net"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	mail := strings.ReplaceAll(arf(fmt.Sprintf("192.0.2.%d", host), time.Now(), k), "\n", "\r\n")
	if _, err := w.Write([]byte(mail)); err != nil {
		return err
	}
	return w.Close()
}

// alwaysSeen is a witness that has a day of intervals to tell of each address.
type alwaysSeen struct{}

func (alwaysSeen) Testify(_ context.Context, q incident.Question) (incident.Testimony, error) {
	t := incident.Testimony{Source: incident.FromFlows, Covered: []incident.Span{q.Window}}
	for at := q.Window.From; at.Before(q.Window.To); at = at.Add(time.Hour) {
		t.Seen = append(t.Seen, incident.Sighting{Span: incident.Span{From: at, To: at.Add(10 * time.Minute)}, Count: 10, What: "10 connections to port 25"})
	}
	return t, nil
}
