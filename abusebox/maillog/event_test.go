package maillog

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// show writes what an event says in one line.
func show(e event) string {
	names := map[kind]string{
		noEvent: "nothing", ofOrigin: "origin", ofEnvelope: "envelope", ofDelivery: "delivery", ofRefusal: "refusal", ofVirus: "virus",
		ofForged: "forged", ofBadLogin: "bad-login", ofLogin: "login", ofRepeat: "repeat", ofLocal: "local",
	}
	outcomes := map[outcome]string{sent: "sent", deferred: "deferred", bounced: "bounced", rejected: "rejected", tempfailed: "tempfailed"}
	parts := []string{names[e.kind]}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	if e.kind == ofDelivery || e.kind == ofRefusal {
		parts = append(parts, outcomes[e.outcome])
	}
	add("id", string(e.id))
	if e.addr.IsValid() {
		add("addr", e.addr.String())
	}
	if e.kind != ofRefusal {
		add("name", string(e.name))
	}
	add("account", string(e.account))
	add("sender", string(e.sender))
	if e.kind == ofVirus {
		add("virus", string(e.detail))
	}
	if e.size > 0 {
		add("size", fmt.Sprint(e.size))
	}
	if e.count > 0 {
		add("count", fmt.Sprint(e.count))
	}
	if e.forged {
		parts = append(parts, "may-be-forged")
	}
	if e.again {
		parts = append(parts, "again")
	}
	return strings.Join(parts, " ")
}

