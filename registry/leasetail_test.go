package registry

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// leaseList is the slow way to look leases up.
type leaseList []Lease

func (list leaseList) LeasesOf(addr netip.Addr, from, to time.Time) ([]Lease, error) {
	found := slices.DeleteFunc(slices.Clone(list), func(l Lease) bool { return !l.Prefix.Contains(addr) || !l.touches(from, to) })
	slices.SortFunc(found, CompareLeases)
	return found, nil
}

// logWriter writes a lease log as a server and logrotate do, at times of its own.
type logWriter struct {
	t    *testing.T
	rng  *rand.Rand
	dir  string
	kind LeaseConfig
	now  time.Time
	half string // what is still to be written of a line
}

func (w *logWriter) path(name string) string { return filepath.Join(w.dir, name) }

func (w *logWriter) write(flags int, text string) {
	w.t.Helper()
	f, err := os.OpenFile(w.path("log"), flags|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		w.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.touch()
}

func (w *logWriter) touch() {
	if err := os.Chtimes(w.path("log"), w.now, w.now); err != nil {
		w.t.Fatal(err)
	}
}

// header is what every log of the kind begins with: a line that says something, for of a log
// with nothing but mistakes what it said before is kept.
func (w *logWriter) header() string {
	w.half = ""
	first := w.record()
	for strings.HasPrefix(first, "nonsense") {
		first = w.record()
	}
	if w.kind.Format == "csv" {
		return "ip,port_low,port_high,protocol,from,to,who\n" + first
	}
	return first
}

func (w *logWriter) record() string {
	who, addr := fmt.Sprintf("user%d", w.rng.IntN(4)), fmt.Sprintf("192.0.2.%d", w.rng.IntN(4))
	at := w.now.Add(-time.Duration(w.rng.IntN(100)) * time.Second).Truncate(time.Second) // now and then out of order
	stamp := at.Format(time.RFC3339)
	if w.rng.IntN(12) == 0 {
		return "nonsense, \"\n"
	}
	switch w.kind.Format {
	case "csv":
		low, to := w.rng.IntN(3)*1000, ""
		if w.rng.IntN(2) == 0 {
			to = at.Add(time.Hour).Format(time.RFC3339)
		}
		return fmt.Sprintf("%s,%d,%d,,%s,%s,%s\n", addr, low, low+999, stamp, to, who)
	case "radius":
		status := []string{"Start", "Interim-Update", "Stop", "Stop", "Accounting-On"}[w.rng.IntN(5)]
		return fmt.Sprintf("%s\n\tAcct-Status-Type = %s\n\tUser-Name = \"%s\"\n\tNAS-IP-Address = 198.51.100.1\n\tFramed-IP-Address = %s\n"+
			"\tAcct-Session-Id = \"%s%s\"\n\tEvent-Timestamp = \"%s\"\n\n", stamp, status, who, addr, who, addr, stamp)
	}
	return fmt.Sprintf("%s %s %s %s\n", stamp, addr, who, []string{"ack", "ack", "release"}[w.rng.IntN(3)])
}

// step does what servers, editors and logrotate do to a log.
func (w *logWriter) step() {
	w.now = w.now.Add(time.Duration(1+w.rng.IntN(12)) * time.Second)
	switch n := w.rng.IntN(20); {
	case n < 10: // whole lines and a half one
		text := w.half
		for range 1 + w.rng.IntN(4) {
			text += w.record()
		}
		w.half = ""
		if w.rng.IntN(3) == 0 {
			next := w.record()
			cut := 1 + w.rng.IntN(len(next)-1)
			text, w.half = text+next[:cut], next[cut:]
		}
		w.write(os.O_APPEND, text)
	case n < 12: // nothing
	case n == 12: // the last line corrected in place, and more added
		data, err := os.ReadFile(w.path("log"))
		if err != nil {
			w.t.Fatal(err)
		}
		text := string(data) + w.half
		if at := strings.LastIndex(text, "user"); at >= 0 {
			text = text[:at] + "xser" + text[at+4:]
		}
		w.half = ""
		w.write(0, text+w.record())
	case n == 13: // copytruncate
		data, err := os.ReadFile(w.path("log"))
		if err == nil {
			err = os.WriteFile(w.path("log.1"), data, 0o600)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		w.write(os.O_TRUNC, w.header())
	case n == 14: // and written on until it is as long as before
		size := w.size()
		w.write(os.O_TRUNC, w.header())
		for w.size() <= size {
			w.write(os.O_APPEND, w.record())
		}
	case n == 15: // corrected in place, at the same size
		data, err := os.ReadFile(w.path("log"))
		if err != nil {
			w.t.Fatal(err)
		}
		w.write(0, strings.ReplaceAll(string(data), "user1", "user9"))
	case n == 16: // an editor's new file in its place
		if err := os.Rename(w.path("log"), w.path("old")); err != nil {
			w.t.Fatal(err)
		}
		data, _ := os.ReadFile(w.path("old"))
		w.write(0, strings.ReplaceAll(string(data), "user2", "user8")+w.half+w.record())
		w.half = ""
	case n == 17:
		w.touch()
	default: // rotated
		if err := os.Rename(w.path("log"), w.path("log.1")); err != nil {
			w.t.Fatal(err)
		}
		w.write(os.O_EXCL, w.header())
	}
}

func (w *logWriter) size() int64 {
	info, err := os.Stat(w.path("log"))
	if err != nil {
		w.t.Fatal(err)
	}
	return info.Size()
}

var followed = map[string]LeaseConfig{
	"csv":    {Format: "csv", Files: []string{"log"}},
	"radius": {Format: "radius", Files: []string{"log*"}},
	"syslog": {Format: "syslog", Files: []string{"log*"}, Pattern: `^(?P<time>\S+) (?P<ip>\S+) (?P<who>\S+) (?P<event>\S+)$`},
	"length": {Format: "syslog", Files: []string{"log"}, Length: Duration(time.Minute),
		Pattern: `^(?P<time>\S+) (?P<ip>\S+) (?P<who>\S+) (?P<event>\S+)$`},
}

func logSet(kind LeaseConfig, dir string, most int) *fileSet {
	c := DefaultConfig()
	c.Leases, c.MaxLeases = []LeaseConfig{kind}, most
	f := newFileSet(c, dir)
	return &f
}

func (f *fileSet) all() []Lease {
	var all []Lease
	for _, x := range f.indexes() {
		all = append(all, x.all()...)
	}
	return all
}

// TestFollowingEqualsReadingAnew: whatever is done to a log, what is known of it by following
// is what one reading of it as it stands gives.
func TestFollowingEqualsReadingAnew(t *testing.T) {
	for name, kind := range followed {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
				w := &logWriter{t: t, rng: rand.New(rand.NewPCG(seed, 11)), dir: t.TempDir(), kind: kind,
					now: time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)}
				w.write(0, w.header())
				followed := logSet(kind, w.dir, 1000)
				for step := range 50 {
					if followed.changed(w.now) {
						_ = followed.read(w.now)
					}
					anew := logSet(kind, w.dir, 1000)
					_ = anew.read(w.now)
					if want, got := anew.all(), followed.all(); !slices.Equal(want, got) {
						t.Fatalf("step %d: %s", step, cmp.Diff(want, got, cmp.Comparer(samePrefix)))
					}
					compareLookups(t, w, followed)
					w.step()
				}
			})
		}
	}
}

