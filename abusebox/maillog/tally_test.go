package maillog

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testDay = time.Date(2026, 10, 2, 0, 0, 0, 0, time.UTC)

func tallyText(t testing.TB, opts Options, text string) Report {
	t.Helper()
	tally := NewTally(opts)
	if err := tally.Read(context.Background(), strings.NewReader(text), testDay); err != nil {
		t.Fatal(err)
	}
	return tally.Report()
}

// lines puts "Oct 1 08:00:00 mx1 " and so on before each line, a second apart.
func lines(texts ...string) string {
	var b strings.Builder
	at := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	for _, text := range texts {
		fmt.Fprintf(&b, "%s mx1 %s\n", at.Format("Jan _2 15:04:05"), text)
		at = at.Add(time.Second)
	}
	return b.String()
}

var addrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// relayCounts is the relays' counts by address.
func relayCounts(r Report) map[string]Counts {
	out := map[string]Counts{}
	for _, relay := range r.Relays {
		out[relay.Addr.String()] = relay.Counts
	}
	return out
}

func accountCounts(r Report) map[string]Counts {
	out := map[string]Counts{}
	for _, a := range r.Accounts {
		out[a.Name] = a.Counts
	}
	return out
}

func TestJoining(t *testing.T) {
	const client = "postfix/smtpd[1]: 4F1B2C0A3D: client=mx.example.org[192.0.2.7]"
	const queued = "postfix/qmgr[2]: 4F1B2C0A3D: from=<a@example.org>, size=1000, nrcpt=2 (queue active)"
	const late = "postfix/smtp[3]: 4F1B2C0A3D: to=<b@example.com>, relay=x, delay=1, dsn=4.4.1, status=deferred (x)"
	const virus = "amavis[1]: (1-1) Blocked INFECTED (Eicar) {DiscardedInbound}, [127.0.0.1] <a@example.org> -> <b@example.com>, Queue-ID: 4F1B2C0A3D, x"
	one := Counts{Messages: 1, Recipients: 2, Bytes: 1000, MaxSize: 1000}
	with := func(c Counts, change func(*Counts)) Counts { change(&c); return c }
	for _, test := range []struct {
		name     string
		lines    []string
		relays   map[string]Counts
		accounts map[string]Counts
	}{
		{"a message is told once, however often the queue runs", []string{client, queued, late, queued, late, queued},
			map[string]Counts{"192.0.2.7": with(one, func(c *Counts) { c.Deferred = 2 })}, nil},
		{"a virus that is logged twice is one", []string{client, queued, virus, virus},
			map[string]Counts{"192.0.2.7": with(one, func(c *Counts) { c.Viruses = 1 })}, nil},
		{"a virus before the origin waits for it", []string{"clamav-milter[1]: Message x9L8E1aB000007 infected by Eicar",
			"sendmail[7]: x9L8E1aB000007: from=<a@example.org>, size=1000, class=0, nrcpts=2, msgid=<1>, relay=[192.0.2.7]"},
			map[string]Counts{"192.0.2.7": with(one, func(c *Counts) { c.Viruses = 1 })}, nil},
		{"an unknown user before the envelope waits for it", []string{"sendmail[7]: x9L8E1aB000007: <nobody@example.net>... User unknown",
			"sendmail[7]: x9L8E1aB000007: from=<a@example.org>, size=1000, class=0, nrcpts=2, msgid=<1>, relay=[192.0.2.7]"},
			map[string]Counts{"192.0.2.7": with(one, func(c *Counts) { c.Rejected = 1 })}, nil},
		{"a short queue id is used again", []string{client, queued, "postfix/smtpd[1]: 4F1B2C0A3D: client=b.example.org[192.0.2.8]", queued},
			map[string]Counts{"192.0.2.7": one, "192.0.2.8": one}, nil},
		{"a login stands with its relay", []string{client + ", sasl_method=PLAIN, sasl_username=bob", queued},
			map[string]Counts{"192.0.2.7": one}, map[string]Counts{"bob": one}},
		{"sendmail's login is known by its process", []string{"sendmail[9]: AUTH=server, relay=x [192.0.2.7], authid=bob, mech=LOGIN, bits=0",
			"sendmail[9]: x9L8E1aB000007: from=<a@example.org>, size=1000, class=0, nrcpts=2, msgid=<1>, relay=x [192.0.2.7]",
			"sendmail[8]: x9L8E1bB000008: from=<a@example.org>, size=1000, class=0, nrcpts=2, msgid=<1>, relay=x [192.0.2.7]"},
			map[string]Counts{"192.0.2.7": {Messages: 2, Recipients: 4, Bytes: 2000, MaxSize: 1000}}, map[string]Counts{"bob": one}},
		{"another peer in the same process had not logged in", []string{"sendmail[9]: AUTH=server, relay=x [192.0.2.7], authid=bob, mech=LOGIN, bits=0",
			"sendmail[9]: x9L8E1aB000007: from=<a@example.org>, size=1000, class=0, nrcpts=2, msgid=<1>, relay=y [192.0.2.8]"},
			map[string]Counts{"192.0.2.8": one}, nil},
		{"local users are accounts", []string{"postfix/pickup[1]: 4F1B2C0A3D: uid=33 from=<www-data>", queued}, nil, map[string]Counts{"uid=33": one}},
		{"a message that a filter hands back is the same", []string{client, queued,
			"postfix/smtpd[1]: 5F1B2C0A3E: client=localhost[127.0.0.1], orig_queue_id=4F1B2C0A3D, orig_client=mx.example.org[192.0.2.7]",
			"postfix/qmgr[2]: 5F1B2C0A3E: from=<a@example.org>, size=1400, nrcpt=2 (queue active)"},
			map[string]Counts{"192.0.2.7": one}, nil},
		{"the log daemon repeats a refusal", []string{"postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no", "last message repeated 3 times"},
			map[string]Counts{"192.0.2.7": {Rejected: 4}}, nil},
		{"and not one before another line", []string{"postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no", "sshd[1]: hello there", "last message repeated 3 times"},
			map[string]Counts{"192.0.2.7": {Rejected: 1}}, nil},
		{"what a header says is not believed", []string{client, "postfix/cleanup[1]: 4F1B2C0A3D: reject: header Subject: from evil[203.0.113.66]: x from mx.example.org[192.0.2.7]; from=<a@example.org>: 5.7.1 no"},
			map[string]Counts{"192.0.2.7": {Rejected: 1}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := tallyText(t, Options{Zone: time.UTC}, lines(test.lines...))
			if diff := cmp.Diff(test.relays, relayCounts(report), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("relays:\n%s", diff)
			}
			if diff := cmp.Diff(test.accounts, accountCounts(report), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("accounts:\n%s", diff)
			}
		})
	}
}

