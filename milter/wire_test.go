package milter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"spoor/internal/trace"
	"spoor/internal/unit"
	"spoor/milter/miltertest"
)

// Each of these makes bare go-milter lose step, lose the session or end the connection.
func TestWhatGoMilterStumblesOver(t *testing.T) {
	r := start(t, testConfig(), Deps{})
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	check := func(what string) {
		t.Helper()
		reply, changes := deliver(t, c, letterTo(1))
		if reply.Code != 'c' || len(values(changes, fieldOrigin)) != 1 {
			t.Fatalf("after %s: reply %q, changes %v", what, reply.Code, changes)
		}
	}
	must(t, c.Send('L', []byte("X-Nul\x00one\x00two\x00")))
	check("a NUL in a header")
	must(t, c.Send('L', []byte("\x00value\x00")))
	check("a header without a name")
	must(t, c.Send('L', []byte("X-Cut")))
	check("a header without a value")
	must(t, c.Send('L', nil))
	check("an empty header packet")
	must(t, c.Send('D', nil))
	check("an empty macro packet")
	must(t, c.Send('U', []byte("NOSUCH\x00")))
	if code, _, err := c.Receive(); code != 'c' || err != nil {
		t.Fatalf("unknown command: %q, %v", code, err)
	}
	check("an unknown SMTP command")
	must(t, c.Send('K', nil))
	connect(t, c, "192.0.2.8")
	reply, changes := deliver(t, c, letterTo(1))
	if got := values(changes, fieldOrigin); reply.Code != 'c' || !strings.Contains(got[0], "ip=192.0.2.8;") {
		t.Errorf("after a new connection on the old one: %q", got)
	}
}

func TestSendmailsIPv6(t *testing.T) {
	r := start(t, testConfig(), Deps{})
	c := dial(t, r)
	connect(t, c, "IPv6:2001:db8::7")
	_, changes := deliver(t, c, letterTo(1))
	if got := values(changes, fieldOrigin); !strings.Contains(got[0], "ip=2001:db8::7;") {
		t.Errorf("origin %q", got)
	}
}

func TestBadPacketsEndTheConnectionAlone(t *testing.T) {
	long := binary.BigEndian.AppendUint32(nil, maxPacket+1)
	tests := []struct {
		name, fault string
		bytes       []byte
	}{
		{"empty", "empty_packet", []byte{0, 0, 0, 0}},
		{"too long", "long_packet", long},
		{"no negotiation", "no_negotiation", []byte{0, 0, 0, 1, 'Q'}},
		{"short negotiation", "no_negotiation", []byte{0, 0, 0, 5, 'O', 0, 0, 0, 6}},
		{"cut off", "broken", []byte{0, 0, 0, 9, 'O', 1}},
		{"unknown code", "unknown_command", append(negotiation(), 0, 0, 0, 1, '!')},
		{"connect without a port", "malformed_connect", append(negotiation(), 0, 0, 0, 4, 'C', 'x', 0, '4')},
		{"connect without a family", "malformed_connect", append(negotiation(), 0, 0, 0, 2, 'C', 'x')},
		{"negotiation twice", "second_negotiation", append(negotiation(), negotiation()...)},
	}
	r := start(t, testConfig(), Deps{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("unix", r.socket)
			must(t, err)
			defer conn.Close()
			_, err = conn.Write(tt.bytes)
			must(t, err)
			must(t, conn.(*net.UnixConn).CloseWrite())
			must(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
			for {
				if _, err := conn.Read(make([]byte, 100)); err != nil {
					if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
						t.Error("the connection stays open")
					}
					break
				}
			}
			if tt.fault != "" && r.metric(t, "wire_faults_total", tt.fault) == 0 {
				t.Errorf("fault %q is not counted", tt.fault)
			}
		})
	}
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	deliver(t, c, letterTo(1))
}

func negotiation() []byte {
	p := []byte{0, 0, 0, 13, 'O', 0, 0, 0, 6}
	p = binary.BigEndian.AppendUint32(p, miltertest.AllActions)
	return binary.BigEndian.AppendUint32(p, miltertest.AllProtocol)
}

// An MTA that sends one byte at a time is slow, not wrong; one that stops
// within a packet is given up.
func TestSlowMTA(t *testing.T) {
	cfg := testConfig()
	r := start(t, cfg, Deps{})
	conn, err := net.Dial("unix", r.socket)
	must(t, err)
	c, err := miltertest.New(dripping{conn}, 0, 0)
	must(t, err)
	connect(t, c, "192.0.2.7")
	if reply, _ := deliver(t, c, letterTo(1)); reply.Code != 'c' {
		t.Errorf("reply %q", reply.Code)
	}
	must(t, c.Close())

	cfg.PacketTimeout = unit.Duration(200 * time.Millisecond)
	r = start(t, cfg, Deps{})
	conn, err = net.Dial("unix", r.socket)
	must(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte{0, 0})
	must(t, err)
	must(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("half a packet is waited for: %v", err)
	}
	waitFor(t, func() bool { return r.metric(t, "wire_faults_total", "timeout") == 1 })
}