func TestPrograms(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		// sendmail
		{"sm-mta[7]: x9L8E1aB000007: from=<a@example.org>, size=12, class=0, nrcpts=2, msgid=<1@example.org>, proto=ESMTP, daemon=MTA-v4, relay=mx.example.org [192.0.2.7] (may be forged)",
			"envelope id=x9L8E1aB000007 addr=192.0.2.7 name=mx.example.org sender=a@example.org size=12 count=2 may-be-forged"},
		{"sendmail[7]: x9L8E1aB000007: from=<>, size=900, class=0, nrcpts=1, msgid=<1@example.org>, proto=ESMTP, daemon=MTA, relay=[IPv6:2001:db8::7]",
			"envelope id=x9L8E1aB000007 addr=2001:db8::7 size=900 count=1"},
		{"sendmail[7]: x9L8E1aB000007: from=www-data, size=300, class=0, nrcpts=1, msgid=<1@example.org>, relay=www-data@localhost",
			"envelope id=x9L8E1aB000007 account=www-data sender=www-data size=300 count=1"},
		{"sendmail[7]: x9L8E1aB000007: from=<a@example.org>, size=1, class=0, nrcpts=1, msgid=<, relay=[203.0.113.66]>, proto=SMTP, daemon=MTA, relay=ident[6]@mx.example.org [192.0.2.7]",
			"envelope id=x9L8E1aB000007 addr=192.0.2.7 name=mx.example.org sender=a@example.org size=1 count=1"},
		{`sendmail[7]: x9L8E1aB000007: from=<"x>, size=9, class=0, nrcpts=999, msgid="@example.org>, size=1, class=0, nrcpts=1, relay=[192.0.2.7]`,
			`envelope id=x9L8E1aB000007 addr=192.0.2.7 sender="x>, size=9, class=0, nrcpts=999, msgid="@example.org size=1 count=1`},
		{"sendmail[8]: x9L8E1aB000007: to=<b@example.com>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=1, relay=mx.example.com. [192.0.2.9], dsn=2.0.0, stat=Sent (ok)",
			"delivery sent id=x9L8E1aB000007 count=1"},
		{"sendmail[8]: x9L8E1aB000007: to=<b@example.com>, delay=00:00:01, mailer=esmtp, pri=1, relay=mx.example.com., dsn=4.0.0, stat=Deferred: Connection timed out",
			"delivery deferred id=x9L8E1aB000007 count=1"},
		{"sendmail[8]: x9L8E1aB000007: to=<b@example.com>, delay=00:00:01, mailer=esmtp, dsn=5.1.1, stat=User unknown", "delivery bounced id=x9L8E1aB000007 count=1"},
		{"sendmail[8]: x9L8E1aB000007: to=<b@example.com>, delay=00:00:00, mailer=relay, pri=1, stat=queued", "nothing id=x9L8E1aB000007 count=1"},
		{"sendmail[9]: x9L8E1aB000007: ruleset=check_rcpt, arg1=<b@example.com>, relay=[192.0.2.7], reject=550 5.7.1 <b@example.com>... Relaying denied",
			"refusal rejected id=x9L8E1aB000007 addr=192.0.2.7 count=1"},
		{`sendmail[9]: ruleset=check_mail, arg1=<"a, relay=[203.0.113.66], reject=550 "@example.org>, relay=mx.example.org [192.0.2.7], reject=451 4.1.8 later`,
			"refusal tempfailed addr=192.0.2.7 count=1"},
		{"sendmail[9]: x9L8E1aB000007: <nobody@example.net>... User unknown", "refusal rejected id=x9L8E1aB000007 count=1"},
		{"sendmail[9]: x9L8E1aB000007: Milter: data, reject=550 5.7.1 Command rejected", "refusal rejected id=x9L8E1aB000007 count=1"},
		{"sendmail[9]: x9L8E1aB000007: rejecting commands from mx.example.org [192.0.2.7] due to pre-greeting traffic after 0 seconds", "refusal rejected id=x9L8E1aB000007 addr=192.0.2.7 count=1"},
		{"sendmail[9]: AUTH=server, relay=dsl.example.org [192.0.2.7], authid=bob@example.net, mech=LOGIN, bits=0", "login addr=192.0.2.7 name=dsl.example.org account=bob@example.net"},
		{"sendmail[9]: x9L8E1aB000007: AUTH failure (LOGIN): authentication failure (-13) SASL(-13): authentication failure: checkpass failed, user=bob, relay=dsl.example.org [192.0.2.7]",
			"bad-login id=x9L8E1aB000007 addr=192.0.2.7 name=dsl.example.org account=bob count=1"},

		// Postfix
		{"postfix/smtpd[1]: 4F1B2C0A3D: client=mx.example.org[192.0.2.7]", "origin id=4F1B2C0A3D addr=192.0.2.7 name=mx.example.org"},
		{"postfix/submission/smtpd[1]: 4F1B2C0A3D: client=unknown[2001:db8::7]:2525, sasl_method=PLAIN, sasl_username=bob@example.net", "origin id=4F1B2C0A3D addr=2001:db8::7 name=unknown account=bob@example.net"},
		{"postfix-in/smtpd[1]: 4F1B2C0A3D: client=localhost[127.0.0.1], orig_queue_id=4F1B2C0A3C, orig_client=mx.example.org[192.0.2.7]", "origin id=4F1B2C0A3D addr=127.0.0.1 name=localhost again"},
		{"postfix/qmgr[2]: 4F1B2C0A3D: from=<a@example.org>, size=4321, nrcpt=3 (queue active)", "envelope id=4F1B2C0A3D sender=a@example.org size=4321 count=3"},
		{"postfix/qmgr[2]: 4F1B2C0A3D: removed", "nothing"},
		{"postfix/smtp[3]: 4F1B2C0A3D: to=<b@example.com>, orig_to=<c@example.net>, relay=mx.example.com[192.0.2.9]:25, delay=1, delays=0/0/1/0, dsn=4.4.1, status=deferred (host said: 450 status=sent)",
			"delivery deferred id=4F1B2C0A3D count=1"},
		{"postfix/lmtp[3]: 4F1B2C0A3D: to=<b@example.com>, relay=x, delay=1, dsn=5.1.1, status=bounced (no such user)", "delivery bounced id=4F1B2C0A3D count=1"},
		{"postfix/local[3]: 4F1B2C0A3D: to=<b@example.com>, relay=local, delay=1, dsn=2.0.0, status=sent (delivered)", "delivery sent id=4F1B2C0A3D count=1"},
		{"postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <b@example.com>: Relay access denied; from=<a@example.org> to=<b@example.com> proto=ESMTP helo=<x>",
			"refusal rejected addr=192.0.2.7 sender=a@example.org count=1"},
		{"postfix/smtpd[1]: 4F1B2C0A3D: reject: RCPT from mx.example.org[192.0.2.7]: 450 4.7.1 <b@example.com>: Recipient address rejected: Greylisted; from=<a@example.org> to=<b@example.com> proto=ESMTP helo=<x>",
			"refusal tempfailed id=4F1B2C0A3D addr=192.0.2.7 sender=a@example.org count=1"},
		{"postfix/smtpd[1]: 4F1B2C0A3D: proxy-reject: END-OF-MESSAGE from mx.example.org[192.0.2.7]: 554 5.7.1 no; from=<a@example.org> to=<b@example.com> proto=ESMTP helo=<x>",
			"refusal rejected id=4F1B2C0A3D addr=192.0.2.7 sender=a@example.org count=1"},
		{"postfix/smtpd[1]: NOQUEUE: reject_warning: RCPT from unknown[192.0.2.7]: 554 5.7.1 x", "nothing"},
		{"postfix/smtpd[1]: NOQUEUE: reject: CONNECT from evil[203.0.113.66]x from y[192.0.2.7]: 554 x", "refusal rejected addr=203.0.113.66 count=1"}, // names in DNS hold no brackets: Postfix never writes this
		{"postfix/postscreen[1]: NOQUEUE: reject: RCPT from [192.0.2.7]:4242: 550 5.7.1 Service unavailable; client [192.0.2.7] blocked using dnsbl.example; from=<a@example.org>, to=<b@example.com>, proto=ESMTP, helo=<x>",
			"refusal rejected addr=192.0.2.7 sender=a@example.org count=1"},
		{"postfix/cleanup[1]: 4F1B2C0A3D: milter-reject: END-OF-MESSAGE from mx.example.org[192.0.2.7]: 5.7.1 Spam; from=<a@example.org> to=<b@example.com> proto=ESMTP helo=<x>", "refusal rejected id=4F1B2C0A3D count=1"},
		{"postfix/cleanup[1]: 4F1B2C0A3D: reject: header Subject: x from evil[203.0.113.66]: y from mx.example.org[192.0.2.7]; from=<a@example.org> to=<b@example.com> proto=ESMTP helo=<x>: 5.7.1 no", "refusal rejected id=4F1B2C0A3D count=1"},
		{"postfix/smtpd[1]: warning: hostname dsl.example.org does not resolve to address 192.0.2.7: Name or service not known", "forged addr=192.0.2.7 may-be-forged"},
		{"postfix/smtpd[1]: warning: hostname dsl.example.org does not resolve to address 192.0.2.7", "forged addr=192.0.2.7 may-be-forged"},
		{"postfix/smtps/smtpd[1]: warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=bob@example.net", "bad-login addr=192.0.2.7 name=unknown account=bob@example.net count=1"},
		{"postfix/pickup[1]: 4F1B2C0A3D: uid=33 from=<www-data>", "local id=4F1B2C0A3D account=uid=33"},

		// scanners
		{`MailScanner[1]: >>> Virus 'W32/X' found in file ./4F1B2C0A3D.A1B2C/setup.exe`, "virus id=4F1B2C0A3D virus=W32/X"},
		{"MailScanner[1]: Clamd::INFECTED::Eicar-Test-Signature :: ./x9L8E1aB000007/eicar.com", "virus id=x9L8E1aB000007 virus=Eicar-Test-Signature"},
		{"MailScanner[1]: /var/spool/MailScanner/incoming/77/./x9L8E1aB000007/eicar.com: Eicar-Test-Signature FOUND", "virus id=x9L8E1aB000007 virus=Eicar-Test-Signature"},
		{"MailScanner[1]: Infected message x9L8E1aB000007 came from 192.0.2.7", "virus id=x9L8E1aB000007 addr=192.0.2.7"},
		{"MailScanner[1]: New Batch: Scanning 1 messages, 901 bytes", "nothing"},
		{"amavis[1]: (00001-01) Blocked INFECTED (Eicar-Test-Signature) {DiscardedInbound,Quarantined}, [192.0.2.7]:2525 [192.0.2.7] <a@example.org> -> <b@example.com>, quarantine: v/x, Queue-ID: 4F1B2C0A3D, Message-ID: <1@example.org>, mail_id: x, Hits: -, size: 9",
			"virus id=4F1B2C0A3D addr=192.0.2.7 virus=Eicar-Test-Signature"},
		{"amavisd[1]: (00001-01) Passed CLEAN {RelayedInbound}, [192.0.2.7]:2525 <a@example.org> -> <b@example.com>, Queue-ID: 4F1B2C0A3D", "nothing"},
		{"clamav-milter[1]: Message x9L8E1aB000007 from <a@example.org> to <b@example.com> with subject 'x infected by me' message-id '<1@example.org>' date 'x' infected by Eicar-Test-Signature", "virus id=x9L8E1aB000007 virus=Eicar-Test-Signature"},
		{"clamav-milter[1]: Message 4F1B2C0A3D infected by Eicar-Test-Signature", "virus id=4F1B2C0A3D virus=Eicar-Test-Signature"},

		// the log daemon itself, and others
		{"postfix/smtpd[1]: message repeated 7 times: [ NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 x]", "repeat count=7"},
		{"last message repeated 3 times", "repeat count=3"},
		{"sshd[1]: Failed password for root from 192.0.2.7 port 22 ssh2", "nothing"},
	} {
		var e event
		if !parse([]byte("Oct  1 08:14:00 mx1 "+test.line), &e) {
			t.Errorf("no log line: %s", test.line)
			continue
		}
		if diff := cmp.Diff(test.want, show(e)); diff != "" {
			t.Errorf("%s\n%s", test.line, diff)
		}
	}
}