func samePrefix(a, b netip.Prefix) bool { return a == b }

// compareLookups asks the index and a linear scan.
func compareLookups(t *testing.T, w *logWriter, f *fileSet) {
	t.Helper()
	addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(w.rng.IntN(4))})
	from := w.now.Add(-time.Duration(w.rng.IntN(900)) * time.Second)
	for _, x := range f.indexes() {
		got, _ := x.LeasesOf(addr, from, from.Add(time.Minute))
		want, _ := leaseList(x.all()).LeasesOf(addr, from, from.Add(time.Minute))
		if !slices.Equal(want, got) {
			t.Fatalf("%s from %s: %s", addr, from, cmp.Diff(want, got, cmp.Comparer(samePrefix)))
		}
	}
}

// TestOnlyWhatIsNewIsRead: a log that grows is read on in the same index, and so is one that
// was rotated to another name; one that was written over has a new one.
func TestOnlyWhatIsNewIsRead(t *testing.T) {
	kind := followed["syslog"]
	w := &logWriter{t: t, rng: rand.New(rand.NewPCG(1, 1)), dir: t.TempDir(), kind: kind, now: time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)}
	look := func(f *fileSet) []*leaseIndex {
		t.Helper()
		w.now = w.now.Add(time.Second)
		if err := f.read(w.now); err != nil {
			t.Fatal(err)
		}
		return f.indexes()
	}
	line := func(who string) string { return w.now.Format(time.RFC3339) + " 192.0.2.1 " + who + " ack\n" }
	f := logSet(kind, w.dir, 1000)
	w.write(0, line("one"))
	first := look(f)
	w.write(os.O_APPEND, line("two"))
	if grown := look(f); !slices.Equal(first, grown) || grown[0].size() != 2 || f.tails[0].parser.line != 2 {
		t.Errorf("the log was read anew though it only grew")
	}
	if err := os.Rename(w.path("log"), w.path("log.1")); err != nil {
		t.Fatal(err)
	}
	w.write(os.O_EXCL, line("three"))
	rotated := look(f)
	if len(rotated) != 2 || rotated[1] != first[0] || rotated[1].all()[0].Source != "log.1:1" {
		t.Errorf("the log that was rotated away was read anew")
	}
	w.write(os.O_TRUNC, line("four"))
	if rewritten := look(f); rewritten[0] == rotated[0] || rewritten[0].all()[0].Subscriber != "four" {
		t.Errorf("a log that was written over was read on: %v", rewritten[0].all())
	}
}

