package flowwatch_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"spoor/flowwatch"
	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
	"spoor/flowwatch/history"
	"spoor/flowwatch/netflow/netflowtest"
	"spoor/internal/unit"
)

func TestMain(m *testing.M) {
	if port := os.Getenv(envCollector); port != "" {
		collect(port)
	}
	goleak.VerifyTestMain(m)
}

var (
	router = netip.MustParseAddr("192.0.2.254")
	noon   = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
)

// A clock is set by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func config() flowwatch.Config {
	c := flowwatch.DefaultConfig()
	c.Exporters = []string{router.String(), "127.0.0.1"}
	c.Networks = netflowtest.Ours()
	return c
}

func openStore(t testing.TB, path string) *history.Store {
	t.Helper()
	s, err := history.Open(path, history.DefaultKeep())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newWatcher(t testing.TB, c flowwatch.Config, store *history.Store, now func() time.Time) *flowwatch.Watcher {
	t.Helper()
	w, err := flowwatch.New(context.Background(), flowwatch.Deps{Config: c, Store: store, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A feed plays records into a Watcher as one exporter.
type feed struct {
	t *testing.T
	w *flowwatch.Watcher
	c *clock
	x netflowtest.Exporter
}

func newFeed(t *testing.T, store *history.Store) *feed {
	c := &clock{now: noon}
	return &feed{t: t, w: newWatcher(t, config(), store, c.Now), c: c, x: netflowtest.Exporter{Format: netflowtest.IPFIX}}
}

// interval plays one interval's records and closes it.
func (f *feed) interval(records []netflowtest.Record) {
	f.t.Helper()
	end := f.c.Now().Add(5 * time.Minute)
	for i := range records {
		records[i].Start, records[i].End = end.Add(-time.Minute), end.Add(-time.Second)
	}
	for _, b := range f.x.Encode(records, end) {
		if err := f.w.Receive(b, router, end); err != nil {
			f.t.Fatal(err)
		}
	}
	f.c.set(end)
	if err := f.w.CloseInterval(context.Background(), end); err != nil {
		f.t.Fatal(err)
	}
}

// bot sends to n hosts, most of which refuse it.
func bot(src string, n int) (list []netflowtest.Record) {
	for i := range n {
		r := netflowtest.Record{
			Src: netip.MustParseAddr(src), Dst: netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}),
			SrcPort: uint16(2000 + i), DstPort: 25, Proto: 6, Flags: 0x1b, Packets: 9, Bytes: 560, In: 1, Out: 2,
		}
		back := r
		back.Src, back.Dst, back.SrcPort, back.DstPort, back.Bytes = r.Dst, r.Src, 25, r.SrcPort, 700
		if i%3 == 0 {
			r.Flags, r.Packets, r.Bytes = 2, 3, 180
			list = append(list, r)
			continue
		}
		list = append(list, r, back)
	}
	return list
}

func TestBotIsListedAndLeaves(t *testing.T) {
	f := newFeed(t, openStore(t, filepath.Join(t.TempDir(), "flows.db")))
	addr := netip.MustParseAddr("192.0.2.7")
	if why, listed := f.w.Listed(addr); listed {
		t.Fatalf("listed before anything was seen: %s", why)
	}
	f.interval(bot("192.0.2.7", 60))
	why, listed := f.w.Listed(addr)
	if !listed || !strings.Contains(why, "sent to") {
		t.Fatalf("listed %v, why %q", listed, why)
	}
	if entry := f.w.List()[0]; !entry.Proven || entry.Kind != anomaly.Intensive || !entry.Since.Equal(noon.Add(5*time.Minute)) {
		t.Errorf("entry %+v", entry)
	}
	f.interval(bot("192.0.2.7", 60))
	for i := range 3 {
		if _, listed := f.w.Listed(addr); !listed {
			t.Fatalf("gone after %d quiet intervals, want 3", i)
		}
		f.interval(nil)
	}
	if _, listed := f.w.Listed(addr); listed {
		t.Error("still listed after three quiet intervals")
	}
	list, err := f.w.Anomalies(noon, noon.Add(time.Hour), "smtp")
	if err != nil || len(list) != 1 || !list[0].Until.Equal(noon.Add(10*time.Minute)) || list[0].Flows != 120 {
		t.Errorf("list %+v, error %v; want one entry until 12:10 with 120 flows", list, err)
	}
}

// TestSYNAloneIsNotProven checks that a flood of SYN, which anyone can send under our address, is not proof.
func TestSYNAloneIsNotProven(t *testing.T) {
	f := newFeed(t, nil)
	records := bot("192.0.2.8", 200)
	var syn []netflowtest.Record
	for _, r := range records {
		if r.DstPort == 25 {
			r.Flags, r.Packets, r.Bytes = 2, 1, 60
			syn = append(syn, r)
		}
	}
	f.interval(syn)
	list := f.w.List()
	if len(list) != 1 || list[0].Proven || list[0].Kind != anomaly.Probing {
		t.Errorf("list %+v; want one entry, probing, not proven", list)
	}
}

// TestToldApart checks that a host whose address others forged (backscatter), one that answers forged attempts (reflection)
// and one that sends are told apart.
func TestToldApart(t *testing.T) {
	f := newFeed(t, openStore(t, filepath.Join(t.TempDir(), "flows.db")))
	var records []netflowtest.Record
	for i := range 40 {
		world := netip.AddrFrom4([4]byte{198, 18, 1, byte(i)})
		synAck := netflowtest.Record{SrcPort: 25, DstPort: uint16(2000 + i), Proto: 6, Flags: 0x12, Packets: 2, Bytes: 120, In: 2, Out: 1}
		forgedHost, reflector := synAck, synAck
		forgedHost.Src, forgedHost.Dst = world, netip.MustParseAddr("192.0.2.20")
		reflector.Src, reflector.Dst = netip.MustParseAddr("192.0.2.21"), world
		attempt := reflector
		attempt.Src, attempt.Dst, attempt.SrcPort, attempt.DstPort, attempt.Flags = reflector.Dst, reflector.Src, reflector.DstPort, 25, 0x02
		records = append(records, forgedHost, attempt, reflector)
	}
	f.interval(append(records, bot("192.0.2.7", 60)...))
	for host, want := range map[string]string{"192.0.2.20": "backscatter: 40 answers came to 0 flows", "192.0.2.21": "reflection: it answered 40 attempts", "192.0.2.7": ""} {
		addr := netip.MustParseAddr(host)
		show, err := f.w.Show(context.Background(), netip.PrefixFrom(addr, 32), flowwatch.Scope{Profile: "smtp", From: noon, To: noon.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(show.Notes, "; "); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: notes %q, want %q", host, got, want)
		}
		if _, listed := f.w.Listed(addr); listed != (want == "") {
			t.Errorf("%s: listed %v", host, listed)
		}
	}
}

func TestEvidence(t *testing.T) {
	f := newFeed(t, openStore(t, filepath.Join(t.TempDir(), "flows.db")))
	for range 4 {
		f.interval(bot("192.0.2.7", 60))
	}
	ctx := context.Background()
	from, to := noon.Add(10*time.Minute), noon.Add(20*time.Minute)
	e, err := f.w.Evidence(ctx, netip.MustParseAddr("192.0.2.7"), from, to)
	if err != nil {
		t.Fatal(err)
	}
	if e.Visibility != flowwatch.Seen || e.Row.Out.Flows != 120 || !e.Proven || !e.Before || e.LeadS != 300 {
		t.Errorf("evidence %+v", e)
	}
	if e.Chance != 1 {
		t.Errorf("chance %v; the only active host is the listed one", e.Chance)
	}
	for _, part := range []string{"120 SMTP connections to 60 hosts between 2026-09-01 12:10 and 2026-09-01 12:20 UTC", "listed since 2026-09-01 12:05 UTC"} {
		if !strings.Contains(e.Text, part) {
			t.Errorf("text %q lacks %q", e.Text, part)
		}
	}
	f.interval(bot("192.0.2.8", 900))
	e, err = f.w.Evidence(ctx, netip.MustParseAddr("192.0.2.8"), to, to.Add(5*time.Minute))
	if err != nil || !strings.Contains(e.Text, "900 SMTP connections to about ") || e.Row.Peers > 900 || e.Row.Peers < 828 || e.Row.PeersExact {
		t.Errorf("of very many peers: %q, error %v", e.Text, err)
	}
	e, err = f.w.Evidence(ctx, netip.MustParseAddr("192.0.2.99"), from, to)
	if err != nil || e.Visibility != flowwatch.NotSeen || e.Row != nil || e.Listed {
		t.Errorf("of a silent host: %+v, error %v", e, err)
	}
	e, err = f.w.Evidence(ctx, netip.MustParseAddr("192.0.2.99"), noon.Add(-48*time.Hour), noon.Add(-47*time.Hour))
	if err != nil || e.Visibility != flowwatch.NotVisible || !strings.Contains(e.Text, "not visible to us") {
		t.Errorf("of a time before us: %+v, error %v", e, err)
	}
	e, err = f.w.Evidence(ctx, netip.MustParseAddr("192.0.2.7"), noon.Add(time.Minute), noon.Add(5*time.Minute))
	if err != nil || e.Before || e.Visibility != flowwatch.Seen {
		t.Errorf("listed only after the time asked for: %+v, error %v", e, err)
	}
}

// TestEvidenceOfPackets checks that sampled packets are not told as connections, in the desk's evidence or on the list.
func TestEvidenceOfPackets(t *testing.T) {
	f := newFeed(t, openStore(t, filepath.Join(t.TempDir(), "flows.db")))
	f.x = netflowtest.Exporter{Format: netflowtest.SFlow, Sampling: 100}
	f.interval(bot("192.0.2.7", 60))
	e, err := f.w.Evidence(context.Background(), netip.MustParseAddr("192.0.2.7"), noon, noon.Add(5*time.Minute))
	if err != nil || !strings.HasPrefix(e.Text, "60 packets of SMTP connections to 60 hosts") || !strings.Contains(e.Text, "one packet in 100 ") {
		t.Errorf("text %q, error %v", e.Text, err)
	}
	if list := f.w.List(); len(list) != 1 || !strings.Contains(list[0].Reasons[0].Text, "60 sampled packets") {
		t.Errorf("list %+v", list)
	}
}

// TestOpenIntervalIsEvidence checks that what came a minute ago is told already.
func TestOpenIntervalIsEvidence(t *testing.T) {
	f := newFeed(t, openStore(t, filepath.Join(t.TempDir(), "flows.db")))
	f.interval(nil)
	at := f.c.Now().Add(time.Minute)
	for _, b := range f.x.Encode(bot("192.0.2.7", 30), at) {
		if err := f.w.Receive(b, router, at); err != nil {
			t.Fatal(err)
		}
	}
	f.c.set(at)
	e, err := f.w.Evidence(context.Background(), netip.MustParseAddr("192.0.2.7"), at.Add(-30*time.Second), at)
	if err != nil || e.Row == nil || e.Row.Out.Flows != 30 {
		t.Errorf("evidence %+v, error %v", e, err)
	}
}

// TestRestart checks that a restart keeps the list, since when, and the counts.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows.db")
	store := openStore(t, path)
	f := newFeed(t, store)
	f.interval(bot("192.0.2.7", 60))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = openStore(t, path)
	c := &clock{now: noon.Add(6 * time.Minute)}
	w := newWatcher(t, config(), store, c.Now)
	if _, listed := w.Listed(netip.MustParseAddr("192.0.2.7")); !listed {
		t.Fatal("the list is forgotten")
	}
	f.w, f.c = w, c
	f.interval(bot("192.0.2.7", 60))
	list := w.List()
	if len(list) != 1 || !list[0].Since.Equal(noon.Add(5*time.Minute)) || list[0].Flows != 120 {
		t.Errorf("list %+v; want one entry since 12:05 with 120 flows", list)
	}
	top, err := w.Top(context.Background(), flowwatch.Ranking{Scope: flowwatch.Scope{Profile: "smtp", From: noon, To: noon.Add(time.Hour)}, By: "flows"})
	if err != nil || len(top.Rows) != 1 || top.Rows[0].Out.Flows != 120 {
		t.Errorf("top %+v, error %v", top, err)
	}
	if broken := store.Check(context.Background()); len(broken) > 0 {
		t.Errorf("broken: %v", broken)
	}
}

// TestCrash takes the file as it lies on disk the moment an interval is closed, as after kill -9, while another one is open.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows.db")
	f := newFeed(t, openStore(t, path))
	f.interval(bot("192.0.2.7", 60))
	for _, b := range f.x.Encode(bot("192.0.2.7", 60), f.c.Now()) {
		_ = f.w.Receive(b, router, f.c.Now())
	}
	left, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "flows.db")
	if err := os.WriteFile(path, left, 0o600); err != nil {
		t.Fatal(err)
	}
	store := openStore(t, path)
	w := newWatcher(t, config(), store, f.c.Now)
	if _, listed := w.Listed(netip.MustParseAddr("192.0.2.7")); !listed {
		t.Error("the list is lost")
	}
	top, err := w.Top(context.Background(), flowwatch.Ranking{Scope: flowwatch.Scope{Profile: "smtp", From: noon, To: noon.Add(time.Hour)}, By: "flows"})
	if err != nil || len(top.Rows) != 1 || top.Rows[0].Out.Flows != 60 {
		t.Errorf("top %+v, error %v; want the closed interval's 60 flows", top, err)
	}
	if broken := store.Check(context.Background()); len(broken) > 0 {
		t.Errorf("broken: %v", broken)
	}
}

