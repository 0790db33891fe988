package abusebox_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/abusebox/notify"
	"spoor/abusebox/report"
	"spoor/internal/message"
	"spoor/internal/unit"
)

func TestComplaintBecomesNotice(t *testing.T) {
	w := newWorld(t)
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	all := w.incidents()
	if len(all) != 1 || all[0].State != incident.Notified || w.sink.count() != 1 {
		t.Fatalf("%d incidents, %d mails; %+v", len(all), w.sink.count(), all)
	}
	m := w.sink.mail(0)
	if diff := cmp.Diff([]string{"noc@c1.example"}, w.sink.rcpt[0]); diff != "" {
		t.Error(diff)
	}
	for field, want := range map[string]string{"Auto-Submitted": "auto-generated", "Precedence": "bulk", "X-Spoor-Instance": instance,
		"Message-ID": w.signer.MessageID(1), "From": `"Example Network" <abuse@example.net>`} {
		if got := m.Header.Get(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	if tag, ok := w.signer.Read(strings.Trim(m.Header.Get("Reply-To"), "<>")); !ok || tag.Incident != all[0].ID {
		t.Errorf("Reply-To %q", m.Header.Get("Reply-To"))
	}
	if tag, ok := w.signer.Read(w.sink.from[0]); !ok || !tag.Bounce || tag.Task != 1 {
		t.Errorf("envelope sender %q", w.sink.from[0])
	}
	for _, leak := range []string{"jane", "Jane", "Doe", "victim"} {
		if contains(w.sink.mails[0], leak) {
			t.Errorf("the notice names %q", leak)
		}
	}
}

// TestHashIsOfOnesOwnEvidence: two holders in one complaint must not be told the hash of the same mail, which speaks of both.
func TestHashIsOfOnesOwnEvidence(t *testing.T) {
	w := newWorld(t)
	w.put("From: <ann@reporter.example>\nTo: abuse@example.net\nSubject: attacks\nMessage-ID: <two@reporter.example>\n\n" +
		"Sep 14 11:00:01 host sshd[7]: Failed password for root from 192.0.2.25 port 40122 ssh2\n" +
		"Sep 14 11:00:02 host sshd[7]: Failed password for root from 192.0.2.26 port 40123 ssh2\n")
	w.put(arf("192.0.2.27", w.clock.now(), 1))
	w.settled()
	hashes := map[string]bool{}
	for _, ip := range []string{"192.0.2.25", "192.0.2.26", "192.0.2.27"} {
		e := w.about(ip).Samples[0]
		proof := e.Header
		if proof == "" {
			proof = strings.Join(e.Lines, "\n")
		}
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(proof))); e.Hash != want || proof == "" {
			t.Errorf("%s: hash %s, want %s of %q", ip, e.Hash, want, proof)
		}
		hashes[e.Hash] = true
	}
	if len(hashes) != 3 {
		t.Errorf("%d hashes of three pieces of evidence", len(hashes))
	}
}

func TestTwoComplaintsOneIncident(t *testing.T) {
	w := newWorld(t)
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.put(arf("192.0.2.25", w.clock.now().Add(-time.Hour), 2))
	w.put(arf("192.0.2.26", w.clock.now(), 3))
	w.settled()
	if all := w.incidents(); len(all) != 2 || w.sink.count() != 2 {
		t.Errorf("%d incidents, %d mails", len(all), w.sink.count())
	}
}

func TestSameMailTwiceByDifferentWays(t *testing.T) {
	w := newWorld(t)
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	w.put(arf("192.0.2.25", w.clock.now(), 1), func(m *intake.Mail) { m.Source = intake.SourceFile })
	w.put(arf("192.0.2.25", w.clock.now(), 1), func(m *intake.Mail) { m.From = "other@reporter.example" })
	w.settled()
	if diff := cmp.Diff([]incident.Outcome{incident.Filed, incident.Repeated, incident.Filed}, w.outcomes()); diff != "" {
		t.Error(diff)
	}
	if got := w.incidents()[0].Reports; got != 2 {
		t.Errorf("%d reports", got)
	}
}

