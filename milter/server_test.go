package milter

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"spoor/internal/message"
	"spoor/internal/trace"
	"spoor/internal/unit"
	"spoor/milter/miltertest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		runChild(role)
		return
	}
	goleak.VerifyTestMain(m)
}

// A plainTracer trusts some hosts. Beyond them the origin is the address in
// the first Received field's brackets.
type plainTracer struct {
	trusted  map[string]bool
	findings []trace.Finding
	before   func() // each Trace
}

func (p plainTracer) Trusts(peer Peer) bool { return p.trusted[peer.Addr.String()] }

func (p plainTracer) Trace(conn trace.Connection, h message.Header) trace.Result {
	if p.before != nil {
		p.before()
	}
	r := trace.Result{Status: trace.StatusTraced, Findings: p.findings}
	r.Boundary = &trace.Boundary{}
	r.Origin = &trace.Origin{
		IP: conn.IP, HELO: conn.HELO, RDNS: conn.RDNS, RDNSState: trace.RDNSNone, RecordedBy: conn.By,
		Confidence: trace.ConfidenceHigh, Time: trace.Stamp{Time: conn.Time},
	}
	if !p.trusted[conn.IP.String()] {
		return r
	}
	_, rest, _ := strings.Cut(h.Get("Received"), "[")
	address, _, _ := strings.Cut(rest, "]")
	r.Origin.IP, _ = netip.ParseAddr(address)
	r.Origin.Hop, r.Boundary.Hop = 1, 1
	return r
}

type listed map[string]string

func (l listed) Listed(a netip.Addr) (string, bool) { why, ok := l[a.String()]; return why, ok }

type desk struct {
	mu        sync.Mutex
	fail      error
	sightings []Sighting
	calls     int
	reports   []Report
}

func (d *desk) Sightings(_ context.Context, _, _ time.Time, hosts []Sighting) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.fail != nil {
		return d.fail
	}
	d.sightings = append(d.sightings, hosts...)
	return nil
}

func (d *desk) Report(_ context.Context, r Report) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reports = append(d.reports, r)
	return nil
}

// noon is a clock that stands where no window of the rates ends.
func noon() time.Time { return time.Date(2026, 5, 1, 12, 30, 30, 0, time.UTC) }

// A running is a server under test on a Unix socket.
type running struct {
	*Server
	socket  string
	metrics *prometheus.Registry
	stop    func()
}

func testConfig() Config {
	cfg := DefaultConfig()
	cfg.AuthservID = "mail.example.net"
	cfg.DryRun = false
	cfg.Deadline = unit.Duration(time.Minute)
	cfg.Drain = unit.Duration(5 * time.Second)
	return cfg
}