// TestHostsAreKeptApart: two servers may use the same queue id at once.
func TestHostsAreKeptApart(t *testing.T) {
	report := tallyText(t, Options{Zone: time.UTC}, `Oct  1 08:00:00 mx1 postfix/smtpd[1]: 4F1B2C0A3D: client=a.example.org[192.0.2.7]
Oct  1 08:00:00 mx2 postfix/smtpd[1]: 4F1B2C0A3D: client=b.example.org[192.0.2.8]
Oct  1 08:00:01 mx1 postfix/qmgr[2]: 4F1B2C0A3D: from=<a@example.org>, size=7, nrcpt=1 (queue active)
Oct  1 08:00:01 mx2 postfix/qmgr[2]: 4F1B2C0A3D: from=<b@example.org>, size=8, nrcpt=1 (queue active)
`)
	want := map[string]Counts{"192.0.2.7": {Messages: 1, Recipients: 1, Bytes: 7, MaxSize: 7}, "192.0.2.8": {Messages: 1, Recipients: 1, Bytes: 8, MaxSize: 8}}
	if diff := cmp.Diff(want, relayCounts(report)); diff != "" {
		t.Error(diff)
	}
}

func TestForgedNames(t *testing.T) {
	report := tallyText(t, Options{Zone: time.UTC}, lines(
		"postfix/smtpd[1]: warning: hostname dsl.example.org does not resolve to address 192.0.2.7: Name or service not known",
		"postfix/smtpd[1]: 4F1B2C0A3D: client=unknown[192.0.2.7]",
		"postfix/qmgr[2]: 4F1B2C0A3D: from=<a@example.org>, size=7, nrcpt=1 (queue active)",
		"postfix/smtpd[1]: 4F1B2C0A3E: client=unknown[192.0.2.8]",
		"postfix/qmgr[2]: 4F1B2C0A3E: from=<a@example.org>, size=7, nrcpt=1 (queue active)",
	))
	if len(report.Relays) != 2 || !report.Relays[0].Forged || report.Relays[1].Forged {
		t.Errorf("relays %+v, want the first marked alone", report.Relays)
	}
}

