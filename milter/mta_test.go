package milter

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"spoor/internal/peers"
)

// An mta is a real one, running with our milter, that delivers to a sink.
type mta struct {
	name string
	// start returns where it listens.
	start func(t *testing.T, milter netip.AddrPort, sink *sink) (addr, addr6 netip.AddrPort)
	// refusals is how many of two recipients that it refuses it tells filters of:
	// sendmail 8.17 agrees to (SMFIP_RCPT_REJ) and then tells none.
	refusals float64
}

func mtas() []mta {
	return []mta{
		{"postfix", func(t *testing.T, milter netip.AddrPort, sink *sink) (netip.AddrPort, netip.AddrPort) {
			main := postfixMain(milter, sink, "tempfail")
			main["smtpd_sasl_auth_enable"], main["smtpd_sasl_type"], main["smtpd_sasl_path"] = "yes", "dovecot", peers.NewSASL(t, "secret")
			p := peers.NewPostfix(t, peers.PostfixOptions{TLS: true, Main: main})
			return p.Addr, p.Addr6
		}, 2},
		{"sendmail", func(t *testing.T, milter netip.AddrPort, sink *sink) (netip.AddrPort, netip.AddrPort) {
			opts := sendmailOptions(milter, sink, "F=T, ")
			opts.Users = map[string]string{"alice": "secret"}
			s := peers.NewSendmail(t, opts)
			return s.Addr, s.Addr6
		}, 0},
	}
}

func postfixMain(milter netip.AddrPort, sink *sink, action string) map[string]string {
	return map[string]string{
		"smtpd_milters":                "inet:" + milter.String(),
		"milter_default_action":        action,
		"default_transport":            "smtp:[127.0.0.1]:" + fmt.Sprint(sink.addr.Port()),
		"message_size_limit":           "64000000",
		"smtpd_recipient_restrictions": "check_recipient_access inline:{{nobody@example.com=REJECT}}, permit_mynetworks, reject",
	}
}

func sendmailOptions(milter netip.AddrPort, sink *sink, action string) peers.SendmailOptions {
	return peers.SendmailOptions{
		TLS: true, Sink: sink.addr,
		MC: []string{
			fmt.Sprintf("INPUT_MAIL_FILTER(`spoor', `S=inet:%d@127.0.0.1, %sT=C:10s;S:10s;R:10s;E:30s')dnl", milter.Port(), action),
			"LOCAL_RULE_0", "Rnobody < @ example . com . >\t$#error $@ 5.1.1 $: \"550 no such user\"",
			"Rnobody < @ example . com >\t$#error $@ 5.1.1 $: \"550 no such user\"",
		},
	}
}

// startTCP runs a server on a loopback port.
func startTCP(t testing.TB, cfg Config, deps Deps) (*running, netip.AddrPort) {
	t.Helper()
	cfg.Listen = []string{"", "127.0.0.1:0"}
	r := start(t, cfg, deps)
	return r, r.Addrs()[1].(*net.TCPAddr).AddrPort()
}

func TestRealMTAs(t *testing.T) {
	for _, m := range mtas() {
		t.Run(m.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.AuthservID = ""
			cfg.Rules = []RuleConfig{
				{Name: "many", Action: ActionReject, Recipients: 4, Text: "5.5.3 100% too many"},
				{Name: "fake", Action: ActionReject, Body: []string{"reject this body"}},
				{Name: "flag", Action: ActionHeader, Header: "X-Spoor-Test: flagged", Is: []string{"!rdns"}},
				{Name: "account", Action: ActionHeader, Header: "X-Submitted: by an account", Is: []string{"authenticated"}},
			}
			r, milter := startTCP(t, cfg, Deps{})
			out := newSink(t)
			addr, addr6 := m.start(t, milter, out)
			run := mtaRun{r, out, addr, addr6, m.refusals}
			t.Run("several messages on one connection", run.several)
			t.Run("pipelining", run.pipelining)
			t.Run("recipients rejected in mid-message", run.rejected)
			t.Run("rejected by rule, then another message", run.ruled)
			t.Run("8-bit and long headers", run.eightBit)
			t.Run("30 MB body", run.big)
			t.Run("IPv6", run.ipv6)
			t.Run("STARTTLS", run.startTLS)
			t.Run("authenticated submission", run.submission)
			if n := r.metric(t, "wire_faults_total"); n != 0 {
				t.Errorf("%v faults on the wire", n)
			}
			if n := r.metric(t, "undecided_total"); n != 0 {
				t.Errorf("%v undecided", n)
			}
		})
	}
}

