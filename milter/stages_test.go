package milter

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"spoor/internal/unit"
	"spoor/milter/miltertest"
)

// A stalling list does not answer while it is told to stall.
type stalling struct {
	stalls  atomic.Bool
	release chan struct{}
}

func (s *stalling) Listed(netip.Addr) (string, bool) {
	if s.stalls.Load() {
		<-s.release
	}
	return "", false
}

// A source that hangs at any stage costs that stage its judgement, and neither
// the session nor its later messages.
func TestDeadlineAtEveryStage(t *testing.T) {
	rules := map[stage]RuleConfig{
		stageConnect: {Name: "r", Action: ActionReject, Is: []string{"listed"}},
		stageMail:    {Name: "r", Action: ActionReject, Is: []string{"listed", "authenticated"}},
		stageRcpt:    {Name: "r", Action: ActionReject, Is: []string{"listed"}, Recipients: 1},
	}
	for at, rule := range rules {
		t.Run(at.String(), func(t *testing.T) {
			cfg := testConfig()
			cfg.Deadline = unit.Duration(20 * time.Millisecond)
			cfg.Rules = []RuleConfig{rule}
			list := &stalling{release: make(chan struct{})}
			r := start(t, cfg, Deps{Lookups: Lookups{Listed: list}})
			c := dial(t, r)
			list.stalls.Store(at == stageConnect)
			connect(t, c, "192.0.2.7")
			list.stalls.Store(true)
			must(t, c.Macros('M', "i", "1"))
			reply, err := c.Mail("a@example.org")
			must(t, err)
			if reply.Refused() {
				t.Errorf("MAIL: %q", reply.Text)
			}
			reply, err = c.Rcpt("b@example.com")
			must(t, err)
			if reply.Refused() {
				t.Errorf("RCPT: %q", reply.Text)
			}
			reply, changes, err := c.End()
			must(t, err)
			if reply.Code != 'c' || !strings.Contains(values(changes, fieldOrigin)[0], "undecided") {
				t.Errorf("end: reply %q, %v", reply.Code, changes)
			}
			list.stalls.Store(false)
			close(list.release)
			must(t, c.Abort())
			changes, deliveries := decided(t, c, letterTo(2))
			if !strings.Contains(values(changes, fieldOrigin)[0], "ip=192.0.2.7") {
				t.Errorf("the next message: %v", changes)
			}
			waitFor(t, func() bool { return r.judge.abandoned.Load() == 0 })
			if n := r.metric(t, "messages_total"); n != float64(1+deliveries) {
				t.Errorf("%v messages are counted, want %d", n, 1+deliveries)
			}
		})
	}
}

func TestRateLimit(t *testing.T) {
	r := start(t, refusing(ActionRateLimit, func(rc *RuleConfig) {
		rc.Count, rc.Per, rc.Over, rc.Is = "messages", "hour", 3, []string{"!authenticated"}
	}), Deps{Now: noon})
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	for i := range 6 {
		reply, _ := deliver(t, c, letterTo(1))
		if refused := i >= 3; reply.Refused() != refused {
			t.Errorf("message %d: %q", i+1, reply.Text)
		}
	}
	other := dial(t, r)
	connect(t, other, "192.0.2.8")
	if reply, _ := deliver(t, other, letterTo(1)); reply.Refused() {
		t.Errorf("another host: %q", reply.Text)
	}
	if got := r.judge.rates.get(addr("192.0.2.7"), noon()).get(countRefusals, windowHour); got != 3 {
		t.Errorf("%d refusals are counted, want 3", got)
	}
}