func TestWhatIsNotNotified(t *testing.T) {
	for _, tc := range []struct {
		name    string
		mail    string
		change  func(*intake.Mail)
		holders customers
		outcome incident.Outcome
		state   incident.State
		mails   int // to the desk
	}{
		{"held: two holders", arf("192.0.2.25", day, 1), nil, customers{"*": {customer("c1"), customer("c2")}}, incident.Filed, incident.Held, 0},
		{"unassigned", arf("192.0.2.25", day, 1), nil, customers{}, incident.Filed, incident.Unassigned, 1},
		{"foreign", arf("203.0.113.9", day, 1), nil, nil, incident.Filed, incident.Foreign, 1},
		{"garbage", "\x00\xff\xfe\n\n\x80garbage", nil, nil, incident.Unread, incident.Unassigned, 1},
		{"our own mark", "X-Spoor-Instance: " + instance + "\nSubject: x\n\n" + "192.0.2.25 sends spam", nil, nil, incident.Looped, "", 0},
		{"our mark passed on", "X-Spoor-Instance: other\nX-Spoor-Via: " + instance + "\n" + arf("192.0.2.25", day, 1), nil, nil, incident.Looped, "", 0},
		{"a loop by the envelope", arf("192.0.2.25", day, 1), func(m *intake.Mail) { m.Loop = "50 Received lines" }, nil, incident.Looped, "", 0},
		{"an unsigned bounce", bounceMail("noc@c1.example", "5.1.1"), func(m *intake.Mail) { m.From = "" }, nil, incident.Bounced, "", 0},
		{"no more mail", "From: x@reporter.example\nTo: abuse@example.net\nSubject: Re: x\n\nunsubscribe\n", nil, nil, incident.Unread, incident.Unassigned, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, func(d *abusebox.Deps) {
				if tc.holders != nil {
					d.Holders = tc.holders
				}
			})
			w.put(tc.mail, func(m *intake.Mail) {
				if tc.change != nil {
					tc.change(m)
				}
			})
			w.settled()
			if diff := cmp.Diff([]incident.Outcome{tc.outcome}, w.outcomes()); diff != "" {
				t.Error(diff)
			}
			all := w.incidents()
			switch {
			case tc.state == "" && len(all) != 0:
				t.Errorf("incidents %+v", all)
			case tc.state != "" && (len(all) != 1 || all[0].State != tc.state):
				t.Errorf("incidents %+v, want one %s", all, tc.state)
			}
			if w.sink.count() != tc.mails {
				t.Fatalf("%d mails, want %d", w.sink.count(), tc.mails)
			}
			if tc.mails > 0 && w.sink.rcpt[0][0] != "desk@example.net" {
				t.Errorf("written to %v", w.sink.rcpt[0])
			}
		})
	}
}

var day = time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)

func bounceMail(to, status string) string {
	return fmt.Sprintf(`From: MAILER-DAEMON@mx.example
To: abuse@example.net
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

could not be delivered
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; %s
Action: failed
Status: %s
Diagnostic-Code: smtp; 550 %s no such user

--b--
`, to, status, status)
}

func TestDryRunSendsNothing(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) { d.Notify.Send = false })
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	task, err := w.store.Task(context.Background(), 1)
	if err != nil || task.State != incident.Dry || w.sink.count() != 0 {
		t.Fatalf("%+v, %v, %d mails", task, err, w.sink.count())
	}
	mail, err := w.store.Mail(context.Background(), 1)
	if err != nil || !contains(mail, "192.0.2.25") {
		t.Errorf("what would have been sent is not kept: %v", err)
	}
}