type mtaRun struct {
	r           *running
	sink        *sink
	addr, addr6 netip.AddrPort
	refusals    float64
}

// marked checks that a message arrived with one field of each of ours, on top, and returns the origin.
func marked(t *testing.T, m received) string {
	t.Helper()
	origin, findings := m.fields(fieldOrigin), m.fields(fieldFindings)
	if len(origin) != 1 || len(findings) != 1 {
		t.Fatalf("%d origins, %d findings in\n%s", len(origin), len(findings), m.text)
	}
	if !strings.HasPrefix(origin[0], "mail.example.net; ip=") {
		t.Errorf("origin %q", origin[0])
	}
	above, _, _ := strings.Cut(m.text, fieldOrigin)
	if strings.Contains(above, "From:") {
		t.Errorf("ours is not on top:\n%s", m.text)
	}
	return origin[0]
}

func (m mtaRun) several(t *testing.T) {
	d := dialSMTP(t, m.addr)
	d.cmd("EHLO client.example.org", "250")
	for i := range 4 {
		d.message(fmt.Sprintf("several-%d", i), "X-Spoor-Origin: forged\r\nx-spoor-FINDINGS: forged\r\nX-Other: stays\r\nX-Spoor-Origin: forged\r\n\ttwice\r\n"+
			"X-SPOOR-origin :forged\r\nX-Spoor-Origin:\r\n\tforged on its second line\r\nX-Spoor-Findings:\tforged\r\n", []byte("hello"))
	}
	d.cmd("RSET", "250")
	d.cmd("EHLO other.example.org", "250")
	d.message("several-4", "", []byte("hello"))
	d.cmd("QUIT", "221")
	for i := range 5 {
		got := m.sink.bySubject(t, fmt.Sprintf("several-%d", i))
		helo := "client.example.org"
		if i == 4 {
			helo = "other.example.org"
		}
		if origin := marked(t, got); !strings.Contains(origin, "ip=127.0.0.1; hop=0; helo="+helo) {
			t.Errorf("message %d: %s", i, origin)
		}
		if strings.Contains(got.text, "forged") || i < 4 && len(got.fields("X-Other")) != 1 {
			t.Errorf("forged fields remain:\n%s", got.text)
		}
	}
}

func (m mtaRun) pipelining(t *testing.T) {
	d := dialSMTP(t, m.addr)
	d.cmd("EHLO client.example.org", "250")
	must(t, d.send("MAIL FROM:<sender@example.org>\r\nRCPT TO:<a@example.com>\r\nRCPT TO:<nobody@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"))
	for i, want := range []string{"250", "250", "5", "250", "354"} {
		d.want(fmt.Sprintf("pipelined command %d", i), want)
	}
	must(t, d.send("Subject: pipelined-1\r\n\r\nhello\r\n.\r\nMAIL FROM:<sender@example.org>\r\nRCPT TO:<c@example.com>\r\nDATA\r\n"))
	for i, want := range []string{"250", "250", "250", "354"} {
		d.want(fmt.Sprintf("pipelined command %d of the second", i), want)
	}
	must(t, d.send("Subject: pipelined-2\r\n\r\nhello\r\n.\r\nQUIT\r\n"))
	d.want("second message", "250")
	d.want("QUIT", "221")
	for i, n := range []int{2, 1} {
		got := m.sink.bySubject(t, fmt.Sprintf("pipelined-%d", i+1))
		marked(t, got)
		if len(got.to) != n {
			t.Errorf("message %d came to %v", i+1, got.to)
		}
	}
}

func (m mtaRun) rejected(t *testing.T) {
	byMTA := m.r.metric(t, "recipients_total", "refused_by_mta")
	d := dialSMTP(t, m.addr)
	d.cmd("EHLO client.example.org", "250")
	d.cmd("MAIL FROM:<sender@example.org>", "250")
	d.cmd("RCPT TO:<a@example.com>", "250")
	d.cmd("RCPT TO:<nobody@example.com>", "5")
	d.cmd("RCPT TO:<b@example.com>", "250")
	d.cmd("RCPT TO:<c@example.com>", "250")
	d.cmd("RCPT TO:<d@example.com>", "550") // our rule: the fourth
	d.cmd("RCPT TO:<nobody@example.com>", "5")
	d.cmd("DATA", "354")
	d.cmd("Subject: rejected-1\r\n\r\nhello\r\n.", "250")
	d.cmd("QUIT", "221")
	got := m.sink.bySubject(t, "rejected-1")
	marked(t, got)
	slices.Sort(got.to)
	if strings.Join(got.to, " ") != "a@example.com b@example.com c@example.com" {
		t.Errorf("came to %v", got.to)
	}
	if n := m.r.metric(t, "recipients_total", "refused_by_mta") - byMTA; n != m.refusals {
		t.Errorf("saw %v recipients refused by the MTA, want %v", n, m.refusals)
	}
}

