package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/cmd/spoor/control"
	"spoor/internal/message"
)

const (
	soakMeasure = 20 * time.Second // at full speed, to learn the daemon's maximum
	soakSample  = 5 * time.Second  // between two looks at the daemon
	soakDrain   = 10 * time.Minute // until what was taken at full speed must be decided and told
)

// TestSoak runs for as long as SPOOR_SOAK says (`make soak`: an hour): mail of every kind at half of the rate at which this
// machine takes, decides and tells, with kills at random times. Nothing that was answered for may be lost or decided twice, and
// memory, open files and goroutines must stay what they were.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SPOOR_SOAK"))
	if err != nil {
		t.Skip("it runs by make soak, for as long as SPOOR_SOAK says")
	}
	dir, out := crashSetup(t)
	s := &soak{t: t, dir: dir, daemon: startServe(t, dir)}
	most := s.measure()
	l := startSoakLoad(t, s.daemon, most/2)
	for begin := time.Now(); time.Since(begin) < length; {
		s.live(min(10*time.Second+rand.N(max(length/10, 20*time.Second)), length-time.Since(begin)))
		s.daemon.kill()
		s.kills++
		s.daemon = startServe(t, dir)
		l.daemon.Store(s.daemon)
	}
	s.took(l.stop())
	s.drain()
	s.flat("over the whole run", s.all)
	s.checkIncidents(out)
	if text, err := s.daemon.spoor(nil, "check"); err != nil {
		t.Errorf("the store is not sound: %v\n%s", err, text)
	}
	if err := s.daemon.stop(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	s.checkSpool()
	t.Logf("%d mails answered for in %s at %.0f a second, half of %.0f, with %d kills: %v", len(s.acked.mails), length, most/2, most, s.kills, s.acked.kinds)
}

// A soak is the state of TestSoak.
type soak struct {
	t      *testing.T
	dir    string
	daemon *process
	kills  int
	all    []vitals
	acked  soakAcked
}

// Vitals are what a daemon holds at a time.
type vitals struct{ kb, files, routines int }

// measure sends for a while as fast as the daemon takes it, and returns the mails a second that it took, decided and told.
func (s *soak) measure() (perSecond float64) {
	begin := time.Now()
	l := startSoakLoad(s.t, s.daemon, 0)
	time.Sleep(soakMeasure)
	acked := l.stop()
	s.took(acked)
	s.drain()
	perSecond = float64(len(acked.mails)) / time.Since(begin).Seconds()
	s.t.Logf("at full speed %d mails were taken in %s, and were decided and told after %s: %.0f mails a second at most", len(acked.mails),
		soakMeasure, time.Since(begin).Round(time.Second), perSecond)
	return perSecond
}

func (s *soak) took(more soakAcked) { s.acked = s.acked.and(more) }

// live looks at the daemon now and then until its life is over.
func (s *soak) live(life time.Duration) {
	s.t.Helper()
	var seen []vitals
	pid := s.daemon.cmd.Process.Pid
	for end := time.Now().Add(life); time.Until(end) > soakSample; {
		time.Sleep(soakSample)
		v := vitals{anonymousKB(s.t, pid), openFiles(s.t, pid), int(s.daemon.metric("go_goroutines", ""))}
		seen = append(seen, v)
		s.t.Logf("life %d: %d KiB of anonymous memory, %d files, %d goroutines", s.kills+1, v.kb, v.files, v.routines)
	}
	time.Sleep(rand.N(soakSample)) // a kill comes at any time
	if warm := 6; len(seen) > 4*warm {
		s.flat(fmt.Sprintf("in life %d", s.kills+1), seen[warm:])
	}
	s.all = append(s.all, seen...)
}

// flat holds the last third of what was seen against the first.
func (s *soak) flat(when string, seen []vitals) {
	s.t.Helper()
	third := len(seen) / 3
	if third == 0 {
		return
	}
	for _, c := range []struct {
		what  string
		of    func(vitals) int
		slack int
	}{
		{"KiB of anonymous memory", func(v vitals) int { return v.kb }, 16 << 10},
		{"open files", func(v vitals) int { return v.files }, 48},
		{"goroutines", func(v vitals) int { return v.routines }, 48},
	} {
		first, last := median(seen[:third], c.of), median(seen[len(seen)-third:], c.of)
		s.t.Logf("%s: %d %s at first, %d at last", when, first, c.what, last)
		if last > first+first/2+c.slack {
			s.t.Errorf("%s it grows: %d %s at first, %d at last", when, first, c.what, last)
		}
	}
}