func TestSocketHasItsOwnerAndMode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a socket away")
	}
	cfg := testConfig()
	path := filepath.Join(t.TempDir(), "below", "m.sock")
	cfg.Listen = []string{"", path}
	cfg.SocketMode, cfg.SocketOwner, cfg.SocketGroup = "0620", "daemon", "65534"
	r := start(t, cfg, Deps{})
	info, err := os.Stat(path)
	must(t, err)
	if got := info.Mode().Perm(); got != 0o620 {
		t.Errorf("mode %o", got)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 1 || st.Gid != 65534 {
		t.Errorf("owner %d:%d", st.Uid, st.Gid)
	}
	c, err := miltertest.Dial("unix", path, 0, 0)
	must(t, err)
	connect(t, c, "192.0.2.7")
	deliver(t, c, letterTo(1))
	must(t, c.Close())
	r.stop()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket stays behind: %v", err)
	}
}

func TestBadSocketSettingsSayWhere(t *testing.T) {
	cfg := testConfig()
	cfg.Listen = []string{filepath.Join(t.TempDir(), "m.sock")}
	cfg.SocketGroup = "no-such-group-here"
	err := New(cfg, Deps{Tracer: plainTracer{}}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "socket_group") {
		t.Errorf("error %v", err)
	}
}

// Mail that never comes to its end counts as well: a host whose every recipient is refused.
func TestAbortedMailIsSighted(t *testing.T) {
	d := &desk{}
	r := start(t, testConfig(), Deps{Desk: d})
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	must(t, c.Macros('M', "i", "1"))
	_, err := c.Mail("a@example.org")
	must(t, err)
	for range 3 {
		must(t, c.Macros('R', "{rcpt_mailer}", "error", "{rcpt_host}", "5.1.1"))
		_, err := c.Rcpt("nobody@example.com")
		must(t, err)
	}
	must(t, c.Abort())
	must(t, c.Close())
	waitFor(t, func() bool { return r.metric(t, "messages_total", "aborted") == 1 })
	r.stop()
	if len(d.sightings) != 1 || d.sightings[0].Rejected != 3 || d.sightings[0].Messages != 0 {
		t.Errorf("sightings %+v", d.sightings)
	}
}

func TestMarkLeavesSubmissionsAlone(t *testing.T) {
	cfg := testConfig()
	cfg.Mark = []Direction{DirectionIn}
	r := start(t, cfg, Deps{})
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	m := letterTo(1)
	m.Header = append(m.Header, [2]string{"X-Spoor-Origin", "forged"})
	if _, changes := deliver(t, c, m); len(values(changes, fieldOrigin)) != 1 {
		t.Errorf("incoming: %v", changes)
	}
	m.Auth = "alice"
	if _, changes := deliver(t, c, m); len(changes) != 1 || changes[0].Code != 'm' {
		t.Errorf("submission: %v", changes)
	}
}

// Idle connections that begin a message while the milter stops may finish it; those that keep silent end.
func TestDrainWaitsForAMessageThatJustBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(testConfig(), Deps{Tracer: plainTracer{}})
		defer s.crew.dismiss()
		open := func() (*miltertest.Client, *link) {
			near, far := net.Pipe()
			s.serve(near, func() {})
			c, err := miltertest.New(far, 0, 0)
			must(t, err)
			connect(t, c, "192.0.2.7")
			var l *link
			for l = range s.judge.watch.links {
				if l.conn == near {
					break
				}
			}
			return c, l
		}
		busy, link := open()
		silent, other := open()
		synctest.Wait()
		link.drain()
		other.drain()
		must(t, busy.Macros('M', "i", "1"))
		_, err := busy.Mail("a@example.org")
		must(t, err)
		_, err = busy.Rcpt("b@example.com")
		must(t, err)
		time.Sleep(2 * quiet) // of the test's own clock
		reply, changes, err := busy.End()
		must(t, err)
		if reply.Code != 'c' || len(values(changes, fieldOrigin)) != 1 {
			t.Errorf("reply %q, %v", reply.Code, changes)
		}
		if _, _, err := silent.Receive(); err == nil {
			t.Error("a silent connection stays open")
		}
		time.Sleep(2 * quiet)
		if _, _, err := busy.Receive(); err == nil {
			t.Error("a connection stays open after its message")
		}
	})
}
