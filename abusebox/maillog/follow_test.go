package maillog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"spoor/internal/unit"
)

func refusalAt(at time.Time, addr string) string {
	return fmt.Sprintf("%s mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[%s]: 554 5.7.1 no\n", at.Format(time.RFC3339), addr)
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTail writes to a log as daemons and rotation do, and reads every line of it once.
func TestTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "mail.log")
		appendTo(t, path, "Oct  1 08:00:00 mx1 a: one\n")
		var got []string
		rotations, failures := 0, 0
		tail := newTail(path, time.Second, func(c *chunk) {
			if c.counts.lines > 0 {
				got = append(got, strings.Split(strings.TrimSuffix(string(c.text), "\n"), "\n")...)
			}
		})
		tail.rotated, tail.failed = func() { rotations++ }, func(error) { failures++ }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tail.run(ctx) }()
		step := func(change func()) {
			change()
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		step(func() {})
		step(func() { appendTo(t, path, "Oct  1 08:00:00 mx1 a: tw") })
		step(func() { appendTo(t, path, "o\n") })
		step(func() { // logrotate renames; the daemon writes on until it is told
			must(t, os.Rename(path, path+".1"))
			appendTo(t, path+".1", "Oct  1 08:00:00 mx1 a: three\n")
		})
		step(func() {
			appendTo(t, path+".1", "Oct  1 08:00:00 mx1 a: four") // no line end before the end
			appendTo(t, path, "Oct  1 08:00:00 mx1 a: five\n")
		})
		step(func() { // copytruncate
			must(t, os.Truncate(path, 0))
			appendTo(t, path, "Oct  1 08:00 \n")
		})
		step(func() { must(t, os.Remove(path)) })
		step(func() { appendTo(t, path, strings.Repeat("x", 3*chunkSize)+"\nOct  1 08:00:00 mx1 a: six\n") })
		cancel()
		<-done
		want := []string{"one", "two", "three", "four", "five", "Oct  1 08:00 ", "six"}
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "Oct  1 08:00:00 mx1 a: ")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if rotations != 3 || failures != 0 {
			t.Errorf("%d rotations and %d failures, want 3 and 0", rotations, failures)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestFollower starts beside rotated logs, follows the live one, and answers what the desk asks.
func TestFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "mail.log")
		start := time.Now().UTC()
		host := netip.MustParseAddr("192.0.2.7")
		old := func(name string, age time.Duration) {
			appendTo(t, filepath.Join(dir, name), refusalAt(start.Add(-age), host.String()))
			must(t, os.Chtimes(filepath.Join(dir, name), start.Add(-age), start.Add(-age)))
		}
		old("mail.log.1", time.Hour)
		old("mail.log-20000101", 3*time.Hour)
		old("mail.log.9", 20*24*time.Hour) // older than what is kept
		old("mail.logic.1", 2*time.Hour)   // another log
		appendTo(t, path, refusalAt(start, host.String()))

		config := DefaultConfig()
		config.Paths, config.Poll = []string{path}, unit.Duration(time.Second)
		index := NewIndex(config.Keep.Std(), config.Entries, nil)
		reg := prometheus.NewRegistry()
		follower, err := NewFollower(config, index, slog.New(slog.DiscardHandler), reg, time.Now)
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- follower.Run(ctx) }()
		synctest.Wait()
		time.Sleep(30 * time.Minute)
		appendTo(t, path, refusalAt(time.Now(), host.String()))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		cancel()
		must(t, <-done)

		answer, err := index.Ask(t.Context(), host, start.Add(-4*time.Hour), time.Now())
		must(t, err)
		if len(answer.Sightings) != 4 {
			t.Fatalf("%d sightings, want 4: %+v", len(answer.Sightings), answer)
		}
		if s := answer.Sightings[3]; s.Rejected != 1 || len(s.Lines) != 1 || !strings.Contains(s.Lines[0], "192.0.2.7") {
			t.Errorf("last sighting %+v", s)
		}
		if len(answer.Read) != 1 || !answer.Read[0].From.Equal(start.Add(-3*time.Hour)) || answer.Read[0].To.Before(start.Add(30*time.Minute)) || answer.Note == "" {
			t.Errorf("read %v, note %q: the first of the four hours was not read", answer.Read, answer.Note)
		}
		if n := testutil.ToFloat64(follower.meters.understood); n != 4 {
			t.Errorf("%v lines understood, want 4", n)
		}
	})
}