func TestHeaders(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const said = "4F1B2C0A3D: client=mx.example.org[192.0.2.7]"
	for _, test := range []struct {
		line  string
		want  time.Time
		zoned bool
	}{
		{"Oct  1 08:14:00 mx1 postfix/smtpd[1]: " + said, at("2026-10-01T08:14:00Z"), false},
		{"<22>Oct  1 08:14:00 mx1 postfix/smtpd[1]: " + said, at("2026-10-01T08:14:00Z"), false},
		{"maillog.1:Oct 1 08:14:00 mx1 postfix/smtpd[1]: [ID 801593 mail.info] " + said, at("2026-10-01T08:14:00Z"), false},
		{"Oct  1 2025 08:14:00 mx1 postfix/smtpd[1]: " + said, at("2025-10-01T08:14:00Z"), false},
		{"Oct 31 08:14:00 2025 mx1 postfix/smtpd[1]: " + said, at("2025-10-31T08:14:00Z"), false},
		{"Oct 31 08:14:00.123456 mx1 postfix/smtpd[1]: " + said, at("2026-10-31T08:14:00Z"), false},
		{"2026-10-01T08:14:00.123456+02:00 mx1 postfix/smtpd[1]: " + said, at("2026-10-01T06:14:00Z"), true},
		{"2026-10-01T08:14:00-0330 mx1 postfix/smtpd[1]: " + said, at("2026-10-01T11:44:00Z"), true},
		{"2026-10-01T08:14:00Z mx1 postfix/smtpd[1]: " + said, at("2026-10-01T08:14:00Z"), true},
		{"2026-10-01 08:14:00 mx1 postfix/smtpd[1]: " + said, at("2026-10-01T08:14:00Z"), false},
		{"<22>1 2026-10-01T08:14:00.003Z mx1 postfix/smtpd 1 - - " + said, at("2026-10-01T08:14:00Z"), true},
		{`<22>1 2026-10-01T08:14:00Z mx1 postfix/smtpd 1 ID7 [a@1 x="1 ] \" 2"][b@1 y="2"] ` + "\xef\xbb\xbf" + said, at("2026-10-01T08:14:00Z"), true},
	} {
		var e event
		if !parse([]byte(test.line), &e) {
			t.Errorf("no log line: %s", test.line)
			continue
		}
		got := unix(newClock(time.UTC, time.UTC, 0, at("2026-11-21T00:00:00Z")).utc(e.stamp))
		if !got.Equal(test.want) || e.stamp.zoned != test.zoned || e.addr != netip.MustParseAddr("192.0.2.7") || string(e.host) != "mx1" {
			t.Errorf("%s\nread as %s (zoned %v) of %s at %s, want %s (zoned %v)", test.line, got, e.stamp.zoned, e.addr, e.host, test.want, test.zoned)
		}
	}
}

func TestNoLogLines(t *testing.T) {
	for _, line := range []string{
		"", " ", "hello", "Oct", "Oct  1 08:14:00", "Oct 32 08:14:00 mx1 a: b", "Oct  1 25:14:00 mx1 a: b", "2026-13-01T08:14:00Z mx1 a: b",
		"2026-02-30T08:14:00Z mx1 a: bcdefg", "<22>1 2026-10-01T08:14:00Z mx1 a", "<22", "\x00\x00\x00", strings.Repeat("x", 300) + ":Oct  1 08:14:00 mx1 a: b",
	} {
		var e event
		if parse([]byte(line), &e) {
			t.Errorf("%q is taken for a log line", line)
		}
	}
}