func TestBounceMarksTheContact(t *testing.T) {
	w := newWorld(t)
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	w.put(bounceMail("noc@c1.example", "5.1.1"), func(m *intake.Mail) { m.From, m.Recipients = "", []string{w.sink.from[0]} })
	w.settled()
	i := w.incidents()[0]
	state, err := w.store.Contact(context.Background(), "noc@c1.example")
	if err != nil || !state.Broken || i.State != incident.Held {
		t.Errorf("contact %+v, incident %s %v", state, i.State, i.Why)
	}
	if w.sink.count() != 2 || w.sink.rcpt[1][0] != "desk@example.net" {
		t.Errorf("the desk was not told: %v", w.sink.rcpt)
	}
	w.put(arf("192.0.2.99", w.clock.now(), 2))
	w.settled()
	if got := w.incidents()[0]; got.State != incident.Held {
		t.Errorf("a broken contact was written to again: %s", got.State)
	}
}

func TestReplyLandsOnItsIncident(t *testing.T) {
	w := newWorld(t)
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	reply := strings.Trim(w.sink.mail(0).Header.Get("Reply-To"), "<>")
	w.put("From: noc@c1.example\nTo: abuse@example.net\nSubject: Re: [S-1]\nAuto-Submitted: auto-replied\n\nI am away\n",
		func(m *intake.Mail) { m.From, m.Recipients = "noc@c1.example", []string{reply} })
	w.settled()
	if got := w.incidents()[0].State; got != incident.Notified {
		t.Errorf("an automatic answer made it %s", got)
	}
	w.put("From: noc@c1.example\nTo: abuse@example.net\nSubject: Re: [S-1]\n\nA stolen password, changed. > 203.0.113.77 sent spam\n",
		func(m *intake.Mail) { m.From, m.Recipients = "noc@c1.example", []string{reply} })
	w.settled()
	i := w.incidents()[0]
	if i.State != incident.Acknowledged || i.Answered.IsZero() {
		t.Errorf("%s %v", i.State, i.Why)
	}
	if len(w.incidents()) != 1 || w.sink.count() != 1 {
		t.Errorf("%d incidents, %d mails: an answer made something of its own", len(w.incidents()), w.sink.count())
	}
	forged := strings.Replace(reply, "+s1-", "+s2-", 1)
	w.put("From: x@evil.example\nTo: abuse@example.net\nSubject: Re: [S-1]\n\nall is fine\n",
		func(m *intake.Mail) { m.From, m.Recipients = "x@evil.example", []string{forged} })
	w.settled()
	if got := w.outcomes(); got[len(got)-1] == incident.Replied {
		t.Error("a stranger answered")
	}
}

func TestRefusalsAndRetries(t *testing.T) {
	for _, tc := range []struct {
		name  string
		codes []int // what the server says to each attempt; then it takes the mail
		state incident.TaskState
	}{
		{"busy twice", []int{451, 452}, incident.Sent},
		{"no such user", []int{550}, incident.Failed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			var n atomic.Int32
			w.sink.refuse = func(to string) error {
				if k := int(n.Add(1)) - 1; k < len(tc.codes) {
					return &smtp.SMTPError{Code: tc.codes[k], Message: "no"}
				}
				return nil
			}
			w.put(arf("192.0.2.25", w.clock.now(), 1))
			w.until(func() bool {
				w.clock.add(time.Second)
				task, err := w.store.Task(context.Background(), 1)
				return err == nil && task.Over()
			})
			task, _ := w.store.Task(context.Background(), 1)
			if task.State != tc.state {
				t.Errorf("%+v", task)
			}
			if tc.state == incident.Failed {
				w.until(func() bool { return w.incidents()[0].State == incident.Held })
				state, _ := w.store.Contact(context.Background(), "noc@c1.example")
				if !state.Broken {
					t.Error("the contact is not marked")
				}
			}
		})
	}
}