func median(seen []vitals, of func(vitals) int) int {
	var values []int
	for _, v := range seen {
		values = append(values, of(v))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// drain waits until every mail is decided and everything is told.
func (s *soak) drain() {
	s.t.Helper()
	var stats control.StoreStats
	for end := time.Now().Add(soakDrain); ; time.Sleep(time.Second) {
		text, err := s.daemon.spoor(nil, "store", "stats", "--json")
		if err == nil {
			err = json.Unmarshal([]byte(text), &stats)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if stats.Spool.Undecided == 0 && stats.Spool.Drop == 0 && stats.Outbox.Waiting == 0 {
			break
		}
		if time.Now().After(end) {
			s.t.Fatalf("after %s %d mails are undecided, %d dropped and %d tasks wait", soakDrain, stats.Spool.Undecided, stats.Spool.Drop, stats.Outbox.Waiting)
		}
	}
	if stats.Outbox.Failed+stats.Outbox.Expired > 0 || stats.SetAside != (control.StoreSetAside{}) {
		s.t.Errorf("given up: %+v, set aside: %+v", stats.Outbox, stats.SetAside)
	}
}

// checkIncidents finds the one incident of each address that was complained about, and its one notice.
func (s *soak) checkIncidents(out *sink) {
	s.t.Helper()
	text, err := s.daemon.spoor(nil, "incidents", "list", "--json", "--limit", "10000000")
	if err != nil {
		s.t.Fatal(err)
	}
	incidents, told := map[string]int{}, map[string]bool{}
	for line := range strings.Lines(text) {
		var i control.IncidentLine
		if err := json.Unmarshal([]byte(line), &i); err != nil {
			s.t.Fatal(err)
		}
		incidents[i.IP]++
		told[i.IP] = i.State == string(incident.Notified)
	}
	notices, repeats := noticesByAddress(s.t, out)
	missing := 0
	for ip := range s.acked.addresses {
		ids := notices[ip]
		if incidents[ip.String()] != 1 || told[ip.String()] != (len(ids) == 1) || len(ids) > 1 {
			if missing++; missing <= 20 {
				s.t.Errorf("%s: %d incidents, notified %t, %d notices; want one incident and, where it is notified, one notice",
					ip, incidents[ip.String()], told[ip.String()], len(ids))
			}
		}
	}
	const inFlight = 8 // [notify] workers
	s.t.Logf("%d addresses complained about, of which %d are not as they must be; %d notices came twice", len(s.acked.addresses), missing, repeats)
	if repeats > s.kills*inFlight {
		s.t.Errorf("%d notices came twice, more than %d kills with %d in flight each explain", repeats, s.kills, inFlight)
	}
}

// noticesByAddress finds the notices by the address in their subject: their Message-IDs, and how many came more than once.
func noticesByAddress(t *testing.T, out *sink) (ids map[netip.Addr]map[string]bool, repeats int) {
	t.Helper()
	files, err := out.mails()
	if err != nil {
		t.Fatal(err)
	}
	ids = map[netip.Addr]map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		header, _, _ := message.ReadHeader(data, message.DefaultLimits())
		if strings.Contains(header.Get("X-Envelope-To"), "abuse-desk@") {
			continue // people of ours
		}
		for word := range strings.FieldsSeq(header.Text("Subject")) {
			ip, err := netip.ParseAddr(word)
			if err != nil {
				continue
			}
			if ids[ip] == nil {
				ids[ip] = map[string]bool{}
			}
			id := header.Get("Message-ID")
			if ids[ip][id] {
				repeats++
			}
			ids[ip][id] = true
		}
	}
	return ids, repeats
}

// checkSpool reads the whole spool: what was answered for is there, to the byte.
func (s *soak) checkSpool() {
	s.t.Helper()
	cfg := intake.DefaultSpoolConfig()
	cfg.Dir = filepath.Join(s.dir, "store")
	spool, err := intake.OpenSpool(cfg, intake.SpoolDeps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	defer spool.Close()
	stored := map[[32]byte]bool{}
	if _, err := spool.Scan(context.Background(), 0, func(_ intake.ID, m intake.Mail) error {
		stored[m.SHA256] = true
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	lost := 0
	for sum, kind := range s.acked.mails {
		if !stored[sum] {
			if lost++; lost <= 20 {
				s.t.Errorf("a mail of the kind %q was answered for and is not in the spool", kind)
			}
		}
	}
	s.t.Logf("%d mails were answered for, of which %d are lost; the spool holds %d different ones", len(s.acked.mails), lost, len(stored))
}

// openFiles counts the file descriptors of a process.
func openFiles(t testing.TB, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