// TestAHalfWrittenLine names nobody until it is whole, or nobody writes to the log any more.
func TestAHalfWrittenLine(t *testing.T) {
	kind := followed["csv"]
	w := &logWriter{t: t, dir: t.TempDir(), kind: kind, now: time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)}
	f := logSet(kind, w.dir, 1000)
	who := func(want string) {
		t.Helper()
		if f.changed(w.now) {
			if err := f.read(w.now); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, l := range f.all() {
			got = append(got, l.Subscriber)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	w.write(0, "ip,from,to,who\n192.0.2.1,2026-10-01T07:00:00Z,,ali")
	who("")
	w.now = w.now.Add(restAfter)
	who("ali")
	w.write(os.O_APPEND, "ce\n192.0.2.2,2026-10-01T07:00:00Z,,bob\n192.0.2.3,2026-10-01T07:00:00Z,,c")
	who("alice bob")
	w.write(os.O_APPEND, "arol\n")
	who("alice bob carol")
}

// TestAHalfWrittenLineByAnotherClock: where the writer's clock is ahead of ours, a line is no more whole for that.
func TestAHalfWrittenLineByAnotherClock(t *testing.T) {
	w := &logWriter{t: t, dir: t.TempDir(), kind: followed["csv"], now: time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)}
	f := logSet(w.kind, w.dir, 1000)
	look := func(after time.Duration, want string) {
		t.Helper()
		now := w.now.Add(after - time.Hour)
		if f.changed(now) {
			if err := f.read(now); err != nil {
				t.Fatal(err)
			}
		}
		if all := f.all(); len(all) > 1 || want != "" && (len(all) == 0 || all[0].Subscriber != want) || want == "" && len(all) > 0 {
			t.Errorf("after %s: %v, want %q", after, all, want)
		}
	}
	w.write(0, "ip,from,to,who\n192.0.2.1,2026-10-01T07:00:00Z,,ali")
	look(0, "")
	look(restAfter-time.Second, "")
	w.write(os.O_APPEND, "c")
	look(restAfter, "")
	look(2*restAfter, "alic")
	w.write(os.O_APPEND, "e\n")
	look(2*restAfter, "alice")
}

// TestTooManyLeases: the newest stay, of all logs together, and it is told.
func TestTooManyLeases(t *testing.T) {
	kind := LeaseConfig{Format: "csv", Files: []string{"a", "b"}}
	dir, f := t.TempDir(), (*fileSet)(nil)
	now := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	write := func(name string, from, n int) {
		t.Helper()
		text := "ip,from,to,who\n"
		for i := from; i < from+n; i++ {
			text += fmt.Sprintf("192.0.2.%d,%s,,u%d\n", i%250, now.Add(time.Duration(i)*time.Minute).Format(time.RFC3339), i)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a", 0, 30)
	write("b", 30, 30)
	f = logSet(kind, dir, 32)
	err := f.read(now)
	if err == nil || !strings.Contains(err.Error(), "max_leases") {
		t.Errorf("it is not told: %v", err)
	}
	all := f.all()
	if len(all) > 32 || len(all) < 30 || all[0].From.Before(now.Add(28*time.Minute)) {
		t.Errorf("%d leases stay, the first of %s", len(all), all[0].From)
	}
	write("a", 0, 200)
	if err := f.read(now); err == nil || len(f.all()) > 32 || f.all()[0].Subscriber < "u1" {
		t.Errorf("%d leases stay: %v", len(f.all()), err)
	}
	for _, x := range f.indexes() {
		if n := len(x.blocks); n > 32 || len(x.recs) > 32 || x.size() > 32 {
			t.Errorf("an index keeps %d blocks of %d leases", n, x.size())
		}
	}
}

// TestTooManyLeasesThatBeginAtOnce are not kept, for of those of one moment none is newer; nor are more kept meanwhile, of many logs.
func TestTooManyLeasesThatBeginAtOnce(t *testing.T) {
	kind := LeaseConfig{Format: "csv", Files: []string{"*.csv"}}
	dir, now := t.TempDir(), time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	for file := range 5 {
		text := "ip,port,from,to,who\n"
		for i := range 100 {
			text += fmt.Sprintf("192.0.2.%d,%d,%s,,u\n", file, i, now.Format(time.RFC3339))
		}
		text += fmt.Sprintf("192.0.2.9,%d,%s,,last\n", file, now.Add(time.Second).Format(time.RFC3339))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.csv", file)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := logSet(kind, dir, 64)
	if err := f.read(now); err == nil || strings.Count(err.Error(), "max_leases") != 1 {
		t.Errorf("it is not told once: %v", err)
	}
	all := f.all()
	if len(all) != 5 || slices.ContainsFunc(all, func(l Lease) bool { return l.Subscriber != "last" }) {
		t.Errorf("%d leases stay: %v", len(all), all)
	}
	x := newLeaseIndex("log", 64)
	for i := range 10_000 {
		x.add(leaseBlock{prefix: pfx("192.0.2.1/32"), low: uint16(i), high: uint16(i)}, &leaseRec{from: 1, who: "u"})
		if x.size() > 64 || len(x.blocks[pfx("192.0.2.1/32")]) > 64 {
			t.Fatalf("%d leases, %d blocks are kept", x.size(), len(x.blocks))
		}
	}
}

// TestALogLostNoMoreThanAnother: where one log has room for older leases than another, they are left out
// of both, for what ended them may have been in the other.
func TestALogLostNoMoreThanAnother(t *testing.T) {
	now := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	f := logSet(LeaseConfig{Format: "csv", Files: []string{"a", "b"}}, t.TempDir(), 64)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte("ip,from,to,who\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = f.read(now) // it is told that there are too many
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "192.0.2.1,%s,,u%d\n", now.Add(time.Duration(i)*time.Minute).Format(time.RFC3339), i)
	}
	write("a", many.String())
	write("b", "192.0.2.1,2026-10-01T07:00:00Z,,old\n")
	leases, err := f.leases(nil).LeasesOf(ip("192.0.2.1"), now.Add(-time.Hour), now)
	if err != nil || len(leases) != 0 {
		t.Errorf("%v %v", leases, err)
	}
}

// TestHostileLog: lines without end, many mistakes and names without end cost nothing and hide nothing.
func TestHostileLog(t *testing.T) {
	const good = "2026-10-01T08:00:00Z 192.0.2.1 alice ack\n"
	for name, text := range map[string]string{
		"long line":       strings.Repeat("x", 2*maxLeaseLine) + "\n" + good,
		"long lines":      good + strings.Repeat(strings.Repeat("x", 2*maxLeaseLine)+"\n", 3),
		"long open line":  good + strings.Repeat("x", 2*maxLeaseLine),
		"many mistakes":   strings.Repeat("2026-10-01T08:00:00Z 192.0.2.300 mallory ack\n", 3*maxLeaseMistakes) + good,
		"long subscriber": "2026-10-01T08:00:00Z 192.0.2.1 " + strings.Repeat("x", maxSubscriber+1) + " ack\n" + good,
		"zero bytes":      good + strings.Repeat("\x00", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			leases, err := ReadLeases(followed["syslog"], "log", strings.NewReader(text), time.Unix(1_800_000_000, 0))
			if len(leases) != 1 || leases[0].Subscriber != "alice" {
				t.Errorf("%d leases: %.200v", len(leases), err)
			}
			if strings.HasPrefix(name, "many") && len(lineErrors(err)) != maxLeaseMistakes {
				t.Errorf("%d mistakes are told", len(lineErrors(err)))
			}
		})
	}
}

// TestARenewedLeaseThatIsReleased ends with its release, not with the longest renewal.
func TestARenewedLeaseThatIsReleased(t *testing.T) {
	c := followed["length"]
	c.Length = Duration(time.Hour)
	leases, err := ReadLeases(c, "log", strings.NewReader("2026-10-01T08:00:00Z 192.0.2.1 alice ack\n2026-10-01T08:30:00Z 192.0.2.1 alice ack\n"+
		"2026-10-01T08:40:00Z 192.0.2.1 alice release\n2026-10-01T08:45:00Z 192.0.2.1 bob ack\n"), time.Unix(1_800_000_000, 0))
	if err != nil || len(leases) != 2 || leases[0].To.Format("15:04") != "08:40" {
		t.Errorf("%v %v", leases, err)
	}
}

// TestLookupsWhileALogGrows is for the race detector.
func TestLookupsWhileALogGrows(t *testing.T) {
	x := newLeaseIndex("log", 100)
	p, err := newLeaseParser(followed["syslog"], x, "log")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for {
				if _, err := x.LeasesOf(ip("192.0.2.1"), time.Unix(0, 0), time.Unix(1<<32, 0)); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 500 {
		p.takeLine(fmt.Sprintf("%s 192.0.2.%d user%d ack", time.Unix(int64(1_790_000_000+i), 0).UTC().Format(time.RFC3339), i%3, i%7))
	}
	close(done)
	wait.Wait()
	if x.size() > 100 {
		t.Errorf("%d leases", x.size())
	}
}

// TestAnEndWithoutRoom: a session that began before all that is kept, and ends when too many are open, is none.
func TestAnEndWithoutRoom(t *testing.T) {
	p, err := newLeaseParser(followed["radius"], newLeaseIndex("log", 100), "log")
	if err != nil {
		t.Fatal(err)
	}
	p.index.dropBefore(time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC).UnixMilli())
	for i := range 3000 {
		for line := range strings.SplitSeq(fmt.Sprintf("2026-10-01T07:00:00Z\n\tAcct-Status-Type = %s\n\tUser-Name = \"alice\"\n\tFramed-IP-Address = 192.0.2.1\n\tAcct-Session-Id = %d\n\n",
			[]string{"Start", "Stop"}[i%3/2], i), "\n") {
			p.takeLine(line)
		}
	}
	if p.index.size() != 0 || p.err() != nil || len(p.open) > 1100 {
		t.Errorf("%d leases, %d open, %v", p.index.size(), len(p.open), p.err())
	}
}

// TestARecordThatRunsIntoAnother names nobody: a server that crashed left the half of one.
func TestARecordThatRunsIntoAnother(t *testing.T) {
	const half = "2026-10-01T08:00:00Z\n\tAcct-Status-Type = Start\n\tFramed-IP-Address = 192.0.2.1\n\tFramed-IPv6-Prefix = 2001:db8:1::/64\n"
	const whole = "2026-10-01T08:01:00Z\n\tAcct-Status-Type = Start\n\tUser-Name = \"bob\"\n\tFramed-IP-Address = 192.0.2.2\n\tAcct-Session-Id = \"b\"\n\n"
	const last = "2026-10-01T08:02:00Z\n\tAcct-Status-Type = Start\n\tUser-Name = \"carol\"\n\tFramed-IP-Address = 192.0.2.3\n\tAcct-Session-Id = \"c\"\n\n"
	for name, tt := range map[string]struct{ text, want string }{
		"cut at the end of a line": {half + whole + last, "192.0.2.2/32 bob, 192.0.2.3/32 carol"},
		"cut within a name":        {half + "\tAcct-Sess" + whole + last, "192.0.2.3/32 carol"},
		"cut within a value":       {half + "\tUser-Name = \"ali" + whole + last, "192.0.2.3/32 carol"},
	} {
		t.Run(name, func(t *testing.T) {
			leases, err := ReadLeases(followed["radius"], "log", strings.NewReader(tt.text), time.Unix(1_800_000_000, 0))
			var got []string
			for _, l := range leases {
				got = append(got, l.Prefix.String()+" "+l.Subscriber)
			}
			if strings.Join(got, ", ") != tt.want || len(lineErrors(err)) != 1 || !strings.Contains(err.Error(), "log:1:") {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestWordsForTheEnd: what ends a lease is no begin of one, and what prolongs it no end.
func TestWordsForTheEnd(t *testing.T) {
	for word, ends := range map[string]bool{
		"DHCPACK": false, "assigned": false, "extended": false, "LEASE_EXTEND": false, "sending": false, "Built": false, "PORT_BLOCK_ALLOC": false, "map": false,
		"DHCPRELEASE": true, "DHCPDECLINE": true, "deassigned": true, "Teardown": true, "PORT_BLOCK_RELEASE": true, "deallocated": true, "session_end": true, "Ended": true,
		"unmapped": true, "logged off": true, "disconnected": true,
	} {
		text := "2026-10-01T08:00:00Z 192.0.2.1 alice DHCPACK\n2026-10-01T08:30:00Z 192.0.2.1 alice " + strings.ReplaceAll(word, " ", "_") + "\n"
		leases, err := ReadLeases(followed["syslog"], "log", strings.NewReader(text), time.Unix(1_800_000_000, 0))
		if err != nil || len(leases) != 1 || leases[0].To.IsZero() == ends {
			t.Errorf("%s: %v %v", word, leases, err)
		}
	}
}