type dripping struct{ net.Conn }

func (d dripping) Write(p []byte) (n int, err error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestDeadlineLetsMailPass(t *testing.T) {
	cfg := testConfig()
	cfg.Deadline = unit.Duration(20 * time.Millisecond)
	release := make(chan struct{})
	r := start(t, cfg, Deps{Tracer: plainTracer{before: func() { <-release }}})
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	for range 3 {
		reply, changes := deliver(t, c, letterTo(1))
		got := values(changes, fieldFindings)
		if reply.Code != 'c' || len(got) != 1 || !strings.Contains(got[0], "status=undecided") {
			t.Fatalf("reply %q, findings %q", reply.Code, got)
		}
	}
	if n := r.metric(t, "undecided_total", "deadline"); n != 3 {
		t.Errorf("counted %v", n)
	}
	close(release)
	waitFor(t, func() bool { return r.judge.abandoned.Load() == 0 })
	decided(t, c, letterTo(1))
}

// decided delivers a message, again and again on a machine too busy to judge it in time, until it is judged.
func decided(t *testing.T, c *miltertest.Client, m miltertest.Message) (changes []miltertest.Change, deliveries int) {
	t.Helper()
	waitFor(t, func() bool {
		var reply miltertest.Reply
		deliveries++
		if reply, changes = deliver(t, c, m); reply.Code != 'c' {
			t.Fatalf("reply %q", reply.Code)
		}
		return !strings.Contains(values(changes, fieldOrigin)[0], "undecided")
	})
	return changes, deliveries
}

// A source that never answers must not cost a goroutine a message.
func TestAbandonedJudgementsAreBounded(t *testing.T) {
	cfg := testConfig()
	cfg.Deadline = unit.Duration(time.Millisecond)
	release := make(chan struct{})
	r := start(t, cfg, Deps{Tracer: plainTracer{before: func() { <-release }}})
	defer close(release)
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	for range maxAbandoned + 20 {
		deliver(t, c, letterTo(1))
	}
	if n := r.judge.abandoned.Load(); n != maxAbandoned {
		t.Errorf("%d judgements wait, want %d", n, maxAbandoned)
	}
	if n := r.metric(t, "undecided_total", "busy"); n != 20 {
		t.Errorf("%v were not begun, want 20", n)
	}
}

func TestPanicLetsMailPass(t *testing.T) {
	panics := true
	r := start(t, testConfig(), Deps{Tracer: plainTracer{before: func() {
		if panics {
			panic("a fault")
		}
	}}})
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	if reply, changes := deliver(t, c, letterTo(1)); reply.Code != 'c' || !strings.Contains(values(changes, fieldOrigin)[0], "undecided") {
		t.Errorf("reply %q", reply.Code)
	}
	panics = false
	if _, changes := deliver(t, c, letterTo(1)); strings.Contains(values(changes, fieldOrigin)[0], "undecided") {
		t.Error("the connection did not recover")
	}
	if n := r.metric(t, "undecided_total", "panic"); n != 1 {
		t.Errorf("counted %v", n)
	}
}

func TestConnectionLimit(t *testing.T) {
	cfg := testConfig()
	cfg.MaxConnections = 3
	r := start(t, cfg, Deps{})
	for range 3 {
		dial(t, r)
	}
	if c, err := miltertest.Dial("unix", r.socket, 0, 0); err == nil {
		c.Close()
		t.Error("a fourth connection is served")
	}
	if n := r.metric(t, "connections_total", "over_limit"); n != 1 {
		t.Errorf("counted %v", n)
	}
}

func TestDrainFinishesMessagesOnTheirWay(t *testing.T) {
	r := start(t, testConfig(), Deps{})
	idle, busy := dial(t, r), dial(t, r)
	connect(t, idle, "192.0.2.7")
	connect(t, busy, "192.0.2.8")
	must(t, busy.Macros('M', "i", "1"))
	_, err := busy.Mail("a@example.org")
	must(t, err)
	_, err = busy.Rcpt("b@example.com")
	must(t, err)
	waitFor(t, func() bool { return r.busyWires() == 1 })

	stopped := make(chan struct{})
	go func() { defer close(stopped); r.stop() }()
	if _, _, err := idle.Receive(); err == nil {
		t.Error("an idle connection stays")
	}
	reply, changes, err := busy.End()
	must(t, err)
	if reply.Code != 'c' || len(values(changes, fieldOrigin)) != 1 {
		t.Errorf("reply %q", reply.Code)
	}
	<-stopped
	if _, err := miltertest.Dial("unix", r.socket, 0, 0); err == nil {
		t.Error("a new connection is served")
	}
}

// busyWires asks the metrics: a message is on its way where a recipient was accepted and none passed.
func (r *running) busyWires() int { return int(r.accepted()) }

func (r *running) accepted() float64 {
	families, err := r.metrics.Gather()
	if err != nil {
		return 0
	}
	for _, f := range families {
		if f.GetName() == "spoor_milter_recipients_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}

func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestTwoThousandIdleConnections(t *testing.T) {
	const n = 2000
	r := start(t, testConfig(), Deps{})
	before := memory()
	clients := make([]*miltertest.Client, n)
	for i := range clients {
		clients[i] = dial(t, r)
		connect(t, clients[i], "192.0.2.7")
	}
	if got := r.metric(t, "connections"); got != n {
		t.Fatalf("%v connections open", got)
	}
	// Both ends live here: the client's half is its reader's 4 KB and no goroutine.
	if each := (int64(memory()) - int64(before)) / n; each > 48<<10 {
		t.Errorf("an idle connection costs %d KB", each>>10)
	}
	c := dial(t, r)
	connect(t, c, "192.0.2.8")
	if reply, _ := deliver(t, c, letterTo(1)); reply.Code != 'c' {
		t.Errorf("beside them: reply %q", reply.Code)
	}
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// A flood of connections, each with messages, loses no step and no count.
func TestFlood(t *testing.T) {
	const conns, each = 40, 25
	r := start(t, testConfig(), Deps{Now: noon, Tracer: plainTracer{findings: []trace.Finding{{Code: "x", Strength: trace.Weak}}}})
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			c, err := miltertest.Dial("unix", r.socket, 0, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if _, err := c.Connect("unknown", "192.0.2.7", 1); err != nil {
				t.Error(err)
			}
			for range each {
				reply, changes, err := c.Deliver(letterTo(2))
				if err != nil || reply.Code != 'c' || len(values(changes, fieldOrigin)) != 1 {
					t.Errorf("reply %q, %v", reply.Code, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := r.metric(t, "messages_total", "passed"); n != conns*each {
		t.Errorf("passed %v, want %d", n, conns*each)
	}
	if got := r.judge.rates.get(addr("192.0.2.7"), noon()).get(countRecipients, windowDay); got != 2*conns*each {
		t.Errorf("counted %d recipients, want %d", got, 2*conns*each)
	}
}

// FuzzWire throws bytes at a session. It must end with the input, without a
// panic, and every reply must be a whole packet.
func FuzzWire(f *testing.F) {
	f.Add([]byte{})
	f.Add(negotiation())
	for _, seq := range [][]string{
		{"Cunknown\x004\x9c\x40192.0.2.7\x00", "Hx\x00", "M<a@example.org>\x00", "R<b@example.com>\x00", "LFrom\x00 a\x00", "N", "Bbody", "E", "A", "Q"},
		{"Cx\x006\x00\x01IPv6:2001:db8::1\x00", "K", "Cx\x00L/tmp/x\x00", "E", "U", "T", "DMi\x00q\x00{auth_authen}\x00a\x00", "M<>\x00", "E"},
		{"LX-Spoor-Origin\x00 x\x00", "L\x00\x00\x00", "D", "E", "E"},
	} {
		in := negotiation()
		for _, packet := range seq {
			in = binary.BigEndian.AppendUint32(in, uint32(len(packet)))
			in = append(in, packet...)
		}
		f.Add(in)
	}
	cfg := testConfig()
	cfg.Rules = []RuleConfig{
		{Name: "rcpt", Action: ActionReject, Recipients: 2},
		{Name: "body", Action: ActionQuarantine, Body: []string{"body"}},
		{Name: "rate", Action: ActionRateLimit, Count: "messages", Per: "minute", Over: 100},
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s := New(cfg, Deps{Tracer: plainTracer{}})
		near, far := net.Pipe()
		var out bytes.Buffer
		read := make(chan struct{})
		go func() { defer close(read); out.ReadFrom(far) }()
		served := make(chan struct{})
		s.serve(near, func() { close(served) })
		far.SetWriteDeadline(time.Now().Add(10 * time.Second))
		far.Write(in)
		near.SetReadDeadline(time.Unix(1, 0)) // the input is over
		far.Close()
		<-served
		<-read
		s.crew.dismiss()
		if n := s.judge.abandoned.Load(); n != 0 {
			t.Errorf("%d judgements abandoned", n)
		}
		wholePackets(t, out.Bytes())
	})
}

func wholePackets(t *testing.T, out []byte) {
	for len(out) > 0 {
		if len(out) < 5 {
			t.Fatalf("%d bytes are no packet", len(out))
		}
		n := binary.BigEndian.Uint32(out)
		if n == 0 || int(n) > len(out)-4 {
			t.Fatalf("packet of %d bytes in %d", n, len(out))
		}
		if !bytes.ContainsRune([]byte("Ocysimqh"), rune(out[4])) {
			t.Fatalf("reply %q", out[4])
		}
		out = out[4+n:]
	}
}