func TestMailExpires(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) { d.Policy.Expires = time.Hour })
	w.sink.refuse = func(to string) error {
		if strings.HasPrefix(to, "noc@") {
			return &smtp.SMTPError{Code: 451, Message: "later"}
		}
		return nil
	}
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.until(func() bool {
		w.clock.add(time.Minute)
		task, err := w.store.Task(context.Background(), 1)
		return err == nil && task.State == incident.Expired
	})
	w.until(func() bool { return w.incidents()[0].State == incident.Held && w.sink.count() == 1 })
}

func TestPoisonGoesToTheDesk(t *testing.T) {
	var tries atomic.Int32
	w := newWorld(t, func(d *abusebox.Deps) {
		read := d.Read
		d.Read = func(ctx context.Context, m *message.Message, mail intake.Mail) report.Result {
			if strings.Contains(m.Header.Get("Subject"), "666") {
				tries.Add(1)
				panic("poison")
			}
			return read(ctx, m, mail)
		}
	})
	w.put(arf("192.0.2.66", w.clock.now(), 666))
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	if tries.Load() != 3 {
		t.Errorf("tried %d times", tries.Load())
	}
	if diff := cmp.Diff([]incident.Outcome{incident.Poisoned, incident.Filed}, w.outcomes()); diff != "" {
		t.Error(diff)
	}
	if w.sink.count() != 2 {
		t.Errorf("%d mails", w.sink.count())
	}
}

// A shaky store says after its first commits that it does not know their outcome, and one mail's decision panics in it.
type shaky struct {
	abusebox.Store
	doubts  atomic.Int32
	subject string
}

func (s *shaky) doubt() error {
	if s.doubts.Add(-1) >= 0 {
		return abusebox.ErrUncertain
	}
	return nil
}

func (s *shaky) Begin(ctx context.Context, ids []intake.ID, low intake.ID) ([]abusebox.Attempt, error) {
	all, err := s.Store.Begin(ctx, ids, low)
	return all, errors.Join(err, s.doubt())
}

func (s *shaky) Again(ctx context.Context, id intake.ID, after int) (abusebox.Attempt, error) {
	a, err := s.Store.Again(ctx, id, after)
	return a, errors.Join(err, s.doubt())
}

func (s *shaky) Decide(ctx context.Context, ask abusebox.Ask, decide func(incident.Known) (incident.Decision, error)) (incident.Decision, error) {
	if s.subject != "" && strings.Contains(ask.Record.Subject, s.subject) {
		decide = func(incident.Known) (incident.Decision, error) { panic("odd") }
	}
	return s.Store.Decide(ctx, ask, decide)
}

func TestAPanickingDecisionGoesToTheDesk(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) { d.Store = &shaky{Store: d.Store, subject: "666"} })
	w.put(arf("192.0.2.66", w.clock.now(), 666))
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	if diff := cmp.Diff([]incident.Outcome{incident.Poisoned, incident.Filed}, w.outcomes()); diff != "" {
		t.Error(diff)
	}
	if m := w.records()[0]; !strings.Contains(m.Why, "panic") || strings.Contains(m.Why, "\n") {
		t.Errorf("why: %q", m.Why)
	}
}

// A commit whose outcome is unknown is asked for again; the mail must not pay for that.
func TestUncertainCommitsCountOnce(t *testing.T) {
	var failed atomic.Bool
	w := newWorld(t, func(d *abusebox.Deps) {
		store := &shaky{Store: d.Store}
		store.doubts.Store(4)
		holders := d.Holders
		d.Store = store
		d.Holders = holdersFunc(func(ctx context.Context, q abusebox.Whose) (abusebox.Answer, error) {
			if failed.CompareAndSwap(false, true) {
				store.doubts.Store(4)
				return abusebox.Answer{}, errors.New("not now")
			}
			return holders.Holders(ctx, q)
		})
	})
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	if m := w.records()[0]; m.Outcome != incident.Filed || m.Attempts != 2 {
		t.Errorf("%s after %d attempts: %s", m.Outcome, m.Attempts, m.Why)
	}
}