// TestStoreDown checks that intervals wait for a store that fails, and are stored once it works.
func TestStoreDown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows.db")
	store := openStore(t, path)
	f := newFeed(t, store)
	f.interval(bot("192.0.2.7", 10))
	for _, b := range f.x.Encode(bot("192.0.2.7", 10), f.c.Now()) {
		_ = f.w.Receive(b, router, f.c.Now())
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	f.c.set(noon.Add(10 * time.Minute))
	if err := f.w.CloseInterval(ended, f.c.Now()); err == nil {
		t.Fatal("an interval that was not stored is called stored")
	}
	f.interval(bot("192.0.2.7", 10))
	top, err := f.w.Top(context.Background(), flowwatch.Ranking{Scope: flowwatch.Scope{Profile: "smtp", From: noon, To: noon.Add(time.Hour)}, By: "flows"})
	if err != nil || top.Basis.Spans != 3 || top.Rows[0].Out.Flows != 30 {
		t.Errorf("top %+v, error %v; want three intervals with 30 flows", top, err)
	}
}

// TestSockets plays datagrams of all formats over loopback and ends as SIGTERM would.
func TestSockets(t *testing.T) {
	c := config()
	c.Listen = []string{"127.0.0.1:0", "[::1]:0"}
	c.Exporters = []string{"127.0.0.1"}
	c.Interval = endless
	store := openStore(t, filepath.Join(t.TempDir(), "flows.db"))
	registry := prometheus.NewRegistry()
	w, err := flowwatch.New(context.Background(), flowwatch.Deps{Config: c, Store: store, Metrics: registry, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Bind(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	want := 0
	for _, format := range []netflowtest.Format{netflowtest.V5, netflowtest.V9, netflowtest.IPFIX, netflowtest.SFlow} {
		x := netflowtest.Exporter{Format: format, Domain: 1, Boot: time.Now().Add(-time.Hour)}
		records := bot("192.0.2.7", 30)
		for i := range records {
			records[i].Start, records[i].End = time.Now(), time.Now()
		}
		want += len(records)
		send(t, w.Addrs()[0], x.Encode(records, time.Now()))
		send(t, w.Addrs()[1], x.Encode(records, time.Now())) // from ::1: a stranger
	}
	waitFor(t, func() bool {
		list, _ := w.Exporters()
		total, _ := w.Refused()
		return len(list) == 1 && int(list[0].Flows) == want && total > 0
	})
	if families, err := registry.Gather(); err != nil || len(families) < 25 {
		t.Errorf("%d metrics, error %v", len(families), err)
	}
	live, err := w.Live(flowwatch.Ranking{Scope: flowwatch.Scope{Profile: "smtp"}, By: "flows"})
	if err != nil || len(live.Rows) != 1 || live.Rows[0].Out.Flows != 120 {
		t.Errorf("live %+v, error %v", live, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	top, err := w.Top(context.Background(), flowwatch.Ranking{Scope: flowwatch.Scope{Profile: "smtp", From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}, By: "flows"})
	if err != nil || len(top.Rows) != 1 || top.Rows[0].Out.Flows != 120 {
		t.Errorf("after the end: top %+v, error %v; want the open interval stored", top, err)
	}
}

// TestEndBeforeTheBegin holds that a socket that is shut before anybody waits for it keeps nobody waiting.
func TestEndBeforeTheBegin(t *testing.T) {
	c := config()
	c.Listen = []string{"127.0.0.1:0", "[::1]:0"}
	c.Interval = endless
	w := newWatcher(t, c, nil, time.Now)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, to netip.AddrPort, datagrams [][]byte) {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, b := range datagrams {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

// endless is an interval in whose end no test runs, by the real clock.
const endless = unit.Duration(100_000 * time.Hour)

// waitFor polls, since datagrams arrive when the kernel pleases.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 6000 { // far longer than it takes: a busy machine may have other things to do for seconds
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nothing came in a minute")
}

// TestQuietSocket holds that what comes after a silence is taken in, and that a quiet socket ends.
func TestQuietSocket(t *testing.T) {
	c := config()
	c.Listen = []string{"127.0.0.1:0"}
	c.Interval = endless
	w := newWatcher(t, c, nil, time.Now)
	if err := w.Bind(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	x := netflowtest.Exporter{Format: netflowtest.V5, Boot: time.Now().Add(-time.Hour)}
	for want := range uint64(4) {
		send(t, w.Addrs()[0], x.Encode(bot("192.0.2.7", 1), time.Now()))
		waitFor(t, func() bool {
			list, _ := w.Exporters()
			return len(list) == 1 && list[0].Flows == want+1
		})
		time.Sleep(time.Duration(want) * 150 * time.Millisecond) // the silence itself
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestListedNeverAllocates(t *testing.T) {
	f := newFeed(t, nil)
	f.interval(bot("192.0.2.7", 60))
	addr := netip.MustParseAddr("192.0.2.7")
	if n := testing.AllocsPerRun(100, func() { f.w.Listed(addr) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// TestAllowList checks that an allowed host stays visible with the reason, is not Listed, and only until the allowance ends.
func TestAllowList(t *testing.T) {
	c := &clock{now: noon}
	cfg := config()
	cfg.Allow = []anomaly.Allow{{Net: netip.MustParsePrefix("192.0.2.7/32"), Until: noon.Add(8 * time.Minute), Reason: "measurement of the university"}}
	f := &feed{t: t, w: newWatcher(t, cfg, nil, c.Now), c: c, x: netflowtest.Exporter{Format: netflowtest.IPFIX}}
	f.interval(bot("192.0.2.7", 60))
	if _, listed := f.w.Listed(netip.MustParseAddr("192.0.2.7")); listed || f.w.List()[0].Allowed == "" {
		t.Errorf("listed %v, entry %+v", listed, f.w.List())
	}
	f.interval(bot("192.0.2.7", 60))
	if _, listed := f.w.Listed(netip.MustParseAddr("192.0.2.7")); !listed {
		t.Error("the allowance has ended, and the host is still tolerated")
	}
}

func TestConfigErrors(t *testing.T) {
	c := flowwatch.DefaultConfig()
	report := func(c flowwatch.Config) (keys []string) {
		c.Validate(func(key, problem, write string) {
			if problem == "" || write == "" {
				t.Errorf("%s: problem %q, write %q", key, problem, write)
			}
			keys = append(keys, key)
		})
		return keys
	}
	if keys := report(c); len(keys) > 0 {
		t.Errorf("the default is wrong in %v", keys)
	}
	c.Listen, c.Sampling, c.Observe = []string{"here"}, []string{"192.0.2.1"}, []string{"192.0.2.1#x"}
	c.Interval, c.Mode, c.Leave, c.Profiles = unit.Duration(7*time.Minute), "guess", 2, []string{"pop3"}
	c.Profile = []activity.Profile{{Name: "x", Proto: "sctp"}}
	c.Allow = []anomaly.Allow{{}}
	want := []string{"listen[0]", "exporters", "sampling[0]", "observe[0]", "interval", "profiles[0]", "profile[0].proto",
		"profile[0].flows", "mode", "leave", "allow[0].net", "allow[0].reason"}
	if got := report(c); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("errors in %v, want %v", got, want)
	}
}

// TestKernelDropsAreCounted fills a small receive buffer while nobody reads: what the kernel drops shows in the interval's coverage.
func TestKernelDropsAreCounted(t *testing.T) {
	c := config()
	c.Listen, c.Buffer = []string{"127.0.0.1:0"}, 64<<10
	c.Interval = endless
	store := openStore(t, filepath.Join(t.TempDir(), "flows.db"))
	registry := prometheus.NewRegistry()
	w, err := flowwatch.New(context.Background(), flowwatch.Deps{Config: c, Store: store, Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Bind(); err != nil {
		t.Fatal(err)
	}
	x := netflowtest.Exporter{Format: netflowtest.V5, Boot: time.Now().Add(-time.Hour)}
	records := bot("192.0.2.7", 24*400)
	for i := range records {
		records[i].Start, records[i].End = time.Now(), time.Now()
	}
	sent := x.Encode(records, time.Now())
	send(t, w.Addrs()[0], sent)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	// That flows are missing shows in the numbers of the datagrams that come after them.
	waitFor(t, func() bool {
		send(t, w.Addrs()[0], x.Encode(records[:24], time.Now()))
		list, _ := w.Exporters()
		return gauge(t, registry, "spoor_flowwatch_kernel_drops_total") > 0 && len(list) == 1 && list[0].Lost > 0
	})
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	spans, err := store.Spans(history.Interval, "smtp", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil || len(spans) != 1 {
		t.Fatalf("%d spans, error %v", len(spans), err)
	}
	if c := spans[0].Coverage; c.Dropped == 0 || c.Dropped > uint64(len(sent))+600 || c.Lost == 0 {
		t.Errorf("%d of %d datagrams dropped, %d flows lost; want some of both", c.Dropped, len(sent), c.Lost)
	}
}

// gauge reads one metric without labels.
func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// TestSilentExporter checks that an exporter that falls silent shows in the coverage.
func TestSilentExporter(t *testing.T) {
	store := openStore(t, filepath.Join(t.TempDir(), "flows.db"))
	f := newFeed(t, store)
	f.interval(bot("192.0.2.7", 3))
	f.interval(nil) // what came with the end of the first belongs to this one
	f.interval(nil)
	spans, err := store.Spans(history.Interval, "smtp", noon, noon.Add(time.Hour))
	if err != nil || len(spans) != 3 {
		t.Fatalf("%d spans, error %v", len(spans), err)
	}
	if a, b := spans[0].Coverage, spans[2].Coverage; len(a.Exporters) != 1 || len(a.Silent) != 0 || len(b.Exporters) != 0 || len(b.Silent) != 1 {
		t.Errorf("coverage %+v, then %+v", a, b)
	}
	e, err := f.w.Evidence(context.Background(), netip.MustParseAddr("192.0.2.99"), noon.Add(10*time.Minute), noon.Add(15*time.Minute))
	if err != nil || e.Visibility != flowwatch.NotVisible {
		t.Errorf("evidence of a time in which no exporter was heard: %+v, error %v", e, err)
	}
}

// TestEvidenceOfAStranger checks that nothing is said of an address that nobody counts, however well the time is covered.
func TestEvidenceOfAStranger(t *testing.T) {
	f := newFeed(t, openStore(t, filepath.Join(t.TempDir(), "flows.db")))
	f.interval(bot("192.0.2.7", 60))
	f.interval(nil)
	for host, want := range map[string]flowwatch.Visibility{"192.0.2.99": flowwatch.NotSeen, "233.252.0.9": flowwatch.NotVisible} {
		addr := netip.MustParseAddr(host)
		e, err := f.w.Evidence(context.Background(), addr, noon, noon.Add(5*time.Minute))
		if err != nil || e.Visibility != want {
			t.Errorf("%s: %+v, error %v; want %s", host, e, err, want)
		}
		const why = "none of our networks"
		s, err := f.w.Show(context.Background(), netip.PrefixFrom(addr, 32), flowwatch.Scope{Profile: "smtp", From: noon, To: noon.Add(5 * time.Minute)})
		told := strings.Contains(e.Text, why) && strings.Contains(strings.Join(e.Limits, " "), why) && strings.Contains(strings.Join(s.Notes, " "), why)
		if err != nil || told != (want == flowwatch.NotVisible) {
			t.Errorf("%s: %q, limits %q, notes %q, error %v", host, e.Text, e.Limits, s.Notes, err)
		}
	}
}