// TestFormsOfFiles: the same lines plain, packed, with CR LF, and without a last line end, read by one and many parsers.
func TestFormsOfFiles(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "mail.log")
	messages, refusals := writeLog(t, plain, 3*chunkSize)
	text, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	want := tallyText(t, Options{Zone: time.UTC, Workers: 1}, string(text))
	if want.Total.Messages != int64(messages) || want.Total.Rejected != int64(refusals) {
		t.Fatalf("%d messages and %d refusals, want %d and %d", want.Total.Messages, want.Total.Rejected, messages, refusals)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(text)
	_ = w.Close()
	for name, form := range map[string]string{
		"packed": packed.String(), "without a last line end": strings.TrimSuffix(string(text), "\n"), "many parsers": string(text),
		"CR LF": strings.ReplaceAll(string(text), "\n", "\r\n"),
	} {
		got := tallyText(t, Options{Zone: time.UTC, Workers: 4}, form)
		got.Total.LogBytes = want.Total.LogBytes
		if diff := cmp.Diff(want, got, addrs, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	cut := packed.String()[:packed.Len()/2]
	if err := NewTally(Options{}).Read(context.Background(), strings.NewReader(cut), testDay); err == nil {
		t.Error("a packed file that breaks off is taken as whole")
	}
}

// TestRotatedFiles: files come in the shell's order, mail.log before mail.log.1, and are read by age.
func TestRotatedFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, modified time.Time) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
		return path
	}
	newer := write("mail.log", "Jan  1 00:00:05 mx1 postfix/qmgr[2]: 4F1B2C0A3D: from=<a@example.org>, size=7, nrcpt=1 (queue active)\n", time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC))
	older := write("mail.log.1", "Dec 31 23:59:59 mx1 postfix/smtpd[1]: 4F1B2C0A3D: client=a.example.org[192.0.2.7]\n", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	report := tallyOf(t, Options{Zone: time.UTC}, newer, older)
	if report.Total.Messages != 1 || report.Total.First.Year() != 2026 {
		t.Errorf("%d messages, first in %d; want 1 in 2026", report.Total.Messages, report.Total.First.Year())
	}
}

func TestTimeLimits(t *testing.T) {
	text := lines("postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no",
		"postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no", "postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no")
	begin := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	report := tallyText(t, Options{Zone: time.UTC, Since: begin.Add(time.Second), Until: begin.Add(2 * time.Second)}, text)
	if report.Total.Rejected != 1 {
		t.Errorf("%d refusals, want the middle one", report.Total.Rejected)
	}
}

// TestOverlongLines: a line longer than a chunk is skipped and counted, and its neighbours are read.
func TestOverlongLines(t *testing.T) {
	refusal := "Oct  1 08:00:00 mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no\n"
	for _, size := range []int{chunkSize - 1, chunkSize, chunkSize + 1, 5*chunkSize + 7} {
		report := tallyText(t, Options{Zone: time.UTC}, refusal+strings.Repeat("x", size)+"\n"+refusal)
		if report.Total.Rejected != 2 || report.Total.Overlong+report.Total.Malformed != 1 {
			t.Errorf("%d bytes: %d refusals, %d overlong, %d malformed", size, report.Total.Rejected, report.Total.Overlong, report.Total.Malformed)
		}
	}
}