func (m mtaRun) ruled(t *testing.T) {
	d := dialSMTP(t, m.addr)
	d.cmd("EHLO client.example.org", "250")
	d.cmd("MAIL FROM:<sender@example.org>", "250")
	d.cmd("RCPT TO:<a@example.com>", "250")
	d.cmd("DATA", "354")
	d.cmd("Subject: ruled-1\r\n\r\nplease reject this body\r\n.", "550")
	d.message("ruled-2", "", []byte("hello"))
	d.cmd("QUIT", "221")
	marked(t, m.sink.bySubject(t, "ruled-2"))
	for _, got := range m.sink.all() {
		if strings.Contains(got.text, "ruled-1") {
			t.Error("the rejected message arrived")
		}
	}
}

func (m mtaRun) eightBit(t *testing.T) {
	d := dialSMTP(t, m.addr)
	d.cmd("EHLO client.example.org", "250")
	long := strings.Repeat("word ", 150)
	d.message("eight-1", "X-Raw: caf\xe9 \xff\xfe\r\nX-Empty:\r\nX-Long: "+long+"\r\n\tfolded\r\n", []byte("caf\xe9"))
	got := m.sink.bySubject(t, "eight-1")
	origin := marked(t, got)
	for _, c := range []byte(origin) {
		if c >= 0x7f {
			t.Errorf("8-bit byte in %q", origin)
		}
	}
	if !strings.Contains(got.text, "X-Raw: caf\xe9 \xff\xfe\r\n") {
		t.Errorf("the message's own bytes changed:\n%q", got.text)
	}
}

func (m mtaRun) big(t *testing.T) {
	d := dialSMTP(t, m.addr)
	d.cmd("EHLO client.example.org", "250")
	line := append(bytes.Repeat([]byte("x"), 76), '\r', '\n')
	d.message("big-1", "", bytes.Repeat(line, 30<<20/len(line)))
	got := m.sink.bySubject(t, "big-1")
	marked(t, got)
	if got.size < 30<<20-1000 {
		t.Errorf("%d bytes arrived", got.size)
	}
	d.message("big-2", "", []byte("small"))
	marked(t, m.sink.bySubject(t, "big-2"))
}

func (m mtaRun) ipv6(t *testing.T) {
	d := dialSMTP(t, m.addr6)
	d.cmd("EHLO client.example.org", "250")
	d.message("ipv6-1", "", []byte("hello"))
	if origin := marked(t, m.sink.bySubject(t, "ipv6-1")); !strings.Contains(origin, "ip=::1; hop=0") {
		t.Errorf("origin %s", origin)
	}
}

func (m mtaRun) startTLS(t *testing.T) {
	d := dialSMTP(t, m.addr)
	d.cmd("EHLO before.example.org", "250")
	d.startTLS()
	d.cmd("EHLO after.example.org", "250")
	d.message("tls-1", "", []byte("hello"))
	if origin := marked(t, m.sink.bySubject(t, "tls-1")); !strings.Contains(origin, "helo=after.example.org") {
		t.Errorf("origin %s", origin)
	}
}

// submission logs in above TLS, as mail programs do. What the session before the login said of itself, or a failed
// login, makes nobody a user.
func (m mtaRun) submission(t *testing.T) {
	d := dialSMTP(t, m.addr)
	d.cmd("EHLO before.example.org", "250")
	d.startTLS()
	d.cmd("EHLO program.example.org", "250")
	d.cmd("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00alice\x00wrong")), "535")
	d.message("auth-0", "", []byte("hello"))
	d.auth("alice", "secret")
	for _, subject := range []string{"auth-1", "auth-2"} {
		d.message(subject, "", []byte("hello"))
	}
	d.cmd("QUIT", "221")
	other := dialSMTP(t, m.addr)
	other.cmd("EHLO other.example.org", "250")
	other.message("auth-3", "", []byte("hello"))
	for subject, logged := range map[string]int{"auth-0": 0, "auth-1": 1, "auth-2": 1, "auth-3": 0} {
		got := m.sink.bySubject(t, subject)
		marked(t, got)
		if n := len(got.fields("X-Submitted")); n != logged {
			t.Errorf("%s bears the mark of an account %d times, want %d", subject, n, logged)
		}
	}
}