type holdersFunc func(context.Context, abusebox.Whose) (abusebox.Answer, error)

func (f holdersFunc) Holders(ctx context.Context, q abusebox.Whose) (abusebox.Answer, error) {
	return f(ctx, q)
}

func TestAcknowledgedOnce(t *testing.T) {
	proven := func(d *abusebox.Deps) {
		d.Policy.Acknowledge = true
		read := d.Read
		d.Read = func(ctx context.Context, m *message.Message, mail intake.Mail) report.Result {
			r := read(ctx, m, mail)
			r.Reporter.Authenticated = report.ByDKIM
			return r
		}
	}
	plain := func(n int) string {
		return fmt.Sprintf("From: <ann@reporter.example>\nTo: abuse@example.net\nSubject: spam %d\nMessage-ID: <ann-%d@reporter.example>\n\nHost 192.0.2.25 sent spam on 14 Sep 2026 11:00:00 UTC\n", n, n)
	}
	from := func(m *intake.Mail) { m.From = "ann@reporter.example" }
	w := newWorld(t, proven)
	w.put(plain(1), from)
	w.put(plain(2), from)
	w.settled()
	acks := func() (n int) {
		for k := range w.sink.count() {
			if w.sink.mail(k).Header.Get("Auto-Submitted") == "auto-replied" {
				n++
				if w.sink.from[k] != "" || w.sink.rcpt[k][0] != "ann@reporter.example" {
					t.Errorf("from %q to %v", w.sink.from[k], w.sink.rcpt[k])
				}
			}
		}
		return n
	}
	if acks() != 1 {
		t.Fatalf("%d acknowledgements on one day", acks())
	}
	stranger := w.put("From: ann@reporter.example\nTo: abuse@example.net\nSubject: Re: spam\n\nunsubscribe\n", from)
	w.settled()
	if state, err := w.store.Contact(context.Background(), "ann@reporter.example"); err != nil || len(state.OptOut) > 0 {
		t.Errorf("anybody may opt her out, by mail %s: %+v %v", stranger, state, err)
	}
	optOut(t, w, from)
	w.settled()
	w.clock.add(25 * time.Hour)
	w.put(plain(3), from)
	w.settled()
	if acks() != 1 {
		t.Errorf("%d acknowledgements though she opted out", acks())
	}
}

