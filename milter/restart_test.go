package milter

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"spoor/internal/peers"
)

// childEnv makes the test binary a milter of its own, so that it can be killed and measured. It
// holds what kind of milter ("ours" or one of runNull's) and where it listens.
const childEnv = "SPOOR_MILTER_TEST_CHILD"

func runChild(role string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	kind, listen, _ := strings.Cut(role, " ")
	var err error
	switch kind {
	case "ours":
		cfg := testConfig()
		cfg.AuthservID, cfg.Listen, cfg.SocketMode = "", []string{listen}, "0666"
		err = New(cfg, Deps{Tracer: NewTracer(nil, nil, nil)}).Run(ctx)
	default:
		err = runNull(ctx, listen, kind)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// childCommand makes this test binary a milter of a kind.
func childCommand(kind, listen string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+kind+" "+listen)
	return cmd
}

func startChild(t *testing.T, at netip.AddrPort) *peers.Process {
	t.Helper()
	p := peers.Start(t, childCommand("ours", at.String()))
	peers.WaitFor(t, 3*time.Minute, "the milter", func() bool { return peers.Answers(at) })
	return p
}

// The milter is killed, and later asked to end, under load: every message that
// the MTA took arrives once, and every other was refused for now. With
// "tempfail" none passes unmarked; with "accept" none is refused.
func TestRestartUnderLoad(t *testing.T) {
	for _, tt := range []struct {
		mta, action string
		start       func(t *testing.T, milter netip.AddrPort, out *sink) netip.AddrPort
	}{
		{"postfix", "tempfail", postfixWith("tempfail")},
		{"postfix", "accept", postfixWith("accept")},
		{"sendmail", "tempfail", sendmailWith("F=T, ")},
		{"sendmail", "accept", sendmailWith("")},
	} {
		t.Run(tt.mta+"/"+tt.action, func(t *testing.T) {
			milter := peers.Loopback(peers.FreePort(t))
			child := startChild(t, milter)
			out := newSink(t)
			load := newLoad(t, tt.start(t, milter, out))
			for _, end := range []func(*peers.Process){(*peers.Process).Kill, (*peers.Process).Stop} {
				load.wait(t, 25)
				end(child)
				load.wait(t, 25) // without a milter
				child = startChild(t, milter)
			}
			load.wait(t, 25)
			accepted, refused := load.stop()
			t.Logf("accepted %d, refused for now %d", len(accepted), refused)
			check(t, tt.action, out, accepted, refused)
		})
	}
}

func postfixWith(action string) func(*testing.T, netip.AddrPort, *sink) netip.AddrPort {
	return func(t *testing.T, milter netip.AddrPort, out *sink) netip.AddrPort {
		return peers.NewPostfix(t, peers.PostfixOptions{Main: postfixMain(milter, out, action)}).Addr
	}
}

func sendmailWith(action string) func(*testing.T, netip.AddrPort, *sink) netip.AddrPort {
	return func(t *testing.T, milter netip.AddrPort, out *sink) netip.AddrPort {
		return peers.NewSendmail(t, sendmailOptions(milter, out, action)).Addr
	}
}

func check(t *testing.T, action string, out *sink, accepted map[string]bool, refused int) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); len(out.all()) < len(accepted) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	arrived := map[string]int{}
	unmarked := 0
	for _, m := range out.all() {
		subject := strings.Join(m.fields("Subject"), "")
		arrived[subject]++
		if !accepted[subject] {
			t.Errorf("%s arrived, which was not accepted", subject)
		}
		switch n := len(m.fields(fieldOrigin)); {
		case n == 0:
			unmarked++
		case n > 1:
			t.Errorf("%s is marked %d times", subject, n)
		}
	}
	for subject := range accepted {
		if arrived[subject] != 1 {
			t.Errorf("%s was accepted and arrived %d times", subject, arrived[subject])
		}
	}
	if action == "tempfail" && unmarked > 0 {
		t.Errorf("%d messages passed unmarked", unmarked)
	}
	if action == "tempfail" && refused == 0 || action == "accept" && unmarked == 0 {
		t.Error("the load never met the missing milter: the test shows nothing")
	}
	if action == "accept" && refused > 0 {
		t.Errorf("%d messages were refused", refused)
	}
}

// A load sends messages over several connections until it is stopped.
type load struct {
	addr netip.AddrPort
	t    *testing.T
	quit chan struct{}
	wg   sync.WaitGroup

	mu       sync.Mutex
	next     int
	done     int
	accepted map[string]bool
	refused  int
}

func newLoad(t *testing.T, addr netip.AddrPort) *load {
	l := &load{addr: addr, t: t, quit: make(chan struct{}), accepted: map[string]bool{}}
	for range 4 {
		l.wg.Go(l.run)
	}
	t.Cleanup(func() { l.stop() })
	return l
}

func (l *load) run() {
	for {
		select {
		case <-l.quit:
			return
		default:
			l.session()
		}
	}
}

// session sends up to three messages on one connection.
func (l *load) session() {
	d, err := openSMTP(l.t, l.addr)
	if err != nil {
		l.count("", false) // 421 at the greeting is a refusal for now
		time.Sleep(5 * time.Millisecond)
		return
	}
	defer d.conn.Close()
	if !d.try("EHLO client.example.org\r\n", "250") {
		l.count("", false)
		return
	}
	for range 3 {
		l.mu.Lock()
		l.next++
		subject := fmt.Sprintf("load-%d", l.next)
		l.mu.Unlock()
		ok := d.try("MAIL FROM:<sender@example.org>\r\n", "250") && d.try("RCPT TO:<rcpt@example.com>\r\n", "250") &&
			d.try("DATA\r\n", "354") && d.try("Subject: "+subject+"\r\n\r\nhello\r\n.\r\n", "250")
		l.count(subject, ok)
		if !ok {
			return
		}
	}
	d.try("QUIT\r\n", "221")
}

// try says whether the reply is the wanted one; any but a temporary refusal instead fails the test.
func (d *dialogue) try(text, want string) bool {
	if err := d.send(text); err != nil {
		d.t.Errorf("send %q: %v", text, err)
		return false
	}
	code, err := d.reply()
	if err != nil || code != want && code[0] != '4' {
		d.t.Errorf("%q: reply %s, %v", text, code, err)
		return false
	}
	return code == want
}

func (l *load) count(subject string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done++
	if ok {
		l.accepted[subject] = true
	} else {
		l.refused++
	}
}

// wait returns after n more messages.
func (l *load) wait(t *testing.T, n int) {
	t.Helper()
	l.mu.Lock()
	until := l.done + n
	l.mu.Unlock()
	peers.WaitFor(t, 3*time.Minute, fmt.Sprintf("%d messages", n), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.done >= until
	})
}

func (l *load) stop() (accepted map[string]bool, refused int) {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.wg.Wait()
	return l.accepted, l.refused
}
