package abusebox_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/abusebox/notify"
	"spoor/abusebox/report"
	boltstore "spoor/abusebox/store/bolt"
	"spoor/internal/message"
	"spoor/internal/unit"
)

func TestMain(m *testing.M) {
	if runAsChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

// customers are the registry of these tests: a network, and who answers for its addresses.
type customers map[string][]incident.Holder

var ours = netip.MustParsePrefix("192.0.2.0/24")

func (c customers) Holders(_ context.Context, q abusebox.Whose) (abusebox.Answer, error) {
	if !ours.Contains(q.Addr) {
		return abusebox.Answer{Why: "not in 192.0.2.0/24"}, nil
	}
	if h, ok := c[q.Addr.String()]; ok {
		return abusebox.Answer{Ours: true, Holders: h, Why: "by the table"}, nil
	}
	return abusebox.Answer{Ours: true, Holders: c["*"], Why: "by the table"}, nil
}

func customer(id string, change ...func(*incident.Contact)) incident.Holder {
	h := incident.Holder{ID: id, Name: "Customer " + id, Certain: true, Prefix: "192.0.2.0/24", Chain: []string{"192.0.2.0/24 is routed to " + id},
		Contact: incident.Contact{Addresses: []string{"noc@" + id + ".example"}}}
	for _, f := range change {
		f(&h.Contact)
	}
	return h
}

// A sink is a mail server that keeps what it gets.
type sink struct {
	mu     sync.Mutex
	mails  [][]byte
	rcpt   [][]string
	from   []string
	refuse func(to string) error
	addr   string
	server *smtp.Server
}

func newSink(t testing.TB) *sink {
	t.Helper()
	s := &sink{}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s}, nil }))
	s.server.Domain = "sink.example"
	s.server.ErrorLog = discard{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = s.server.Serve(ln) }()
	t.Cleanup(func() { _ = s.server.Close(); <-done })
	return s
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

type sinkSession struct {
	sink *sink
	from string
	to   []string
}

func (s *sinkSession) Reset()        { s.to = nil }
func (s *sinkSession) Logout() error { return nil }
func (s *sinkSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.sink.refuse != nil {
		if err := s.sink.refuse(to); err != nil {
			return err
		}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *sinkSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.mails, s.sink.rcpt, s.sink.from = append(s.sink.mails, data), append(s.sink.rcpt, s.to), append(s.sink.from, s.from)
	return nil
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mails)
}

func (s *sink) mail(n int) *message.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return message.Read(s.mails[n], message.DefaultLimits())
}

// to is whom a mail was for.
func (s *sink) to(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rcpt[n]
}

// A clock is turned by its test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A world is a desk with its spool, its store and the world around it.
type world struct {
	t      testing.TB
	dir    string
	sink   *sink
	clock  *clock
	spool  *intake.Spool
	store  *boltstore.Store
	desk   *abusebox.Desk
	signer *notify.Signer
	deps   abusebox.Deps
	stop   func()
	inputs int

	commits, changes atomic.Int64 // of the store
}

const instance = "desk.example/1"

// newWorld makes a world; change may alter its parts before the desk is made.
func newWorld(t testing.TB, change ...func(*abusebox.Deps)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), sink: newSink(t), clock: &clock{at: time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)}}
	w.open(change...)
	t.Cleanup(func() { w.close() })
	return w
}

func (w *world) open(change ...func(*abusebox.Deps)) {
	t := w.t
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	cfg := intake.DefaultSpoolConfig()
	cfg.Dir, cfg.MinFree = w.dir, 1
	var err error
	if w.spool, err = intake.OpenSpool(cfg, intake.SpoolDeps{Logger: quiet, Now: w.clock.now}); err != nil {
		t.Fatal(err)
	}
	if w.store, err = boltstore.Open(filepath.Join(w.dir, "mail.db"), boltstore.Options{OnCommit: w.committed}); err != nil {
		t.Fatal(err)
	}
	nc := notify.DefaultConfig()
	nc.From, nc.Smarthost, nc.Send = "abuse@example.net", w.sink.addr, true
	nc.RetryFirst, nc.RetryMost = unit.Duration(time.Second), unit.Duration(time.Second)
	if w.signer, err = notify.NewSigner([]byte("a secret of the tests"), nc.From); err != nil {
		t.Fatal(err)
	}
	w.deps = abusebox.Deps{Config: abusebox.DefaultConfig(), Policy: incident.DefaultPolicy(), Notify: nc, Store: w.store, Spool: w.spool,
		Read: reader(instance), Holders: customers{"*": {customer("c1")}}, Signer: w.signer, Instance: instance,
		Recipients: []string{"abuse@example.net"}, Logger: quiet, Now: w.clock.now}
	for _, f := range change {
		f(&w.deps)
	}
	if w.deps.Composer == nil {
		w.deps.Composer = composer(t, w.deps)
	}
	smarthost, err := notify.NewSmarthost(w.deps.Notify, "desk.example", "")
	if err != nil {
		t.Fatal(err)
	}
	if w.deps.Transport == nil {
		w.deps.Transport = smarthost
	}
	if w.desk, err = abusebox.New(w.deps); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.desk.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		smarthost.Close()
	}
}