// TestRelaysAreBounded: with far more relays than room the worst stay, and what was dropped is told.
func TestRelaysAreBounded(t *testing.T) {
	var b strings.Builder
	rng := rand.New(rand.NewPCG(3, 4))
	const others = 20000
	for i := range others {
		fmt.Fprintf(&b, "Oct  1 08:00:00 mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[10.%d.%d.%d]: 554 5.7.1 no\n", i>>16, i>>8&255, i&255)
		if rng.IntN(20) == 0 {
			b.WriteString("Oct  1 08:00:00 mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no\n")
		}
	}
	text := b.String()
	report := tallyText(t, Options{Zone: time.UTC, MaxRelays: 1000, Top: 3}, text)
	want := int64(strings.Count(text, "192.0.2.7"))
	worst := report.Relays[0]
	if worst.Addr != netip.MustParseAddr("192.0.2.7") || worst.Rejected+worst.Missed/100 < want {
		t.Errorf("worst relay %s with %d refusals and %d missed, want 192.0.2.7 with %d", worst.Addr, worst.Rejected, worst.Missed, want)
	}
	if d := report.Total.DroppedRelays; d < others*8/10 || d > others*12/10 {
		t.Errorf("%d relays are said to be dropped, about %d were", d, others-1000)
	}
	if report.Total.Rejected != want+others {
		t.Errorf("the total lost some: %d of %d", report.Total.Rejected, want+others)
	}
}

// TestQueueIDsAreBounded: the oldest open messages are forgotten, and counted.
func TestQueueIDsAreBounded(t *testing.T) {
	j := newJoiner(newClock(time.UTC, time.UTC, 2026, testDay), func(*fact) {})
	j.maxRing = 2 * ringBlock
	var e event
	for i := range 5 * ringBlock {
		if !parse(fmt.Appendf(nil, "Oct  1 08:00:00 mx1 postfix/smtpd[1]: %010X: client=a.example.org[192.0.2.7]", i), &e) {
			t.Fatal("no log line")
		}
		j.add(&e)
	}
	if len(j.at) != j.maxRing || len(j.ring) != 2 || j.counts.Forgotten != 3*ringBlock {
		t.Errorf("%d ids in %d blocks, %d forgotten", len(j.at), len(j.ring), j.counts.Forgotten)
	}
}

func TestRunsAreBounded(t *testing.T) {
	b := newBursts(4, 10, 10, nil)
	for i := range 3 * maxRuns {
		f := fact{kind: aMessage, at: int64(i / 100000), addr: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), 1}), sender: fmt.Appendf(nil, "a@d%d.example", i)}
		b.add(&f)
	}
	if len(b.open) > maxRuns || b.dropped == 0 {
		t.Errorf("%d runs open, %d dropped", len(b.open), b.dropped)
	}
}

// TestMemoryDoesNotGrow: twice the log takes hardly more memory once the bounds are reached.
func TestMemoryDoesNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("reads many lines")
	}
	live := func(n int) uint64 {
		tally := NewTally(Options{Zone: time.UTC, MaxRelays: 2000, MaxAccounts: 2000})
		tally.join.maxRing = ringBlock
		if err := tally.Read(context.Background(), &endless{left: n}, testDay); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		runtime.KeepAlive(tally)
		return m.HeapAlloc
	}
	small, large := live(80_000), live(240_000)
	if large > small*2 {
		t.Errorf("live memory grew from %d to %d bytes with three times the lines", small, large)
	}
}

// An endless reader makes lines of ever new relays, accounts and domains.
type endless struct {
	left, n int
	buffer  []byte
}

func (r *endless) Read(p []byte) (int, error) {
	for len(r.buffer) == 0 && r.n < r.left {
		at := time.Date(2026, 10, 1, 0, 0, r.n/1000, 0, time.UTC).Format("Jan _2 15:04:05")
		r.buffer = fmt.Appendf(r.buffer[:0], "%s mx1 postfix/smtpd[1]: %010X: client=h%d.example.org[2001:db8:%x::%x], sasl_username=u%d\n%s mx1 postfix/qmgr[1]: %010X: from=<a@d%d.example>, size=7, nrcpt=1 (queue active)\n",
			at, r.n, r.n, r.n>>16, r.n&0xffff, r.n, at, r.n, r.n)
		r.n++
	}
	n := copy(p, r.buffer)
	r.buffer = r.buffer[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