// Postfix passes on what XCLIENT says, so that a test on loopback has clients
// from outside: the origin is real internal/trace's.
func TestPostfixWithClientsFromOutside(t *testing.T) {
	cfg := testConfig()
	cfg.Relays = []netip.Prefix{netip.MustParsePrefix("192.0.2.25/32")}
	cfg.Rules = []RuleConfig{
		{Name: "friends", Action: ActionNone, Is: []string{"authenticated"}},
		{Name: "listed", Action: ActionReject, Is: []string{"listed"}, Text: "5.7.1 see https://example.net/abuse"},
	}
	d := &desk{}
	r, milter := startTCP(t, cfg, Deps{
		Tracer:  NewTracer([]string{"relay.example.net"}, cfg.Relays, nil),
		Lookups: Lookups{Listed: listed{"203.0.113.66": "SMTP to 500 hosts"}}, Desk: d,
	})
	out := newSink(t)
	main := postfixMain(milter, out, "tempfail")
	main["smtpd_authorized_xclient_hosts"] = "127.0.0.0/8"
	main["smtpd_sasl_auth_enable"], main["smtpd_sasl_type"], main["smtpd_sasl_path"] = "yes", "dovecot", peers.NewSASL(t, "secret")
	main["smtpd_relay_restrictions"] = ""
	main["smtpd_recipient_restrictions"] = "permit_sasl_authenticated, check_recipient_access inline:{{example.com=OK}}, reject"
	p := peers.NewPostfix(t, peers.PostfixOptions{Main: main})
	as := func(name, ip string) *dialogue {
		d := dialSMTP(t, p.Addr)
		d.cmd("EHLO proxy.example.net", "250")
		d.cmd("XCLIENT NAME="+name+" ADDR="+ip+" PORT=4711", "220")
		return d
	}
	relayed := func(ip string) string {
		return "Received: from x.example.org (unknown [" + ip + "])\r\n\tby relay.example.net (Postfix) with ESMTP id 4X;\r\n\tFri, 1 May 2026 10:00:00 +0000 (UTC)\r\n"
	}

	c := as("client.example.org", "198.51.100.7")
	c.cmd("EHLO client.example.org", "250")
	c.message("outside", relayed("203.0.113.9"), nil)
	if origin := marked(t, out.bySubject(t, "outside")); !strings.Contains(origin, "ip=198.51.100.7; hop=0; helo=client.example.org; rdns=client.example.org") {
		t.Errorf("origin %s", origin)
	}

	c = as("relay.example.net", "192.0.2.25")
	c.cmd("EHLO relay.example.net", "250")
	c.message("relayed", relayed("203.0.113.9"), nil)
	if origin := marked(t, out.bySubject(t, "relayed")); !strings.Contains(origin, "ip=203.0.113.9; hop=1; helo=x.example.org; rdns-state=none; by=relay.example.net") {
		t.Errorf("origin %s", origin)
	}
	c.cmd("MAIL FROM:<bot@example.org>", "250")
	c.cmd("RCPT TO:<a@example.com>", "250")
	c.cmd("DATA", "354")
	c.cmd("Subject: relayed bot\r\n"+relayed("203.0.113.66")+"\r\n.", "550")

	c = as("[UNAVAILABLE]", "203.0.113.66")
	c.cmd("EHLO bot.example.org", "250")
	c.cmd("MAIL FROM:<bot@example.org>", "550")
	c.auth("alice", "secret")
	c.message("submitted", "", nil)
	if origin := marked(t, out.bySubject(t, "submitted")); !strings.Contains(origin, "ip=203.0.113.66; hop=0") {
		t.Errorf("origin %s", origin)
	}
	r.stop()
	if n := len(out.all()); n != 3 {
		t.Errorf("%d messages arrived, want 3", n)
	}
	var hosts []string
	for _, s := range d.sightings {
		hosts = append(hosts, fmt.Sprintf("%s %d %d %d", s.Host, s.Messages, s.Recipients, s.Rejected))
	}
	want := []string{"198.51.100.7 1 1 0", "203.0.113.9 1 1 0", "203.0.113.66 2 2 2"}
	if strings.Join(hosts, "; ") != strings.Join(want, "; ") {
		t.Errorf("sightings %q, want %q", hosts, want)
	}
}