func (w *world) committed(changes int, _ time.Duration) {
	w.commits.Add(1)
	w.changes.Add(int64(changes))
}

func (w *world) close() {
	if w.stop == nil {
		return
	}
	w.stop()
	w.stop = nil
	if err := w.store.Check(context.Background(), func(where, problem, _ string) { w.t.Errorf("check: %s: %s", where, problem) }); err != nil {
		w.t.Error(err)
	}
	if err := w.store.Close(); err != nil {
		w.t.Error(err)
	}
	if err := w.spool.Close(); err != nil {
		w.t.Error(err)
	}
}

func composer(t testing.TB, d abusebox.Deps) *notify.Composer {
	t.Helper()
	templates, err := notify.LoadTemplates("")
	if err != nil {
		t.Fatal(err)
	}
	c, err := notify.NewComposer(notify.Deps{Config: d.Notify, Site: "Example Network", Desk: "desk@example.net", Instance: d.Instance,
		Templates: templates, Signer: d.Signer})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func reader(instance string) abusebox.Read {
	return func(ctx context.Context, m *message.Message, mail intake.Mail) report.Result {
		return report.Parse(ctx, m, report.Options{Arrived: mail.Arrived, Ours: ours.Contains, Instance: instance,
			Domains: []string{"example.net"}, Hosts: []string{"example.net"}})
	}
}

// put spools a mail as if it had come by SMTP.
func (w *world) put(raw string, change ...func(*intake.Mail)) intake.ID {
	w.t.Helper()
	w.inputs++
	m := intake.Mail{Envelope: intake.Envelope{Source: intake.SourceSMTP, From: "fbl@reporter.example", Recipients: []string{"abuse@example.net"}},
		Raw: []byte(strings.ReplaceAll(raw, "\n", "\r\n"))}
	for _, f := range change {
		f(&m)
	}
	id, err := w.spool.Put(context.Background(), m)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// settled waits until every mail is decided and no task is due.
func (w *world) settled() {
	w.t.Helper()
	w.until(func() bool {
		decided := 0
		for m, err := range w.store.Mails(context.Background(), 0) {
			if err != nil {
				w.t.Fatal(err)
			}
			if m.Done() {
				decided++
			}
		}
		if decided != w.inputs {
			return false
		}
		for task, err := range w.store.Tasks(context.Background(), 0) {
			if err != nil {
				w.t.Fatal(err)
			}
			if !task.Over() && (!task.Leased.IsZero() || !task.Due.After(w.clock.now())) {
				return false
			}
		}
		return true
	})
}

// until polls for something that another goroutine brings about; it fails only when that never happens.
func (w *world) until(done func() bool) {
	w.t.Helper()
	for range 60_000 { // five minutes: a busy machine is no failure
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatal("it never came about")
}

func (w *world) incidents() (all []incident.Incident) {
	w.t.Helper()
	for i, err := range w.store.Incidents(context.Background(), abusebox.Filter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, i)
	}
	return all
}

// about returns the latest incident about an address.
func (w *world) about(ip string) incident.Incident {
	w.t.Helper()
	for _, i := range w.incidents() {
		if i.Key.Net.Addr().String() == ip {
			return i
		}
	}
	w.t.Fatalf("there is no incident about %s", ip)
	return incident.Incident{}
}

func (w *world) records() (all []abusebox.MailRecord) {
	w.t.Helper()
	for m, err := range w.store.Mails(context.Background(), 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func (w *world) outcomes() (all []incident.Outcome) {
	w.t.Helper()
	for _, m := range w.records() {
		all = append(all, m.Outcome)
	}
	return all
}

// arf is a feedback report about an address, with a number that makes it unlike any other.
func arf(ip string, at time.Time, n int) string {
	date := at.Format(time.RFC1123Z)
	return fmt.Sprintf(`From: <fbl@reporter.example>
To: abuse@example.net
Subject: complaint %[3]d
Date: %[2]s
Message-ID: <complaint-%[3]d@reporter.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is a report about mail from %[1]s.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Reporter/1
Version: 1
Source-IP: %[1]s
Arrival-Date: %[2]s
Original-Rcpt-To: jane.doe@victim.example

--b
Content-Type: message/rfc822

Received: from mail.c1.example (mail.c1.example [%[1]s])
	by mx.victim.example (Postfix) with ESMTP id 4XK2P%[3]d
	for <jane.doe@victim.example>; %[2]s
From: "Cheap Pills" <pills@c1.example>
To: "Jane Doe" <jane.doe@victim.example>
Subject: Buy now, Jane
Date: %[2]s
Message-ID: <spam-%[3]d@mail.c1.example>

Dear Jane Doe, see http://shop.c1.example/?u=jane.doe%%40victim.example
--b--
`, ip, date, n)
}

func contains(raw []byte, text string) bool { return bytes.Contains(raw, []byte(text)) }