// TestAnAnswerCoversAllLogsOrSaysSo: with two servers, what one of them says is not the whole.
func TestAnAnswerCoversAllLogsOrSaysSo(t *testing.T) {
	x := NewIndex(time.Hour, 1000, nil)
	at := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	host := netip.MustParseAddr("192.0.2.7")
	ask := func() Answer {
		answer, err := x.Ask(t.Context(), host, at, at.Add(time.Minute))
		must(t, err)
		return answer
	}
	if a := ask(); a.Read != nil || a.Note == "" {
		t.Errorf("nothing is read: %+v", a)
	}
	one, two := x.source(), x.source()
	one.caughtUp(at)
	one.caughtUp(at.Add(time.Minute))
	if a := ask(); a.Read != nil || a.Note == "" {
		t.Errorf("one of two logs is read: %+v", a)
	}
	two.caughtUp(at)
	two.caughtUp(at.Add(30 * time.Second))
	if a := ask(); len(a.Read) != 1 || !a.Read[0].To.Equal(at.Add(30*time.Second)) || a.Note == "" {
		t.Errorf("the second log is behind: %+v", a)
	}
	two.caughtUp(at.Add(time.Hour))
	if a := ask(); len(a.Read) != 1 || a.Note != "" || len(a.Sightings) != 0 {
		t.Errorf("all is read: %+v", a)
	}
}

func TestTheIndexIsBounded(t *testing.T) {
	x := NewIndex(24*time.Hour, 100, func(a netip.Addr) bool { return netip.MustParsePrefix("10.0.0.0/8").Contains(a) })
	s := x.source()
	begin := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	put := func(at time.Time, addr netip.Addr) {
		s.add(&fact{kind: aRefusal, outcome: rejected, at: at.Unix(), addr: addr, count: 1, raw: []byte("x")})
	}
	for i := range 1000 {
		put(begin.Add(time.Duration(i)*time.Minute), netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		put(begin.Add(time.Duration(i)*time.Minute), netip.MustParseAddr("192.0.2.7"))
	}
	if x.Entries() > 100 || x.overflow < 800 {
		t.Errorf("%d entries kept, %d dropped early", x.Entries(), x.overflow)
	}
	answer, err := x.Ask(t.Context(), netip.MustParseAddr("10.0.0.1"), begin, begin.Add(1000*time.Minute))
	must(t, err)
	if len(answer.Sightings) != 0 || answer.Read[0].From.Before(begin.Add(800*time.Minute)) {
		t.Errorf("what was dropped is said to be covered: %+v", answer)
	}
	if answer, _ = x.Ask(t.Context(), netip.MustParseAddr("192.0.2.7"), begin, begin.Add(1000*time.Minute)); answer.Note == "" {
		t.Error("an address that is not indexed gets a plain no")
	}
	put(begin.Add(100*time.Hour), netip.MustParseAddr("10.0.0.1"))
	if x.Entries() != 1 {
		t.Errorf("%d entries after a day, want the new one", x.Entries())
	}
	for i := range 300 { // all within ten minutes
		put(begin.Add(100*time.Hour), netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}))
	}
	if x.Entries() > 100 {
		t.Errorf("%d entries in one slot", x.Entries())
	}
}

// TestFollowAlerts follows a live log from the command's side.
func TestFollowAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "mail.log")
		text, err := os.ReadFile("testdata/seed.log")
		must(t, err)
		appendTo(t, path, "")
		time.Sleep(time.Until(time.Date(2003, 11, 4, 0, 0, 0, 0, time.UTC)))
		var alerts []string
		tally := NewTally(Options{Now: time.Now, Alert: func(a Alert) {
			if a.Burst != nil {
				alerts = append(alerts, "burst "+a.Burst.Domain)
			} else {
				alerts = append(alerts, "virus "+a.Virus+" "+a.Addr.String())
			}
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tally.Follow(ctx, path, time.Second) }()
		for line := range strings.Lines(string(text)) {
			time.Sleep(time.Second)
			appendTo(t, path, line)
		}
		time.Sleep(2 * time.Second)
		cancel()
		must(t, <-done)
		want := []string{"burst miltyblinks.net", "virus W32/Yaha-P 163.25.154.253"}
		if diff := cmp.Diff(want, alerts); diff != "" {
			t.Error(diff)
		}
		if total := tally.Report().Total; total.Messages != 5 || total.Zone != "+0800" {
			t.Errorf("%d messages, zone %s", total.Messages, total.Zone)
		}
	})
}

func TestConfig(t *testing.T) {
	DefaultConfig().Validate(func(key, problem, write string) { t.Errorf("default: %s: %s; write %s", key, problem, write) })
	var keys []string
	wrong := Config{Paths: []string{"/ok", "mail.log"}, Zone: "Mars", Poll: 1, Keep: 1, Entries: 1}
	wrong.Validate(func(key, problem, write string) {
		if problem == "" || write == "" {
			t.Errorf("%s: no advice", key)
		}
		keys = append(keys, key)
	})
	if diff := cmp.Diff([]string{"paths[1]", "zone", "poll", "keep", "entries"}, keys); diff != "" {
		t.Error(diff)
	}
}