func TestFloodMakesOneIncident(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	w := newWorld(t)
	base := w.clock.now()
	const senders = 16
	var group sync.WaitGroup
	for sender := range senders { // as a flood comes: at the same time, so that the mails share their syncs
		group.Go(func() {
			for k := sender; k < n; k += senders {
				raw := strings.ReplaceAll(arf("192.0.2.25", base.Add(-time.Duration(k%60)*time.Second), k), "\n", "\r\n")
				envelope := intake.Envelope{Source: intake.SourceSMTP, From: "fbl@reporter.example", Recipients: []string{"abuse@example.net"}}
				if _, err := w.spool.Put(context.Background(), intake.Mail{Envelope: envelope, Raw: []byte(raw)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	w.until(func() bool {
		all := w.incidents()
		return len(all) == 1 && all[0].Reports == n
	})
	w.until(func() bool { return w.sink.count() == 1 })
	w.clock.add(25 * time.Hour)
	if err := w.desk.Review(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.until(func() bool { return w.sink.count() == 2 })
	if got := w.incidents(); len(got) != 1 || got[0].Notices != 2 {
		t.Errorf("%d incidents, %d notices", len(got), got[0].Notices)
	}
}

// TestTwoDesksDoNotTalkForEver lets two desks be each other's contact.
func TestTwoDesksDoNotTalkForEver(t *testing.T) {
	other := "other.example/1"
	peer := func(id, address string) customers {
		return customers{"*": {customer(id, func(c *incident.Contact) { c.Addresses = []string{address} })}}
	}
	a := newWorld(t, func(d *abusebox.Deps) { d.Holders = peer("b", "abuse@b.example") })
	b := newWorld(t, func(d *abusebox.Deps) {
		d.Holders, d.Instance, d.Read = peer("a", "abuse@example.net"), other, reader(other)
		d.Composer = composer(t, *d)
	})
	a.put(arf("192.0.2.25", a.clock.now(), 1))
	passed := 0
	for range 20 { // rounds, each half a day
		for _, way := range []struct{ from, to *world }{{a, b}, {b, a}} {
			way.from.settled()
			for ; passedOf(way.from) < way.from.sink.count(); passedOn[way.from]++ {
				raw := string(way.from.sink.mails[passedOf(way.from)])
				way.to.put(strings.ReplaceAll(raw, "\r\n", "\n"), func(m *intake.Mail) { m.From = way.from.sink.from[passedOf(way.from)] })
				passed++
			}
			way.to.settled()
		}
		for _, w := range []*world{a, b} {
			w.clock.add(12 * time.Hour)
			if err := w.desk.Review(context.Background()); err != nil {
				t.Fatal(err)
			}
			w.settled()
		}
	}
	if passed != 2 {
		t.Errorf("%d mails went to and fro in ten days, want the notice and the other desk's notice", passed)
	}
}

var passedOn = map[*world]int{}

func passedOf(w *world) int { return passedOn[w] }

func TestHookRuns(t *testing.T) {
	out := filepath.Join(t.TempDir(), "seen")
	w := newWorld(t, func(d *abusebox.Deps) {
		d.Policy.Rules = []incident.Rule{{Name: "tell", Do: incident.DoHook, Hook: script(t, "cat > "+out)}, {Name: "slow", Do: incident.DoHook, Hook: script(t, "sleep 60")}}
		d.Notify.HookTimeout = unit.Duration(5 * time.Second) // a busy machine may take seconds to run the first one
	})
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.until(func() bool {
		task, err := w.store.Task(context.Background(), 2)
		return err == nil && task.State == incident.Sent
	})
	if got := read(t, out); !strings.Contains(got, `"rule":"tell"`) || !strings.Contains(got, "192.0.2.25") {
		t.Errorf("the hook read %q", got)
	}
	w.until(func() bool {
		task, err := w.store.Task(context.Background(), 3)
		return err == nil && task.Last != "" && task.State == incident.Queued
	})
}

func TestRestartGoesOn(t *testing.T) {
	w := newWorld(t)
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	w.close()
	w.open()
	w.put(arf("192.0.2.26", w.clock.now(), 2))
	w.settled()
	if len(w.incidents()) != 2 || w.sink.count() != 2 {
		t.Errorf("%d incidents, %d mails", len(w.incidents()), w.sink.count())
	}
}

var _ notify.Transport = (*notify.Smarthost)(nil)

func TestNoDeskMailbox(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) {
		d.Holders = customers{}
		templates, err := notify.LoadTemplates("")
		if err != nil {
			t.Fatal(err)
		}
		if d.Composer, err = notify.NewComposer(notify.Deps{Config: d.Notify, Site: "x", Instance: d.Instance, Templates: templates, Signer: d.Signer}); err != nil {
			t.Fatal(err)
		}
	})
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	task, err := w.store.Task(context.Background(), 1)
	if err != nil || task.State != incident.Failed || !strings.Contains(task.Last, "site.desk") {
		t.Errorf("%+v, %v", task, err)
	}
	if i := w.incidents()[0]; i.State != incident.Unassigned {
		t.Errorf("%s", i.State)
	}
}

// optOut answers the acknowledgement at its signed address, after the same address has bounced as a contact.
func optOut(t *testing.T, w *world, from func(*intake.Mail)) {
	t.Helper()
	ctx, address := context.Background(), ""
	for k := range w.sink.count() {
		if m := w.sink.mail(k); m.Header.Get("Auto-Submitted") == "auto-replied" {
			address = strings.Trim(m.Header.Get("Reply-To"), "<>")
		}
	}
	_, err := w.store.Decide(ctx, abusebox.Ask{}, func(incident.Known) (incident.Decision, error) {
		return incident.Decision{Outcome: incident.Filed, Contacts: map[string]incident.ContactState{"ann@reporter.example": {Broken: true, Failures: 3, OptOut: []string{"copyright"}}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.put("From: ann@reporter.example\nTo: "+address+"\nSubject: Re: spam\n\nunsubscribe\n", from, func(m *intake.Mail) { m.Recipients = []string{address} })
	w.settled()
	state, err := w.store.Contact(ctx, "ann@reporter.example")
	if err != nil || !state.Broken || state.Failures != 3 || !slices.Equal(state.OptOut, []string{"copyright", "acknowledge"}) {
		t.Errorf("after her wish: %+v %v", state, err)
	}
}

// TestAcknowledgesOnlyItsWriter sends a complaint whose From is not the sender of its envelope.
func TestAcknowledgesOnlyItsWriter(t *testing.T) {
	for _, tc := range []struct {
		from string
		acks int
	}{
		{"Ann <ann@reporter.example>", 1}, {"ANN@Reporter.example", 1}, {"bob@reporter.example", 0},
		{"ann@reporter.example, bob@reporter.example", 0}, {"no address", 0},
	} {
		w := newWorld(t, func(d *abusebox.Deps) {
			d.Policy.Acknowledge = true
			read := d.Read
			d.Read = func(ctx context.Context, m *message.Message, mail intake.Mail) report.Result {
				r := read(ctx, m, mail)
				r.Reporter.Authenticated, r.Reporter.Domain = report.ByDKIM, "reporter.example"
				return r
			}
		})
		w.put("From: "+tc.from+"\nTo: abuse@example.net\nSubject: spam\nMessage-ID: <1@reporter.example>\n\nHost 192.0.2.25 sent spam on 14 Sep 2026 11:00:00 UTC\n",
			func(m *intake.Mail) { m.From = "ann@reporter.example" })
		w.settled()
		acks := 0
		for task, err := range w.store.Tasks(context.Background(), 0) {
			if err == nil && task.Kind == incident.Acknowledge {
				acks++
			}
		}
		if acks != tc.acks {
			t.Errorf("From: %s gets %d acknowledgements, want %d", tc.from, acks, tc.acks)
		}
		w.close()
	}
}

// TestAMarkOfAnotherDeskHidesNothing files a complaint that bears somebody else's marks, and never answers it.
func TestAMarkOfAnotherDeskHidesNothing(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) { d.Policy.Acknowledge = true })
	w.put("X-Spoor-Instance: other.example/7\nX-Spoor-Via: third.example/9\nX-Loop: abuse@other.example\n" + arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	if got := w.outcomes(); !slices.Equal(got, []incident.Outcome{incident.Filed}) || w.about("192.0.2.25").State != incident.Notified {
		t.Errorf("outcomes %v, incidents %v", got, w.incidents())
	}
	notice := w.sink.mail(0).Header
	var marks []string
	for _, f := range notice.All("X-Spoor-Via") {
		marks = append(marks, strings.TrimSpace(f.Value()))
	}
	if w.sink.count() != 1 || !slices.Contains(marks, "other.example/7") || notice.Get("X-Spoor-Instance") != instance {
		t.Errorf("%d mails; the notice passes on %v", w.sink.count(), marks)
	}
	w.put(strings.Replace("X-Spoor-Instance: "+instance+"\n"+arf("192.0.2.26", w.clock.now(), 2), "Subject: complaint", "Subject: our own", 1))
	w.settled()
	if got := w.outcomes()[1]; got != incident.Looped {
		t.Errorf("a mail with our own mark is %s", got)
	}
}
