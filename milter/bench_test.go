package milter

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gomilter "github.com/emersion/go-milter"

	"spoor/internal/peers"
	"spoor/milter/miltertest"
)

// A nullMilter does what every milter must, and nothing more: it is what ours is measured against. It asks for
// the same steps as ours, in silence, and adds two header fields if asked to.
type nullMilter struct {
	gomilter.NoOpMilter
	headers bool
}

func (nullMilter) Connect(string, string, uint16, net.IP, *gomilter.Modifier) (gomilter.Response, error) {
	return nil, nil
}
func (nullMilter) Helo(string, *gomilter.Modifier) (gomilter.Response, error)     { return nil, nil }
func (nullMilter) MailFrom(string, *gomilter.Modifier) (gomilter.Response, error) { return nil, nil }
func (nullMilter) RcptTo(string, *gomilter.Modifier) (gomilter.Response, error)   { return nil, nil }
func (nullMilter) Header(string, string, *gomilter.Modifier) (gomilter.Response, error) {
	return nil, nil
}
func (nullMilter) Headers(textproto.MIMEHeader, *gomilter.Modifier) (gomilter.Response, error) {
	return nil, nil
}
func (n nullMilter) Body(m *gomilter.Modifier) (gomilter.Response, error) {
	if n.headers {
		for _, name := range []string{"X-Null-Origin", "X-Null-Findings"} {
			if err := m.InsertHeader(0, name, " mail.example.net; ip=192.0.2.7; hop=0; helo=client.example.org;\n\trdns-state=none"); err != nil {
				return nil, err
			}
		}
	}
	return gomilter.RespContinue, nil
}

