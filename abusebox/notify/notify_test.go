package notify

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"spoor/abusebox/incident"
	"spoor/abusebox/report"
	"spoor/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)

func testComposer(t *testing.T, change ...func(*Deps)) *Composer {
	t.Helper()
	templates, err := LoadTemplates("")
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.From = "abuse@example.net"
	signer, err := NewSigner([]byte("a secret of the tests"), cfg.From)
	if err != nil {
		t.Fatal(err)
	}
	d := Deps{Config: cfg, Site: "Example Network", Desk: "desk@example.net", Instance: "desk/1", Templates: templates, Signer: signer}
	for _, f := range change {
		f(&d)
	}
	c, err := NewComposer(d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// spamCase is an incident about one message, with the header that the complaint enclosed.
func spamCase(id incident.ID) incident.Incident {
	return incident.Incident{
		ID: id, Key: incident.Key{Holder: "c1", Net: netip.MustParsePrefix("192.0.2.25/32"), Type: "spam"}, Category: "messaging",
		Holder: incident.Holder{ID: "c1", Name: "Example School", Prefix: "192.0.2.0/24", Chain: []string{"192.0.2.0/24 is routed to Example School"},
			Contact: incident.Contact{Addresses: []string{"noc@c1.example"}, Name: "Example School"}},
		First: noon.Add(-time.Hour), Last: noon.Add(-time.Hour), Opened: noon, Reports: 1, Events: 1, Deadline: noon.Add(24 * time.Hour),
		Reporters: []incident.ReporterCount{{Reporter: incident.Reporter{Address: "fbl@reporter.example", Domain: "reporter.example"}, Count: 1}},
		Samples: []incident.Evidence{{Kind: incident.FromReport, Addr: netip.MustParseAddr("192.0.2.25"), From: noon.Add(-time.Hour), Received: noon, ZoneKnown: true, Hash: "abcd",
			Header: "Received: from mail.c1.example ([192.0.2.25]) by mx.victim.example with ESMTP id 4XK2P for <jane.doe@victim.example>; Mon, 14 Sep 2026 11:00:00 +0000\r\n" +
				"From: pills@c1.example\r\nTo: Jane Doe <jane.doe@victim.example>\r\nSubject: Buy now, Jane\r\nMessage-ID: <1@c1.example>\r\n"}},
		Confidence: incident.Confidence{Parts: []incident.Part{{Name: "flow", Side: incident.For, Why: "214 connections to port 25 at 180 hosts"}}},
	}
}

func compose(t *testing.T, c *Composer, task incident.Task, incidents ...incident.Incident) (Notice, *message.Message) {
	t.Helper()
	for _, i := range incidents {
		task.Incidents = append(task.Incidents, i.ID)
	}
	if task.ID == 0 {
		task.ID = 17
	}
	n, err := c.Compose(context.Background(), Job{Task: task, Incidents: incidents, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return n, message.Read(n.Raw, message.DefaultLimits())
}

func noticeTo(i incident.Incident) incident.Task {
	return incident.Task{Kind: incident.Notice, Contact: i.Holder.Contact, Number: 1, Created: noon}
}

// golden holds a mail against what people reviewed; UPDATE=1 writes it anew.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
}

// TestGolden holds every kind of mail in both languages against what people reviewed.
func TestGolden(t *testing.T) {
	c := testComposer(t, func(d *Deps) {
		d.Activity = func(_ context.Context, _ netip.Addr, _ string, from, to time.Time) (points []Point) {
			for n := range 6 {
				points = append(points, Point{At: noon.Add(time.Duration(-n) * time.Hour), Count: 10 * (6 - n)})
			}
			return points
		}
	})
	for _, lang := range []string{"en", "zh-TW"} {
		for _, kind := range []incident.TaskKind{incident.Notice, incident.Digest, incident.Reminder, incident.Escalation, incident.ToDesk, incident.Acknowledge, incident.Education, incident.Outward} {
			i, second := spamCase(1042), spamCase(1043)
			second.Key.Net, second.Key.Subject, second.Reports = netip.MustParsePrefix("192.0.2.77/32"), "account:web7@c1.example", 3
			second.Samples = nil
			i.State, second.State = incident.Unassigned, incident.Held
			task := incident.Task{Kind: kind, Contact: i.Holder.Contact, Why: "nobody is known", Reply: incident.ReplyTo{Address: "ann@reporter.example", Subject: "spam"}}
			task.Contact.Language, task.Contact.Zone = lang, "Asia/Taipei"
			n, _ := compose(t, c, task, i, second)
			got := "Subject: " + n.Subject + "\n\n" + n.Text
			path := filepath.Join("testdata", "golden", lang+"-"+string(kind)+".txt")
			golden(t, path, got)
		}
	}
}

// TestOurOwnParserReadsOurNotices: what we send, a desk like ours understands by its structure.
func TestOurOwnParserReadsOurNotices(t *testing.T) {
	c := testComposer(t)
	single := spamCase(1)
	many := spamCase(2)
	many.Reports, many.Events = 7, 9
	scan := spamCase(3)
	scan.Category, scan.Key.Type = "connection", "port-scan"
	scan.Key.Net = netip.MustParsePrefix("192.0.2.77/32")
	for _, tc := range []struct {
		name      string
		incidents []incident.Incident
		format    string
		ips       []string
	}{
		{"one message", []incident.Incident{single}, "xarf", []string{"192.0.2.25"}},
		{"one message, no XARF", []incident.Incident{single}, "arf", []string{"192.0.2.25"}},
		{"several messages", []incident.Incident{many}, "xarf", []string{"192.0.2.25"}},
		{"two cases", []incident.Incident{many, scan}, "xarf", []string{"192.0.2.25", "192.0.2.77"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, m := compose(t, c, noticeTo(tc.incidents[0]), tc.incidents...)
			if tc.format == "arf" { // for a reader that knows no XARF
				m = message.Read(bytes.ReplaceAll(n.Raw, []byte("ewogInhh"), []byte("AAAAAAAA")), message.DefaultLimits())
			}
			if len(m.Defects) > 0 {
				t.Errorf("defects %v", m.Defects)
			}
			got := report.Parse(context.Background(), m, report.Options{Arrived: noon, Instance: "another"})
			var ips []string
			for _, r := range got.Reports {
				ips = append(ips, r.IP.String())
				if r.Type != tc.incidents[len(ips)-1].Key.Type {
					t.Errorf("type %q", r.Type)
				}
			}
			if diff := cmp.Diff(tc.ips, ips); diff != "" || !strings.HasPrefix(got.Format, tc.format) {
				t.Errorf("format %q %s", got.Format, diff)
			}
		})
	}
}

func TestFeedbackReportCarriesOneMessageOnly(t *testing.T) {
	c := testComposer(t)
	one := spamCase(1)
	_, m := compose(t, c, noticeTo(one), one)
	if m.MediaType != "multipart/report" || m.Params["report-type"] != "feedback-report" || len(m.Children) != 3 {
		t.Errorf("%s %v with %d parts", m.MediaType, m.Params, len(m.Children))
	}
	if first := firstText(&m.Part); !strings.Contains(first, "WHAT WE ASK") {
		t.Errorf("the text does not come first: %q", first)
	}
	two := spamCase(1)
	two.Reports = 2
	if _, m := compose(t, c, noticeTo(two), two); m.MediaType != "multipart/mixed" {
		t.Errorf("an aggregated notice is %s", m.MediaType)
	}
}

func firstText(p *message.Part) string {
	for !p.IsMail() && len(p.Children) > 0 {
		p = p.Children[0]
	}
	return p.Text()
}

func TestSameTaskSameBytes(t *testing.T) {
	c := testComposer(t)
	i := spamCase(1)
	a, _ := compose(t, c, noticeTo(i), i)
	b, _ := compose(t, c, noticeTo(i), i)
	if !bytes.Equal(a.Raw, b.Raw) {
		t.Error("the same task gave two different mails")
	}
	task := noticeTo(i)
	task.ID = 18
	if other, _ := compose(t, c, task, i); other.MessageID == a.MessageID {
		t.Error("two tasks share a Message-ID")
	}
}

// TestNoNoticeLeaks looks at every decoded part of every kind of mail to a contact.
func TestNoNoticeLeaks(t *testing.T) {
	c := testComposer(t)
	for _, kind := range []incident.TaskKind{incident.Notice, incident.Digest, incident.Reminder, incident.Escalation} {
		for _, reports := range []int{1, 5} {
			i := spamCase(1)
			i.Reports = reports
			i.Samples = append(i.Samples, incident.Evidence{Kind: incident.FromReport, Redact: []string{"bob@third.example"}, Addr: i.Samples[0].Addr, Received: noon,
				Lines: []string{"user bob@third.example at 198.51.100.7 got it", "To: jane.doe@victim.example"}})
			i.Why = []string{"inside: ann thinks that jane is lying"}
			i.Assignee = "secret-colleague"
			task := noticeTo(i)
			task.Kind, task.Why = kind, "inside words"
			n, m := compose(t, c, task, i)
			all := n.Subject + n.Text + string(n.Raw)
			m.Walk(func(p *message.Part) bool {
				all += string(p.Body()) + p.Text()
				if p.MediaType == "application/json" {
					all += payloads(t, p.Body())
				}
				return true
			})
			for _, secret := range []string{"jane", "doe", "victim", "bob", "third.example", "198.51.100.7", "reporter.example", "inside", "secret-colleague", "lying"} {
				if strings.Contains(strings.ToLower(all), secret) {
					t.Errorf("%s with %d reports names %q", kind, reports, secret)
				}
			}
		}
	}
}

func payloads(t *testing.T, data []byte) string {
	t.Helper()
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range d.Evidence {
		text, err := base64.StdEncoding.DecodeString(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func TestHostileTextStaysText(t *testing.T) {
	c := testComposer(t)
	i := spamCase(1)
	i.Key.Subject = "account:x\r\nBcc: everybody@example.org\r\n\r\n{{.Site}}"
	i.Holder.Contact.Name = "Evil\r\nBcc: a@example.org"
	i.Samples[0].Header = ""
	i.Samples[0].Lines = []string{"{{range $}}", "--spoor-f3d4", "\x1b[2J", "Content-Type: text/html"}
	n, m := compose(t, c, noticeTo(i), i)
	if m.Header.Has("Bcc") || strings.ContainsAny(n.Subject, "\r\n") || strings.Contains(n.Text, "\x1b") {
		t.Errorf("subject %q, header %v", n.Subject, m.Header)
	}
	if len(m.Defects) > 0 {
		t.Errorf("defects %v", m.Defects)
	}
	task := noticeTo(i)
	task.Contact.Addresses = []string{"a@example.org>,<b@example.org"}
	if _, err := c.Compose(context.Background(), Job{Task: task, Incidents: []incident.Incident{i}, Now: noon}); err == nil {
		t.Error("an address that holds two is written to")
	}
}

func TestMailLinesAreShort(t *testing.T) {
	c := testComposer(t)
	i := spamCase(1)
	i.Reports = 9
	i.Samples[0].Header, i.Samples[0].Lines = "", []string{strings.Repeat("長", 900)}
	n, _ := compose(t, c, noticeTo(i), i)
	for line := range bytes.Lines(n.Raw) {
		if len(line) > 1000 || !bytes.HasSuffix(line, []byte("\r\n")) {
			t.Fatalf("a line of %d bytes: %.60q", len(line), line)
		}
	}
}

func TestAcknowledgementHeaders(t *testing.T) {
	c := testComposer(t)
	n, m := compose(t, c, incident.Task{Kind: incident.Acknowledge, Reply: incident.ReplyTo{Address: "ann@reporter.example", MessageID: "<a@b>", Subject: "spam\r\nBcc: x@y"}}, spamCase(1))
	if n.From != "" || m.Header.Get("Auto-Submitted") != "auto-replied" || m.Header.Get("In-Reply-To") != "<a@b>" || m.Header.Has("Bcc") {
		t.Errorf("from %q, header %v", n.From, m.Header)
	}
}

func TestDKIM(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := NewDKIM("example.net", "spoor", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	c := testComposer(t, func(d *Deps) { d.DKIM = signer })
	i := spamCase(1)
	n, _ := compose(t, c, noticeTo(i), i)
	lookup := func(name string) ([]string, error) {
		if name != "spoor._domainkey.example.net" {
			return nil, errors.New("no such name: " + name)
		}
		return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}, nil
	}
	verify := func(raw []byte) error {
		all, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: lookup})
		if err != nil || len(all) != 1 {
			t.Fatalf("%d signatures, %v", len(all), err)
		}
		return all[0].Err
	}
	if err := verify(n.Raw); err != nil {
		t.Error(err)
	}
	if err := verify(bytes.Replace(n.Raw, []byte("192.0.2.25"), []byte("192.0.2.26"), 1)); err == nil {
		t.Error("an altered mail verifies")
	}
	for _, key := range []string{"", "rubbish", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := NewDKIM("example.net", "spoor", []byte(key)); err == nil {
			t.Errorf("the key %q is taken", key)
		}
	}
}

func TestChart(t *testing.T) {
	c := testComposer(t, func(d *Deps) {
		d.Activity = func(_ context.Context, _ netip.Addr, _ string, from, to time.Time) []Point {
			return []Point{{At: from, Count: 1}, {At: to.Add(-time.Hour), Count: 900}, {At: to.Add(time.Hour), Count: 5}, {At: from.Add(-time.Hour), Count: 7}}
		}
	})
	i := spamCase(1)
	n, m := compose(t, c, noticeTo(i), i)
	if !strings.Contains(n.Text, "at most 900") || !strings.Contains(n.Text, "1......................") {
		t.Errorf("no twin of the chart in the text:\n%s", n.Text)
	}
	found := false
	m.Walk(func(p *message.Part) bool {
		if p.MediaType == "image/svg+xml" {
			found = true
			for d := xml.NewDecoder(bytes.NewReader(p.Body())); ; {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if bytes.Contains(p.Body(), []byte("script")) || bytes.Count(p.Body(), []byte("href")) > 0 {
				t.Error("the drawing is not inert")
			}
		}
		return true
	})
	if !found {
		t.Error("no drawing")
	}
}

func TestWhatIsBlockedIsSaid(t *testing.T) {
	c := testComposer(t, func(d *Deps) {
		d.Blocked = func(addr netip.Addr) string { return "port 25 of " + addr.String() + " until 15 Sep" }
	})
	i := spamCase(1)
	if n, _ := compose(t, c, noticeTo(i), i); !strings.Contains(n.Text, "In force now: port 25 of 192.0.2.25 until 15 Sep.") {
		t.Error(n.Text)
	}
	if n, _ := compose(t, testComposer(t), noticeTo(i), i); !strings.Contains(n.Text, "Nothing is blocked now.") {
		t.Error(n.Text)
	}
}

func TestTemplatesOfOnesOwn(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("de/notice.txt", "Subject: [{{.Case}}] {{.First.What}} von {{.First.Addr}} gemeldet\n\nBitte prüfen:\n{{.First.Advice}}\n")
	write("de/types.txt", "spam = Werbemail\n")
	write("de/advice/spam.txt", "Kennwort ändern.\n")
	templates, err := LoadTemplates(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := templates.Check(); err != nil {
		t.Fatal(err)
	}
	c := testComposer(t, func(d *Deps) { d.Templates = templates })
	i := spamCase(1)
	task := noticeTo(i)
	task.Contact.Language = "de"
	n, _ := compose(t, c, task, i)
	if n.Subject != "[S-1] Werbemail von 192.0.2.25 gemeldet" || !strings.Contains(n.Text, "Kennwort ändern.") {
		t.Errorf("%q %q", n.Subject, n.Text)
	}
	for name, text := range map[string]string{"de/digest.txt": "no subject\n", "de/reminder.txt": "Subject: {{.Broken\n"} {
		write(name, text)
		if _, err := LoadTemplates(dir); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(name, ".txt")) {
			t.Errorf("%s: %v", name, err)
		}
		_ = os.Remove(filepath.Join(dir, name))
	}
	write("de/digest.txt", "Subject: {{.Reporter}}\n")
	if templates, err = LoadTemplates(dir); err != nil {
		t.Fatal(err)
	}
	if err := templates.Check(); err == nil {
		t.Error("a template that asks for what it must not see passes the check")
	}
}

func TestBuiltinTemplatesRender(t *testing.T) {
	templates, err := LoadTemplates("")
	if err != nil {
		t.Fatal(err)
	}
	if err := templates.Check(); err != nil {
		t.Error(err)
	}
	for _, lang := range Languages() {
		for _, name := range templateNames {
			if templates.texts[lang+"/"+name] == nil {
				t.Errorf("there is no %s in %s", name, lang)
			}
		}
		for tip := range templates.tips {
			if _, name, _ := strings.Cut(tip, "/"); templates.tips[lang+"/"+name] == "" {
				t.Errorf("there is no advice about %s in %s", name, lang)
			}
		}
		for _, word := range slices.Sorted(maps.Keys(templates.words["en"])) {
			if templates.words[lang][word] == "" {
				t.Errorf("there is no word for %s in %s", word, lang)
			}
		}
	}
}

func TestSigner(t *testing.T) {
	s, err := NewSigner([]byte("a secret of the tests"), "Abuse@Example.net")
	if err != nil {
		t.Fatal(err)
	}
	other, _ := NewSigner([]byte("another secret, longer"), "abuse@example.net")
	for _, tag := range []Tag{{Incident: 1042, Task: 7}, {Bounce: true, Incident: 1, Task: 2}, {Bounce: true, Task: 9}} {
		address := s.Address(tag)
		if got, ok := s.Read(strings.ToUpper(address)); !ok || got != tag {
			t.Errorf("%s reads as %+v, %v", address, got, ok)
		}
		if _, ok := other.Read(address); ok {
			t.Errorf("%s is taken from a stranger", address)
		}
		for n := range len(address) {
			broken := []byte(address)
			broken[n] ^= 1
			if got, ok := s.Read(string(broken)); ok && got != tag {
				t.Errorf("%s reads as %+v", broken, got)
			}
		}
	}
	if len(s.Address(Tag{Incident: 1 << 40, Task: 1 << 40})) > 254 || strings.IndexByte(s.Address(Tag{Incident: 1 << 62, Task: 1 << 62}), '@') > 64 {
		t.Error("the local part is longer than 64 bytes (RFC 5321 §4.5.3.1.1)")
	}
	for _, from := range []string{"", "x", "@example.net", "x@"} {
		if _, err := NewSigner([]byte("a secret of the tests"), from); err == nil {
			t.Errorf("from %q is taken", from)
		}
	}
	if _, err := NewSigner([]byte("short"), "a@example.net"); err == nil {
		t.Error("a short secret is taken")
	}
}

func FuzzSignerRead(f *testing.F) {
	s, _ := NewSigner([]byte("a secret of the tests"), "abuse@example.net")
	f.Add("abuse+s1-1-aaaaaaaaaaaaaaaa@example.net")
	f.Add(s.Address(Tag{Incident: 3, Task: 4}))
	f.Fuzz(func(t *testing.T, address string) {
		if tag, ok := s.Read(address); ok && !strings.EqualFold(s.Address(tag), address) {
			t.Errorf("%q was read as %+v, which is %q", address, tag, s.Address(tag))
		}
	})
}

func TestMayAnswer(t *testing.T) {
	us := []string{"abuse@example.net"}
	base := "From: ann@reporter.example\nTo: abuse@example.net\nSubject: x\n"
	for _, tc := range []struct {
		name, mail, from string
		silent           bool
	}{
		{"a person", base, "ann@reporter.example", false},
		{"plus-address", "To: <abuse+x@example.net>\n", "ann@reporter.example", false},
		{"Auto-Submitted: no", base + "Auto-Submitted: no\n", "ann@reporter.example", false},
		{"null sender", base, "", true},
		{"auto-generated", base + "Auto-Submitted: auto-generated (rejected)\n", "a@b.example", true},
		{"list", base + "List-Id: <x>\n", "a@b.example", true},
		{"bulk", base + "Precedence: Bulk\n", "a@b.example", true},
		{"mailer-daemon", base, "MAILER-DAEMON@b.example", true},
		{"no-reply", base, "no-reply@b.example", true},
		{"no_reply", base, "No_Reply@b.example", true},
		{"owner-", base, "owner-list@b.example", true},
		{"-request", base, "list-request@b.example", true},
		{"report", base + "Content-Type: multipart/report; boundary=x\n", "a@b.example", true},
		{"another desk", base + "X-Spoor-Instance: y\n", "a@b.example", true},
		{"not to us", "To: else@example.net\n", "a@b.example", true},
		{"two addresses in one", base, "a@b.example>,<c@d.example", true},
	} {
		m := message.Read([]byte(tc.mail+"\nhello\n"), message.DefaultLimits())
		if got := MayAnswer(m, tc.from, us); (got != "") != tc.silent {
			t.Errorf("%s: silence %q", tc.name, got)
		}
	}
}

func TestReadBounce(t *testing.T) {
	mail := func(groups string) string {
		return "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n--b\nContent-Type: message/delivery-status\n\n" + groups + "\n--b--\n"
	}
	for _, tc := range []struct {
		name, mail       string
		ok, final, fault bool
	}{
		{"no such user", mail("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no\n"), true, true, true},
		{"full", mail("Reporting-MTA: dns; x\n\nAction: failed\nStatus: 5.2.2\n"), true, true, false},
		{"delayed", mail("Reporting-MTA: dns; x\n\nAction: delayed\nStatus: 4.4.1\n"), true, false, false},
		{"expired", mail("Reporting-MTA: dns; x\n\nAction: failed\nStatus: 4.4.7\n"), true, false, false},
		{"delivered", mail("Reporting-MTA: dns; x\n\nAction: delivered\nStatus: 2.0.0\n"), true, false, false},
		{"one of two failed", mail("Reporting-MTA: dns; x\n\nAction: delayed\nStatus: 4.0.0\n\nAction: failed\nStatus: 5.1.1\n"), true, true, true},
		{"no report", "Subject: x\n\nAction: failed\n", false, false, false},
		{"a report within a returned mail", "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n" + mail("Reporting-MTA: dns; x\n\nAction: failed\nStatus: 5.1.1\n") + "\n--o--\n", false, false, false},
	} {
		b, ok := ReadBounce(message.Read([]byte(tc.mail), message.DefaultLimits()))
		if ok != tc.ok || b.Permanent() != tc.final || b.AddressFault() != tc.fault {
			t.Errorf("%s: %+v, %v", tc.name, b, ok)
		}
	}
}

func FuzzReadBounce(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nAction: failed\n--b--\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := message.Read(raw, message.DefaultLimits())
		if b, ok := ReadBounce(m); ok && strings.ContainsAny(b.Text, "\r\n") {
			t.Errorf("a text of several lines: %q", b.Text)
		}
		_ = MayAnswer(m, "a@b.example", nil)
		_ = IsAutomatic(m.Header)
	})
}

func TestWantsNoMail(t *testing.T) {
	for text, want := range map[string]bool{"unsubscribe\n": true, "\n  Unsubscribe.\r\n> old text": true, "please unsubscribe me": false, "": false,
		"spam from 192.0.2.1\nunsubscribe": false, "STOP": true} {
		if got := WantsNoMail(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestConfigReportsEveryMistake(t *testing.T) {
	var good []string
	DefaultConfig().Validate(func(key, _, _ string) { good = append(good, key) })
	if len(good) > 0 {
		t.Errorf("the defaults are wrong: %v", good)
	}
	c := Config{From: "x", Name: "a\nb", Smarthost: "x", StartTLS: "maybe", Language: "xx", Zone: "Nowhere", Delivery: "dove", DKIMKey: "k", User: "u"}
	var keys []string
	c.Validate(func(key, problem, write string) {
		keys = append(keys, key)
		if problem == "" || write == "" {
			t.Errorf("%s: problem %q, write %q", key, problem, write)
		}
	})
	for _, want := range []string{"from", "name", "smarthost", "starttls", "language", "zone", "delivery", "per_contact", "per_hour", "workers", "timeout",
		"retry_first", "retry_most", "expire", "hook_timeout", "dkim_key", "user"} {
		if !slices.Contains(keys, want) {
			t.Errorf("%s is not reported", want)
		}
	}
}

// TestDigestsCannotBeTried looks for the plain hash of what was hidden: who knows all but an address could try them all.
func TestDigestsCannotBeTried(t *testing.T) {
	c := testComposer(t)
	i := spamCase(1)
	sum := sha256.Sum256([]byte(i.Samples[0].Header))
	i.Samples[0].Hash = hex.EncodeToString(sum[:])
	for _, kind := range []incident.TaskKind{incident.Notice, incident.Digest, incident.Reminder, incident.Escalation, incident.Outward} {
		task := noticeTo(i)
		task.Kind = kind
		n, m := compose(t, c, task, i)
		if strings.Contains(allText(m), i.Samples[0].Hash) {
			t.Errorf("%s: the mail shows a hash that can be guessed from", kind)
		}
		if kind == incident.Notice && !strings.Contains(n.Text, c.signer.Seal(i.Samples[0].Hash)) {
			t.Errorf("the notice bears no seal:\n%s", n.Text)
		}
	}
	other, err := NewSigner([]byte("another secret of others"), "abuse@example.net")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := c.signer.Seal("abcd"), other.Seal("abcd"); a == b || c.signer.Seal("") != "" {
		t.Errorf("two desks seal alike: %s", a)
	}
}

// allText is every part of a mail as its reader decodes it.
func allText(m *message.Message) string {
	var b strings.Builder
	m.Walk(func(p *message.Part) bool {
		b.WriteString(p.Text())
		for _, f := range p.Header.Fields {
			b.WriteString(f.Text() + "\n")
		}
		return true
	})
	return b.String()
}

// TestTracedGolden holds the report about a traced mail against what people reviewed: whom a server recorded is said to
// have handed it in, whom only a relay names is said to be claimed, and no case of the desk is mentioned.
func TestTracedGolden(t *testing.T) {
	for _, lang := range []string{"en", "zh-TW"} {
		for _, claimed := range []bool{false, true} {
			c := testComposer(t, func(d *Deps) { d.Config.Language = lang })
			i := spamCase(0)
			i.Samples[0].Claimed, i.Samples[0].Hash, i.Confidence.Parts = claimed, "", nil
			i.Samples = append(i.Samples, incident.Evidence{Kind: incident.FromTrace, Claimed: claimed, Why: "how it is known"})
			n, m := compose(t, c, incident.Task{Kind: incident.Outward, Contact: incident.Contact{Addresses: []string{"abuse@isp.example"}}}, i)
			got := "Subject: " + n.Subject + "\n\n" + n.Text
			path := filepath.Join("testdata", "golden", lang+"-traced.txt")
			if claimed {
				path = filepath.Join("testdata", "golden", lang+"-traced-claimed.txt")
			}
			golden(t, path, got)
			if text := string(n.Raw) + allText(m); strings.Contains(text, "S-0") || strings.Contains(text, "spoor:S") || m.Header.Has("Reply-To") {
				t.Errorf("%s: a case is mentioned:\n%s", path, text)
			}
		}
	}
}

// TestContactWithoutXARF: who wants no attachment for machines gets none, and a mail about one message stays a feedback report.
func TestContactWithoutXARF(t *testing.T) {
	for _, without := range []bool{false, true} {
		c := testComposer(t)
		many := spamCase(2)
		many.Reports, many.Events = 7, 9
		for _, i := range []incident.Incident{spamCase(1), many} {
			task := noticeTo(i)
			task.Contact.NoXARF = without
			_, m := compose(t, c, task, i)
			documents, feedback := 0, 0
			m.Walk(func(p *message.Part) bool {
				switch p.MediaType {
				case "application/json":
					documents++
				case "message/feedback-report":
					feedback++
				}
				return true
			})
			if (documents == 0) != without || (feedback == 1) != (i.Reports == 1) {
				t.Errorf("no XARF %v, %d reports: %d documents, %d feedback reports", without, i.Reports, documents, feedback)
			}
		}
	}
}