func start(t testing.TB, cfg Config, deps Deps) *running {
	t.Helper()
	r := &running{socket: filepath.Join(t.TempDir(), "m.sock"), metrics: prometheus.NewRegistry()}
	cfg.Listen = append([]string{r.socket}, cfg.Listen[min(1, len(cfg.Listen)):]...)
	deps.Metrics = r.metrics
	if deps.Tracer == nil {
		deps.Tracer = plainTracer{}
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	r.Server = New(cfg, deps)
	if err := r.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// A testWriter shows the server's log with the test.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// metric adds up all series of a metric whose labels contain the values.
func (r *running) metric(t testing.TB, name string, values ...string) (sum float64) {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "spoor_milter_"+name {
			continue
		}
	series:
		for _, m := range family.GetMetric() {
			for _, value := range values {
				if !strings.Contains(fmt.Sprint(m.GetLabel()), `"`+value+`"`) {
					continue series
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

func dial(t testing.TB, r *running) *miltertest.Client { return dialOffering(t, r, 0, 0) }

func dialOffering(t testing.TB, r *running, actions, protocol uint32) *miltertest.Client {
	t.Helper()
	c, err := miltertest.Dial("unix", r.socket, actions, protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func connect(t testing.TB, c *miltertest.Client, ip string) miltertest.Reply {
	t.Helper()
	must(t, c.Macros('C', "j", "mail.example.net", "{daemon_name}", "smtpd"))
	reply, err := c.Connect("unknown", ip, 40000)
	must(t, err)
	if reply.Refused() {
		return reply
	}
	must(t, c.Macros('H', "{tls_version}", "TLSv1.3"))
	reply, err = c.Helo("client.example.org")
	must(t, err)
	return reply
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func letterTo(n int) miltertest.Message {
	m := miltertest.Message{
		From: "sender@example.org", QueueID: "4XyZ1",
		Header: [][2]string{{"From", "sender@example.org"}, {"Subject", "test"}},
		Body:   []byte("hello\r\n"),
	}
	for i := range n {
		m.To = append(m.To, fmt.Sprintf("r%d@example.com", i))
	}
	return m
}

func deliver(t testing.TB, c *miltertest.Client, m miltertest.Message) (miltertest.Reply, []miltertest.Change) {
	t.Helper()
	reply, changes, err := c.Deliver(m)
	must(t, err)
	must(t, c.Abort())
	return reply, changes
}

func values(changes []miltertest.Change, name string) (all []string) {
	for _, c := range changes {
		if c.Name == name && c.Value != "" {
			all = append(all, c.Value)
		}
	}
	return all
}

func TestSeveralMessagesOnOneConnection(t *testing.T) {
	r := start(t, testConfig(), Deps{})
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	for i := range 3 {
		reply, changes := deliver(t, c, letterTo(i+1))
		if reply.Code != 'c' {
			t.Fatalf("message %d: reply %q", i, reply.Code)
		}
		got := values(changes, fieldOrigin)
		if len(got) != 1 || !strings.Contains(got[0], "ip=192.0.2.7;") || !strings.Contains(got[0], "helo=client.example.org;") {
			t.Errorf("message %d: origin %q", i, got)
		}
		if !strings.HasPrefix(got[0], " mail.example.net;") {
			t.Errorf("message %d: no authserv-id in %q", i, got)
		}
	}
	if n := r.metric(t, "messages_total", "passed"); n != 3 {
		t.Errorf("passed %v messages, want 3", n)
	}
	if n := r.metric(t, "recipients_total", "accepted"); n != 6 {
		t.Errorf("accepted %v recipients, want 6", n)
	}
}

func TestNothingButTheEndWaitsForUsByDefault(t *testing.T) {
	r := start(t, testConfig(), Deps{})
	c := dial(t, r)
	silent := uint32(miltertest.NoConnReply | miltertest.NoHeloReply | miltertest.NoMailReply | miltertest.NoRcptReply |
		miltertest.NoHeaderReply | miltertest.NoBody | miltertest.NoEOH | miltertest.NoData)
	if c.Protocol&silent != silent {
		t.Errorf("agreed on %#x, which lacks %#x", c.Protocol, silent&^c.Protocol)
	}
}

func TestOldMTAGetsRepliesEverywhere(t *testing.T) {
	r := start(t, testConfig(), Deps{})
	// What version 2 of the protocol knows: no silence, no leading spaces.
	c := dialOffering(t, r, 0x3f, 0x7f&^miltertest.NoBody)
	if c.Protocol&(miltertest.NoMailReply|miltertest.LeadingSpace) != 0 {
		t.Fatalf("agreed on %#x", c.Protocol)
	}
	connect(t, c, "192.0.2.7")
	for range 2 {
		reply, changes := deliver(t, c, letterTo(2))
		if got := values(changes, fieldOrigin); reply.Code != 'c' || len(got) != 1 || strings.HasPrefix(got[0], " ") {
			t.Fatalf("reply %q, origin %q", reply.Code, got)
		}
	}
}

func TestForgedFieldsAreRemoved(t *testing.T) {
	r := start(t, testConfig(), Deps{})
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	m := letterTo(1)
	m.Header = append(m.Header,
		[2]string{"X-Spoor-Origin", "mail.example.net; ip=203.0.113.1"},
		[2]string{"x-spoor-origin", "again"},
		[2]string{"X-Spoor-Findings", "none"},
		[2]string{"X-Spoor-Other", "not ours"})
	_, changes := deliver(t, c, m)
	var removed []miltertest.Change
	for _, change := range changes {
		if change.Code == 'm' {
			removed = append(removed, change)
		}
	}
	want := []miltertest.Change{
		{Code: 'm', Index: 1, Name: "X-Spoor-Findings"},
		{Code: 'm', Index: 2, Name: "x-spoor-origin"},
		{Code: 'm', Index: 1, Name: "X-Spoor-Origin"},
	}
	if diff := cmp.Diff(want, removed); diff != "" {
		t.Error(diff)
	}
	if changes[0].Code != 'm' || changes[len(changes)-1].Name != fieldOrigin {
		t.Errorf("removal must come before insertion: %v", changes)
	}
}

func refusing(action Action, more func(*RuleConfig)) Config {
	cfg := testConfig()
	r := RuleConfig{Name: "rule", Action: action}
	more(&r)
	cfg.Rules = []RuleConfig{r}
	return cfg
}

func TestRefusalsComeAtTheEarliestStage(t *testing.T) {
	bad := Lookups{Listed: listed{"192.0.2.66": "sends too much"}}
	t.Run("connect", func(t *testing.T) {
		r := start(t, refusing(ActionReject, func(rc *RuleConfig) { rc.Is = []string{"listed"} }), Deps{Lookups: bad})
		if reply := connect(t, dial(t, r), "192.0.2.66"); reply.Text != "550 5.7.1 refused by policy" {
			t.Errorf("reply %q %q", reply.Code, reply.Text)
		}
		if reply := connect(t, dial(t, r), "192.0.2.7"); reply.Refused() {
			t.Errorf("another host: %q", reply.Text)
		}
	})
	t.Run("mail", func(t *testing.T) {
		cfg := refusing(ActionTempfail, func(rc *RuleConfig) {
			rc.Is, rc.Text = []string{"listed", "!authenticated"}, "4.7.0 100% too much"
		})
		r := start(t, cfg, Deps{Lookups: bad})
		c := dial(t, r)
		if reply := connect(t, c, "192.0.2.66"); reply.Refused() {
			t.Fatalf("refused at connect: %q", reply.Text)
		}
		reply, _ := deliver(t, c, letterTo(1))
		if reply.Text != "451 4.7.0 100%% too much" {
			t.Errorf("reply %q", reply.Text)
		}
		m := letterTo(1)
		m.Auth = "alice"
		if reply, changes := deliver(t, c, m); reply.Refused() || len(values(changes, fieldOrigin)) != 1 {
			t.Errorf("authenticated: %q", reply.Text)
		}
		if n := r.metric(t, "messages_total", "refused"); n != 1 {
			t.Errorf("%v refused", n)
		}
	})
	t.Run("rcpt", func(t *testing.T) {
		r := start(t, refusing(ActionReject, func(rc *RuleConfig) { rc.Recipients = 3 }), Deps{})
		c := dial(t, r)
		connect(t, c, "192.0.2.7")
		must(t, c.Macros('M', "i", "1"))
		_, err := c.Mail("a@example.org")
		must(t, err)
		for i, want := range []bool{false, false, true, true} {
			reply, err := c.Rcpt(fmt.Sprintf("r%d@example.com", i))
			must(t, err)
			if reply.Refused() != want {
				t.Errorf("recipient %d: refused %v", i+1, reply.Refused())
			}
		}
		reply, changes, err := c.End() // the two that were accepted get their mail
		must(t, err)
		if reply.Refused() || len(values(changes, fieldOrigin)) != 1 {
			t.Errorf("end: %q %v", reply.Text, changes)
		}
	})
}

func TestDryRunOnlyLogs(t *testing.T) {
	cfg := refusing(ActionReject, func(rc *RuleConfig) { rc.Is = []string{"listed"} })
	cfg.DryRun = true
	r := start(t, cfg, Deps{Lookups: Lookups{Listed: listed{"192.0.2.66": "sends too much"}}})
	c := dial(t, r)
	if reply := connect(t, c, "192.0.2.66"); reply.Refused() {
		t.Errorf("refused at connect: %q", reply.Text)
	}
	if reply, changes := deliver(t, c, letterTo(1)); reply.Refused() || len(values(changes, fieldOrigin)) != 1 {
		t.Errorf("%q", reply.Text)
	}
	if n := r.metric(t, "actions_total", "reject", "true"); n != 2 { // at connect, and at the end
		t.Errorf("logged %v times", n)
	}
}

// A claim below the boundary must not refuse mail, whatever it says.
func TestClaimsNeverRefuse(t *testing.T) {
	claim := trace.Finding{Code: "tz-name-offset", Strength: trace.Strong, Hop: 3}
	cfg := testConfig()
	cfg.Rules = []RuleConfig{
		{Name: "findings", Action: ActionReject, Strength: "strong"},
		{Name: "score", Action: ActionQuarantine, Score: 1},
		{Name: "seen", Action: ActionHeader, Header: "X-Flag: yes", Strength: "strong"},
	}
	t.Run("claimed", func(t *testing.T) {
		r := start(t, cfg, Deps{Tracer: plainTracer{findings: []trace.Finding{claim}}})
		c := dial(t, r)
		connect(t, c, "192.0.2.7")
		reply, changes := deliver(t, c, letterTo(1))
		if reply.Refused() || len(values(changes, "X-Flag")) != 1 {
			t.Errorf("reply %q, changes %v", reply.Text, changes)
		}
		for _, change := range changes {
			if change.Code == 'q' {
				t.Error("quarantined for a claim")
			}
		}
	})
	t.Run("proven", func(t *testing.T) {
		proven := trace.Finding{Code: "helo-literal-mismatch", Strength: trace.Strong, Hop: 0}
		r := start(t, cfg, Deps{Tracer: plainTracer{findings: []trace.Finding{proven}}})
		c := dial(t, r)
		connect(t, c, "192.0.2.7")
		if reply, _ := deliver(t, c, letterTo(1)); !reply.Refused() {
			t.Error("passed")
		}
	})
}

func TestOriginBehindATrustedRelay(t *testing.T) {
	cfg := refusing(ActionReject, func(rc *RuleConfig) { rc.Is = []string{"listed"} })
	d := &desk{}
	r := start(t, cfg, Deps{
		Tracer:  plainTracer{trusted: map[string]bool{"192.0.2.1": true}},
		Lookups: Lookups{Listed: listed{"203.0.113.9": "sends too much"}}, Desk: d,
	})
	c := dial(t, r)
	if reply := connect(t, c, "192.0.2.1"); reply.Refused() {
		t.Fatalf("the relay is refused: %q", reply.Text)
	}
	for _, tt := range []struct {
		from    string
		refused bool
	}{{"203.0.113.9", true}, {"203.0.113.10", false}} {
		m := letterTo(1)
		m.Header = append([][2]string{{"Received", "from x (unknown [" + tt.from + "])\n\tby relay.example.net"}}, m.Header...)
		if reply, _ := deliver(t, c, m); reply.Refused() != tt.refused {
			t.Errorf("from %s: refused %v", tt.from, reply.Refused())
		}
	}
	c.Close()
	r.stop()
	want := []Sighting{
		{Host: netip.MustParseAddr("203.0.113.9"), Messages: 1, Recipients: 1, Rejected: 1, Senders: 1},
		{Host: netip.MustParseAddr("203.0.113.10"), Messages: 1, Recipients: 1, Senders: 1},
	}
	if diff := cmp.Diff(want, d.sightings, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestReportAndQuarantine(t *testing.T) {
	cfg := testConfig()
	cfg.Rules = []RuleConfig{
		{Name: "tell", Action: ActionReport, Text: "listed host", Is: []string{"listed"}},
		{Name: "hold", Action: ActionQuarantine, Body: []string{"Example Pills"}},
	}
	d := &desk{}
	r := start(t, cfg, Deps{Lookups: Lookups{Listed: listed{"192.0.2.66": "sends too much"}}, Desk: d})
	c := dial(t, r)
	connect(t, c, "192.0.2.66")
	m := letterTo(1)
	m.Body = []byte("buy EXAMPLE pills now\r\n")
	_, changes := deliver(t, c, m)
	if !cmp.Equal(changes[0], miltertest.Change{Code: 'q', Value: "spoor: rule hold"}) {
		t.Errorf("changes %v", changes)
	}
	m.Body = []byte("nothing\r\n")
	if _, changes := deliver(t, c, m); changes[0].Code == 'q' {
		t.Error("quarantined without the text")
	}
	c.Close()
	r.stop()
	if len(d.reports) != 2 || d.reports[0].IP != netip.MustParseAddr("192.0.2.66") || d.reports[0].Rule != "tell" ||
		!strings.Contains(string(d.reports[0].Header), "Subject: test\n") || strings.Contains(string(d.reports[0].Header), "pills") {
		t.Errorf("reports %+v", d.reports)
	}
}

func TestBodyIsAskedForOnlyByRulesAndCutOff(t *testing.T) {
	cfg := refusing(ActionReject, func(rc *RuleConfig) { rc.Body = []string{"needle"} })
	cfg.BodyLimit = 100_000
	r := start(t, cfg, Deps{})
	c := dial(t, r)
	if c.Protocol&miltertest.NoBody != 0 {
		t.Fatal("no body asked for")
	}
	connect(t, c, "192.0.2.7")
	m := letterTo(1)
	for _, tt := range []struct {
		name    string
		at      int
		refused bool
	}{{"across chunks", 65533, true}, {"beyond the limit", 100_001, false}} {
		m.Body = []byte(strings.Repeat("x", tt.at) + "needle" + strings.Repeat("y", 200_000))
		if reply, _ := deliver(t, c, m); reply.Refused() != tt.refused {
			t.Errorf("%s: refused %v", tt.name, reply.Refused())
		}
	}
}