// runNull serves go-milter's own NoOpMilter as it comes ("noop"), or one that
// asks for the same steps as ours ("null", "null-headers").
func runNull(ctx context.Context, path, kind string) error {
	t := New(testConfig(), Deps{Tracer: plainTracer{}}).terms(offer{version, miltertest.AllActions, miltertest.AllProtocol})
	server := &gomilter.Server{
		NewMilter: func() gomilter.Milter { return nullMilter{headers: kind == "null-headers"} },
		Actions:   t.actions &^ gomilter.OptSetSymList, Protocol: t.protocol,
	}
	if kind == "noop" {
		server = &gomilter.Server{NewMilter: func() gomilter.Milter { return gomilter.NoOpMilter{} }}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err = os.Chmod(path, 0o666); err != nil {
		return err
	}
	go func() { <-ctx.Done(); server.Close() }()
	if err := server.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

// BenchmarkMessage is one message on an open connection, over a Unix socket, with
// both ends in this process.
func BenchmarkMessage(b *testing.B) {
	r := start(b, testConfig(), Deps{Tracer: NewTracer(nil, nil, nil)})
	c := dial(b, r)
	connect(b, c, "192.0.2.7")
	m := letterTo(1)
	for i := range 4 {
		m.Header = append(m.Header, [2]string{"Received",
			fmt.Sprintf("from mx%d.example.org (mx%d.example.org [198.51.100.%d])\n\tby mx%d.example.com (Postfix) with ESMTPS id 4X%d\n\tfor <a@example.com>; Fri, 1 May 2026 10:00:0%d +0000 (UTC)", i, i, i+1, i, i, 9-i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		deliver(b, c, m)
	}
}

// A contender is one milter beside others in the same Postfix.
type contender struct {
	name   string
	addr   netip.AddrPort // the smtpd that uses it
	pid    int            // 0 for Postfix alone
	rates  []float64      // messages a second, one of each round
	cpu    []float64      // microseconds a message
	delays []float64      // milliseconds of a message, at a fixed rate
}

// A match is a Postfix with one smtpd for each contender.
type match struct {
	b          *testing.B
	dir        string
	contenders []*contender
}

func newMatch(b *testing.B, names ...string) *match {
	m := &match{b: b, dir: peers.TempDir(b, "match")}
	if err := os.Chmod(m.dir, 0o777); err != nil { // rspamd and OpenDKIM give up root
		b.Fatal(err)
	}
	var services []string
	for _, name := range names {
		c := &contender{name: name, addr: peers.Loopback(peers.FreePort(b))}
		m.contenders = append(m.contenders, c)
		service := fmt.Sprintf("%d inet n - n - - smtpd", c.addr.Port())
		if name != "alone" {
			c.pid = m.startMilter(name).Pid()
			service += "\n  -o smtpd_milters=unix:" + m.socket(name)
		}
		services = append(services, service)
	}
	peers.NewPostfix(b, peers.PostfixOptions{Master: services, Main: map[string]string{"milter_default_action": "tempfail"}})
	return m
}

func (m *match) socket(name string) string { return filepath.Join(m.dir, name+".sock") }

func (m *match) startMilter(name string) *peers.Process {
	var cmd *exec.Cmd
	switch name {
	case "rspamd":
		cmd = m.rspamd()
	case "opendkim":
		cmd = m.opendkim()
	case "daemon":
		cmd = m.daemon()
	default:
		cmd = childCommand(name, m.socket(name))
	}
	p := peers.Start(m.b, cmd)
	peers.WaitFor(m.b, 20*time.Second, name, func() bool {
		if !p.Running() {
			m.b.Fatalf("%s ended at once:\n%s", name, p.Output())
		}
		conn, err := net.Dial("unix", m.socket(name))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return p
}

func (m *match) write(name, text string) string {
	path := filepath.Join(m.dir, name)
	must(m.b, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// rspamd gets its leanest form: a milter worker that scans by itself, with no filter at all.
func (m *match) rspamd() *exec.Cmd {
	config := m.write("rspamd.conf", fmt.Sprintf(`options {
  filters = "";
  pidfile = "%[1]s/rspamd.pid";
  control_socket = "%[1]s/rspamd.ctl mode=0600";
  dns { nameserver = ["127.0.0.1:53"]; }
}
logging { type = "console"; level = "error"; }
worker "rspamd_proxy" {
  bind_socket = "%[2]s mode=0666";
  milter = yes;
  count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
`, m.dir, m.socket("rspamd")))
	return exec.Command(peers.Need(m.b, "rspamd"), "-f", "-i", "-u", "_rspamd", "-g", "_rspamd", "-c", config)
}

// opendkim verifies, on mail without signatures: it does no cryptography.
func (m *match) opendkim() *exec.Cmd {
	config := m.write("opendkim.conf", "Mode v\nSocket local:"+m.socket("opendkim")+"\nUMask 000\nSyslog no\nUserID opendkim\nPeerList /dev/null\nInternalHosts /dev/null\n")
	return exec.Command(peers.Need(m.b, "opendkim"), "-f", "-x", config)
}

// daemon is ours as users run it: the whole program, with a registry, flows and a desk beside the milter.
func (m *match) daemon() *exec.Cmd {
	program := filepath.Join(m.dir, "spoor")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/spoor").CombinedOutput(); err != nil {
		m.b.Fatalf("build spoor: %v\n%s", err, out)
	}
	m.write("contacts.toml", "[[contact]]\nIP-Network = \"192.0.2.0/24\"\nOrg-Name = \"Example School\"\nAbuse-Contact = \"it@school.example\"\n")
	config := m.write("spoor.toml", fmt.Sprintf(`[site]
name     = "Example Regional Network"
hosts    = ["example.net"]
networks = ["192.0.2.0/24"]
desk     = "abuse-desk@example.net"
[store]
dir = "%[1]s/store"
[abusebox]
smtp       = ["127.0.0.1:0"]
recipients = ["abuse@example.net"]
[registry]
contacts = ["contacts.toml"]
[flowwatch]
listen    = ["127.0.0.1:0"]
exporters = ["127.0.0.1"]
[milter]
listen         = ["%[2]s"]
socket_mode    = "0666"
trust_loopback = false # judge the load's client like any other
[[milter.rule]]
name   = "listed"
is     = ["listed", "ours"]
action = "report"
`, m.dir, m.socket("daemon")))
	return exec.Command(program, "-c", config, "serve")
}

// source sends n messages as fast as the smtpd takes them and returns their rate.
func (m *match) source(c *contender, n int) float64 {
	cmd := exec.Command(peers.Need(m.b, "smtp-source"), "-s", "4", "-m", strconv.Itoa(n), "-l", "4000",
		"-f", "sender@example.org", "-t", "rcpt@example.com", c.addr.String())
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		m.b.Fatalf("smtp-source to %s: %v\n%s", c.name, err, out)
	}
	return float64(n) / time.Since(begin).Seconds()
}

// cpuTime returns the CPU time of a process and its children in microseconds.
func cpuTime(b *testing.B, pid int) float64 {
	if pid == 0 {
		return 0
	}
	total := processTime(b, pid)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	must(b, err)
	for _, child := range strings.Fields(string(children)) {
		id, err := strconv.Atoi(child)
		must(b, err)
		total += processTime(b, id)
	}
	return total
}

func processTime(b *testing.B, pid int) float64 {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	must(b, err)
	var sum float64
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has just ended
		}
		ns, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
		must(b, err)
		sum += ns / 1000
	}
	return sum
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[len(x)/2] + x[(len(x)-1)/2]) / 2
}

// ratios returns one contender's rates over another's, round by round: what
// else the machine does meets both in the same round.
func (m *match) ratios(name, peer string) []float64 {
	find := func(name string) []float64 {
		i := slices.IndexFunc(m.contenders, func(c *contender) bool { return c.name == name })
		return m.contenders[i].rates
	}
	ours, theirs := find(name), find(peer)
	out := make([]float64, len(ours))
	for i := range out {
		out[i] = ours[i] / theirs[i]
	}
	return out
}

const (
	rounds    = 9
	perRound  = 400
	pacedEach = 150
)

// BenchmarkPostfix sends mail through Postfix alone and with each milter, in
// turns, so that what else the machine does meets all alike.
func BenchmarkPostfix(b *testing.B) {
	m := newMatch(b, "alone", "noop", "null", "null-headers", "ours", "daemon", "rspamd", "opendkim")
	for b.Loop() {
		for _, c := range m.contenders {
			m.source(c, 50) // processes come up
		}
		for i := range rounds {
			for k := range m.contenders {
				c := m.contenders[(i+k)%len(m.contenders)] // nobody always comes first
				before := cpuTime(b, c.pid)
				c.rates = append(c.rates, m.source(c, perRound))
				c.cpu = append(c.cpu, (cpuTime(b, c.pid)-before)/perRound)
			}
		}
	}
	rate := map[string]float64{}
	for _, c := range m.contenders {
		rate[c.name] = median(c.rates)
		fmt.Printf("postfix with %-12s %6.0f messages/s  %6.0f µs of milter CPU a message (medians of %d runs)\n",
			c.name, rate[c.name], median(c.cpu), len(c.rates))
	}
	b.ReportMetric(rate["ours"], "messages/s")
	// "null" is held against the null milter that does to the message what ours does: of the rest,
	// Postfix's own work on two more header fields is the larger part.
	for _, pair := range [][2]string{
		{"null", "null-headers"}, {"null-idle", "null"}, {"noop", "noop"}, {"rspamd", "rspamd"}, {"opendkim", "opendkim"},
	} {
		fmt.Printf("ratio milter-vs-%s %.2f\n", pair[0], median(m.ratios("ours", pair[1])))
	}
	fmt.Printf("ratio milter-daemon-vs-null %.2f\n", median(m.ratios("daemon", "null-headers")))
}

// BenchmarkHalfRate sends at half of the rate that Postfix with ours can take,
// and compares the time that a message takes, and the milter's CPU, with a null
// go-milter that asks for the same steps and adds two header fields.
func BenchmarkHalfRate(b *testing.B) {
	m := newMatch(b, "null-headers", "ours", "daemon")
	for b.Loop() {
		for _, c := range m.contenders {
			m.source(c, 50)
		}
		rate := m.source(m.contenders[1], perRound) / 2
		for i := range rounds {
			for k := range m.contenders {
				c := m.contenders[(i+k)%len(m.contenders)]
				before := cpuTime(b, c.pid)
				c.delays = append(c.delays, m.paced(c, rate))
				c.cpu = append(c.cpu, (cpuTime(b, c.pid)-before)/pacedEach)
			}
		}
	}
	null, ours := m.contenders[0], m.contenders[1]
	for _, c := range m.contenders[1:] {
		added := func(of func(*contender) []float64) float64 { // round by round: what else the machine does meets both
			var all []float64
			for i := range of(c) {
				all = append(all, of(c)[i]-of(null)[i])
			}
			return median(all)
		}
		ms, cpu := added(func(c *contender) []float64 { return c.delays }), added(func(c *contender) []float64 { return c.cpu })
		b.ReportMetric(ms, c.name+"-added-ms")
		b.ReportMetric(cpu, c.name+"-added-µs-cpu")
	}
	for _, c := range m.contenders {
		fmt.Printf("at half rate with %-12s %6.2f ms a message, %5.0f µs of milter CPU (medians of %d runs)\n",
			c.name, median(c.delays), median(c.cpu), len(c.delays))
	}
	fmt.Printf("ratio milter-delay-vs-null %.2f\n", median(null.delays)/median(ours.delays))
	fmt.Printf("ratio milter-cpu-vs-null %.2f\n", median(null.cpu)/median(ours.cpu))
}

// paced sends messages at a rate, each on a connection of its own, and returns
// the median time of one in milliseconds.
func (m *match) paced(c *contender, rate float64) float64 {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []float64
	begin := time.Now()
	for i := range pacedEach {
		time.Sleep(time.Until(begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		wg.Go(func() {
			at := time.Now()
			if err := sendOne(c.addr); err != nil {
				m.b.Error(err)
				return
			}
			took := time.Since(at).Seconds() * 1000
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took)
		})
	}
	wg.Wait()
	if len(all) == 0 {
		m.b.Fatal("no message went through")
	}
	return median(all)
}

func sendOne(addr netip.AddrPort) error {
	conn, err := textproto.Dial("tcp", addr.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, _, err := conn.ReadResponse(220); err != nil {
		return err
	}
	body := "Subject: paced\r\n\r\n" + string(bytes.Repeat([]byte("0123456789abcdef\r\n"), 200)) + "."
	for _, step := range []struct {
		line string
		code int
	}{
		{"EHLO client.example.org", 250}, {"MAIL FROM:<sender@example.org>", 250}, {"RCPT TO:<rcpt@example.com>", 250},
		{"DATA", 354}, {body, 250}, {"QUIT", 221},
	} {
		if err := conn.PrintfLine("%s", step.line); err != nil {
			return err
		}
		if _, _, err := conn.ReadResponse(step.code); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkConnection is one message on a connection of its own, as most mail
// comes, with ours and with a null milter: the CPU time of both ends.
func BenchmarkConnection(b *testing.B) {
	null := filepath.Join(b.TempDir(), "null.sock")
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- runNull(ctx, null, "null-headers") }()
	defer func() { stop(); <-done }()
	waitFor(b, func() bool { _, err := os.Stat(null); return err == nil })
	r := start(b, testConfig(), Deps{Tracer: NewTracer(nil, nil, nil)})
	for _, kind := range []struct{ name, socket string }{{"null", null}, {"ours", r.socket}} {
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b, os.Getpid())
			for b.Loop() {
				c, err := miltertest.Dial("unix", kind.socket, 0, 0)
				must(b, err)
				connect(b, c, "192.0.2.7")
				deliver(b, c, letterTo(1))
				must(b, c.Close())
			}
			b.ReportMetric((cpuTime(b, os.Getpid())-before)/float64(b.N), "µs-cpu/op")
		})
	}
}
