package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"spoor/cmd/spoor/control"
	"spoor/internal/message"
)

// crashConfig takes whatever load a test gives: what it limits is tested elsewhere.
const crashConfig = `[site]
name     = "Example Regional Network"
hosts    = ["example.net"]
networks = ["2001:db8::/32"]
desk     = "abuse-desk@example.net"
[store]
dir      = %q
min_free = "1MB"
[abusebox]
smtp       = ["127.0.0.1:0"]
hostname   = "mx.example.net"
recipients = ["abuse@example.net"]
max_connections_client = 500
connections_per_minute = 10000000
mails_per_minute       = 10000000
[report]
authenticate = false
[desk]
attempts = 50 # the kills come faster than mails are decided: none of them is the mail's fault
[incident]
per_reporter = 10000000
per_unproven = 10000000
[registry]
contacts = ["contacts.toml"]
[notify]
from        = "abuse@example.net"
smarthost   = %q
starttls    = "never"
send        = true
per_contact = 10000
per_hour    = 1000000
workers     = 8
retry_first = "1s"
`

// crashContactCount spreads the notices, since no contact gets more than 10,000 in an hour.
const crashContactCount = 64

func crashContacts() string {
	var b strings.Builder
	for n := range crashContactCount {
		fmt.Fprintf(&b, "[[contact]]\nIP-Network = \"2001:db8:0:%x::/64\"\nOrg-Name = \"Customer %[1]d\"\nAbuse-Contact = \"abuse@customer%[1]d.example\"\n", n)
	}
	return b.String()
}

// crashMail is a feedback report about an address of its own.
func crashMail(ip netip.Addr) []byte {
	return fmt.Appendf(nil, "From: Feedback <fbl@reporter.example>\r\nTo: abuse@example.net\r\nSubject: spam report\r\nDate: %[2]s\r\n"+
		"Message-ID: <%[3]x@reporter.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n"+
		"--b\r\nContent-Type: text/plain\r\n\r\nA mail was reported as spam.\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n"+
		"Feedback-Type: abuse\r\nUser-Agent: ExampleFBL/1.0\r\nVersion: 1\r\nSource-IP: %[1]s\r\nArrival-Date: %[2]s\r\n\r\n"+
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: shop@sender.example\r\nSubject: Buy now\r\n\r\n--b--\r\n",
		ip, time.Now().UTC().Format(time.RFC1123Z), ip.AsSlice())
}

func crashAddress(n uint32) netip.Addr {
	b := netip.MustParseAddr("2001:db8::").As16()
	b[7] = byte(n % crashContactCount)
	b[12], b[13], b[14], b[15] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return netip.AddrFrom16(b)
}

// A load is many senders that repeat each mail until it is answered 250.
type load struct {
	t      *testing.T
	pause  time.Duration // between two mails of one sender
	addr   atomic.Pointer[string]
	next   atomic.Uint32
	mu     sync.Mutex
	acked  map[netip.Addr]bool
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

func startLoad(t *testing.T, senders int, pause time.Duration, addr string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{t: t, pause: pause, acked: map[netip.Addr]bool{}, cancel: cancel}
	l.addr.Store(&addr)
	for range senders {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				l.send(ctx)
				time.Sleep(l.pause)
			}
		})
	}
	return l
}

// send hands one mail in, again and again until it is taken or the load ends.
func (l *load) send(ctx context.Context) {
	ip := crashAddress(l.next.Add(1))
	mail := crashMail(ip)
	for ctx.Err() == nil {
		if err := deliver(ctx, *l.addr.Load(), "fbl@reporter.example", "abuse@example.net", mail); err == nil {
			l.mu.Lock()
			l.acked[ip] = true
			l.mu.Unlock()
			return
		}
		time.Sleep(5 * time.Millisecond) // the daemon is down
	}
}

// taken is how many mails were answered 250 so far.
func (l *load) taken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

func (l *load) stop() map[netip.Addr]bool {
	l.cancel()
	l.wait.Wait()
	return maps.Clone(l.acked)
}

// TestCrash kills the daemon at random under 32 senders: what was answered 250 is decided once, and told once.
func TestCrash(t *testing.T) {
	const rounds, senders = 5, 32
	dir, out := crashSetup(t)
	daemon := startServe(t, dir)
	l := startLoad(t, senders, 0, daemon.smtp())
	for range rounds {
		enough := l.taken() + senders
		daemon.until("the daemon takes mails", func() bool { return l.taken() >= enough })
		time.Sleep(rand.N(time.Second)) // a kill comes at any time
		daemon.kill()
		daemon = startServe(t, dir)
		addr := daemon.smtp()
		l.addr.Store(&addr)
	}
	acked := l.stop()
	incidents := waitForAll(t, daemon, acked)
	notices, repeats := countNotices(t, out)
	t.Logf("%d mails answered 250, %d incidents, %d notices, %d of them repeated, %d kills", len(acked), len(incidents), len(notices), repeats, rounds)
	for ip := range acked {
		if n := incidents[ip]; n != 1 {
			t.Errorf("%s: %d incidents, want 1", ip, n)
		}
	}
	if len(notices) != len(incidents) {
		t.Errorf("%d notices by Message-ID about %d incidents", len(notices), len(incidents))
	}
	const inFlight = 8 // [notify] workers
	if repeats > rounds*inFlight {
		t.Errorf("%d notices were repeated, more than the %d kills with %d in flight each explain", repeats, rounds, inFlight)
	}
	if text, err := daemon.spoor(nil, "check"); err != nil {
		t.Errorf("the store is not sound: %v\n%s", err, text)
	}
}

func crashSetup(t *testing.T) (dir string, out *sink) {
	dir = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	out, err := startSink(ctx, filepath.Join(dir, "sink"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"spoor.toml": fmt.Sprintf(crashConfig, filepath.Join(dir, "store"), out.addr), "contacts.toml": crashContacts(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, out
}

// waitForAll waits until every mail that was answered is an incident and nothing waits, and counts incidents by address.
func waitForAll(t *testing.T, daemon *process, acked map[netip.Addr]bool) (incidents map[netip.Addr]int) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%d incidents of %d mails, %d tasks wait", len(incidents), len(acked), daemon.waiting())
		}
	}()
	daemon.until("every answered mail is decided and told", func() bool {
		if daemon.waiting() != 0 {
			return false
		}
		incidents = map[netip.Addr]int{}
		text, err := daemon.spoor(nil, "incidents", "list", "--json", "--limit", "10000000")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			var i control.IncidentLine
			if err := json.Unmarshal([]byte(line), &i); err != nil {
				t.Fatal(err)
			}
			ip, err := netip.ParseAddr(i.IP)
			if err != nil {
				t.Fatalf("an incident without an address: %s", line)
			}
			incidents[ip]++
		}
		return len(incidents) >= len(acked) && daemon.waiting() == 0
	})
	return incidents
}

// countNotices counts what the sink holds by Message-ID, and how many came more than once.
func countNotices(t *testing.T, out *sink) (byID map[string]int, repeats int) {
	t.Helper()
	files, err := out.mails()
	if err != nil {
		t.Fatal(err)
	}
	byID = map[string]int{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		header, _, _ := message.ReadHeader(data, message.DefaultLimits())
		id := header.Get("Message-ID")
		if byID[id]++; byID[id] > 1 {
			repeats++
		}
	}
	return byID, repeats
}
