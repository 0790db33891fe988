package report

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/internal/message"
)

func mailOf(subject, body string) []byte {
	return []byte("From: Victim <victim@reporter.example>\nTo: abuse@example.net\nDate: Thu, 01 Oct 2026 12:00:00 +0000\nSubject: " + subject + "\n\n" + body)
}

func ips(res Result) []string {
	var out []string
	for _, r := range res.Reports {
		out = append(out, subjectOf(r))
	}
	return out
}

var ourNet = netip.MustParsePrefix("203.0.113.0/24")

// Where the text is unclear the registry decides; where it is clear a foreign
// address stays the accused.
func TestOurs(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       []string
	}{
		{"unclear", "abuse: 198.51.100.7 and also 203.0.113.7 see", []string{"203.0.113.7"}},
		{"prose names both", "attack from 198.51.100.7\nattack from 203.0.113.7", []string{"203.0.113.7"}},
		{"labelled foreign", "Source IP: 198.51.100.7\nsee also 203.0.113.7", []string{"198.51.100.7"}},
		{"logs name all", "Oct  1 08:14:00 h sshd[1]: Failed password for root from 198.51.100.7 port 1 ssh2\nOct  1 08:14:00 h sshd[1]: Failed password for root from 203.0.113.7 port 1 ssh2", []string{"198.51.100.7", "203.0.113.7"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := parse(mailOf("abuse", tc.body), Options{Ours: ourNet.Contains})
			if d := cmp.Diff(tc.want, ips(res)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// A notice to one customer must not show another's lines.
func TestEvidenceIsApart(t *testing.T) {
	body := "Source IP: 203.0.113.7\nTime: 2026-10-01 08:14:00 UTC\nURL: http://a.example.org/x\n\nSource IP: 203.0.113.8\nTime: 2026-10-01 09:15:00 UTC\nURL: http://b.example.org/y\n\n203.0.113.7 and 203.0.113.8 are both bad\n"
	res := parse(mailOf("abuse", body), Options{})
	if d := cmp.Diff([]string{"203.0.113.7", "203.0.113.8"}, ips(res)); d != "" {
		t.Fatalf("(-want +got):\n%s", d)
	}
	for i, r := range res.Reports {
		other := res.Reports[1-i]
		for _, e := range append(append([]string{}, r.Evidence...), r.URLs...) {
			if strings.Contains(e, other.IP.String()) || len(other.URLs) > 0 && strings.Contains(e, other.URLs[0]) {
				t.Errorf("%s is shown %q", r.IP, e)
			}
		}
		if len(r.URLs) != 1 || r.Time.Equal(other.Time) {
			t.Errorf("%s: URLs %v, time %s", r.IP, r.URLs, r.Time)
		}
	}
}

// Our name in From or in a URL accuses nobody.
func TestJoeJob(t *testing.T) {
	raw := mailOf("spam", "spam attached\n")
	raw = append([]byte("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"), raw...)
	raw = append(raw, "\n--b\nContent-Type: message/rfc822\n\nReceived: from evil.example ([198.51.100.66]) by mx.reporter.example; Thu, 1 Oct 2026 08:14:00 +0000\nFrom: boss@example.net\nSubject: x\n\nhttp://www.example.net/\n--b--\n"...)
	res := parse(raw, Options{Ours: ourNet.Contains, Domains: []string{"example.net"}})
	if d := cmp.Diff([]string{"198.51.100.66"}, ips(res)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestRelayAndSender(t *testing.T) {
	raw := append([]byte("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"), mailOf("spam", "")...)
	raw = append(raw, "\n--b\nContent-Type: message/rfc822\n\nReceived: from mail.example.net (mail.example.net [203.0.113.25]) by mx.reporter.example with ESMTP id 1; Thu, 1 Oct 2026 08:14:00 +0000\nReceived: from pc7.example.net (pc7.example.net [203.0.113.7]) by mail.example.net (Postfix) with ESMTP id 2; Thu, 1 Oct 2026 08:13:58 +0000\nFrom: x@example.org\nSubject: x\n\ny\n--b--\n"...)
	res := parse(raw, Options{Ours: ourNet.Contains})
	got := map[string]Role{}
	for _, r := range res.Reports {
		got[r.IP.String()] = r.Role
	}
	if d := cmp.Diff(map[string]Role{"203.0.113.25": Relay, "203.0.113.7": Sender}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestOwnMark(t *testing.T) {
	raw := append([]byte("X-Spoor-Instance: desk-1\n"), mailOf("[S-1] Spam from your host 203.0.113.7", "Source IP: 203.0.113.7")...)
	if res := parse(raw, Options{Instance: "desk-1"}); res.Rejected == "" || len(res.Reports) != 0 {
		t.Errorf("our own notice gave %v, rejected %q", ips(res), res.Rejected)
	}
	if res := parse(raw, Options{Instance: "desk-2"}); res.Rejected != "" || len(res.Reports) != 1 {
		t.Errorf("another instance's notice gave %v, rejected %q", ips(res), res.Rejected)
	}
	bounce := "From: MAILER-DAEMON@mx.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n--b\nContent-Type: message/rfc822\n\nX-Spoor-Instance: desk-1\nSubject: x\n\nSource IP: 203.0.113.7\n--b--\n"
	if res := parse([]byte(bounce), Options{Instance: "desk-1"}); !strings.Contains(res.Rejected, "own notice") {
		t.Errorf("rejected %q", res.Rejected)
	}
}

func TestTimes(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no tz database")
	}
	for _, tc := range []struct {
		name, body string
		habits     map[string]*time.Location
		want       string
		known      bool
		raw        string
	}{
		{"offset", "Date: 2026-10-01T08:14:00+02:00", nil, "2026-10-01T06:14:00Z", true, "2026-10-01T08:14:00+02:00"},
		{"name", "Time: Oct 1 2026 08:14:00 CEST", nil, "2026-10-01T06:14:00Z", true, "Oct 1 2026 08:14:00 CEST"},
		{"number before name", "Time: Thu, 01 Oct 2026 08:14:00 -0600 (CST)", nil, "2026-10-01T14:14:00Z", true, "Thu, 01 Oct 2026 08:14:00 -0600 (CST)"},
		{"ambiguous name", "Time: 2026-10-01 02:14:00 CST", nil, "2026-10-01T08:14:00Z", false, "2026-10-01 02:14:00 CST"},
		{"none", "Time: 2026-10-01 08:14:00", nil, "2026-10-01T08:14:00Z", false, "2026-10-01 08:14:00"},
		{"stated", "All times are UTC+2.\nTime: 2026-10-01 08:14:00", nil, "2026-10-01T06:14:00Z", true, "2026-10-01 08:14:00"},
		{"stated by place", "Timezone: Europe/Berlin\nTime: 2026-10-01 08:14:00", nil, "2026-10-01T06:14:00Z", true, "2026-10-01 08:14:00"},
		{"habit", "Time: 2026-10-01 08:14:00", map[string]*time.Location{"reporter.example": berlin}, "2026-10-01T06:14:00Z", true, "2026-10-01 08:14:00"},
		{"no year", "Time: Oct 1 08:14:00 UTC", nil, "2026-10-01T08:14:00Z", true, "Oct 1 08:14:00 UTC"},
		{"no year, last year's", "Time: Dec 24 08:14:00 UTC", nil, "2025-12-24T08:14:00Z", true, "Dec 24 08:14:00 UTC"},
		{"in the future", "Time: 2027-10-01 08:14:00 UTC", nil, "2026-10-01T12:00:00Z", true, ""},
		{"nothing", "", nil, "2026-10-01T12:00:00Z", true, ""},
		{"American", "Time: 09/30/2026 8:14:00 PM UTC", nil, "2026-09-30T20:14:00Z", true, "09/30/2026 8:14:00 PM UTC"},
		{"European", "Zeit: 30.09.2026 08:14 UTC", nil, "2026-09-30T08:14:00Z", true, "30.09.2026 08:14 UTC"},
		{"either order", "Time: 01/10/2026 08:14:00 UTC", nil, "2026-10-01T08:14:00Z", true, "01/10/2026 08:14:00 UTC"},
		{"Apache", "Time: 01/Oct/2026:08:14:00 +0200", nil, "2026-10-01T06:14:00Z", true, "01/Oct/2026:08:14:00 +0200"},
		{"German words", "Zeitpunkt: 1. Oktober 2026 08:14 UTC", nil, "2026-10-01T08:14:00Z", true, "1. Oktober 2026 08:14 UTC"},
		{"Chinese", "时间：2026年10月1日 下午4:14:00 GMT+8", nil, "2026-10-01T08:14:00Z", true, "2026年10月1日 下午4:14:00 GMT+8"},
		{"ctime", "Time: Thu Oct  1 08:14:00 UTC 2026", nil, "2026-10-01T08:14:00Z", true, "Thu Oct  1 08:14:00 UTC 2026"},
		{"epoch", "Timestamp: 1790842440", nil, "2026-10-01T08:14:00Z", true, "1790842440"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := parse(mailOf("abuse", "Source IP: 203.0.113.7\n"+tc.body+"\n"), Options{Habits: tc.habits})
			if len(res.Reports) != 1 {
				t.Fatalf("%d reports", len(res.Reports))
			}
			r := res.Reports[0]
			if got := r.Time.Format(time.RFC3339); got != tc.want || r.TimeZoneKnown != tc.known || r.TimeRaw != tc.raw {
				t.Errorf("%s known=%v raw %q; want %s known=%v raw %q", got, r.TimeZoneKnown, r.TimeRaw, tc.want, tc.known, tc.raw)
			}
			if !r.TimeZoneKnown && len(r.Zones) == 0 {
				t.Error("no zones are offered")
			}
		})
	}
}

func TestJSON(t *testing.T) {
	res := parse(mailOf("phishing", "The site http://login.bad.example/x is a phishing page"), Options{})
	b, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"ip":""`, `"source":"http://login.bad.example/x"`, `"prefix":""`, `"candidates":[]`, `"time_end":null`, `"evidence":["`, `"step":"fallback"`, `"zones":[]`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in\n%s", want, b)
		}
	}
	if strings.Contains(string(b), "null,\"") && strings.Contains(string(b), `"reports":null`) {
		t.Error("a list is null")
	}
}

func TestIdentitiesAreMarked(t *testing.T) {
	raw := "From: fbl@mailbox.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x\nVersion: 1\nSource-IP: 203.0.113.7\nOriginal-Rcpt-To: jane@mailbox.example\nAuthentication-Results: x; auth=pass smtp.auth=owner@customer.example\n\n--b\nContent-Type: message/rfc822\n\nReceived: from x ([203.0.113.7]) by y for <jane@mailbox.example>; Thu, 1 Oct 2026 08:14:00 +0000\nTo: jane@mailbox.example\nSubject: for jane@mailbox.example\n\nx\n--b--\n"
	r := parse([]byte(raw), Options{}).Reports[0]
	if !isOneOf("jane@mailbox.example", r.Redact) {
		t.Errorf("Redact %v names not the recipient", r.Redact)
	}
	if isOneOf("owner@customer.example", r.Redact) || r.Subject.Account != "owner@customer.example" {
		t.Errorf("the account: %q, Redact %v", r.Subject.Account, r.Redact)
	}
	for _, e := range r.Evidence {
		if strings.HasPrefix(e, "Original-Rcpt-To") {
			t.Errorf("evidence names the complainant: %q", e)
		}
	}
}

func TestRedactor(t *testing.T) {
	raw := mailOf("abuse from 203.0.113.7", "Source IP: 203.0.113.7\nTarget IP: 198.51.100.7\nRegards, victim@reporter.example\n")
	red := NewRedactor()
	out := string(red.Mail(raw))
	for _, gone := range []string{"203.0.113.7", "198.51.100.7", "victim@reporter.example", "Victim"} {
		if strings.Contains(out, gone) {
			t.Errorf("%s is still there:\n%s", gone, out)
		}
	}
	res := Parse(t.Context(), message.Read([]byte(out), message.Limits{}), Options{})
	if len(res.Reports) != 1 || !strings.HasPrefix(res.Reports[0].IP.String(), "198.1") {
		t.Errorf("the copy gives %v", ips(res))
	}
	if again := string(red.Mail(raw)); again != out {
		t.Error("the same mail is not redacted the same way")
	}
}

func TestRefang(t *testing.T) {
	for in, want := range map[string]string{
		"192[.]0[.]2[.]7":       "192.0.2.7",
		"192(.)0(.)2(.)7":       "192.0.2.7",
		"192[dot]0[dot]2[dot]7": "192.0.2.7",
		"hxxp://a[.]example":    "http://a.example",
		"hXXps://a.example":     "https://a.example",
		"2001[:]db8::7":         "2001:db8::7",
		"plain text.":           "plain text.",
	} {
		if got := refang(in); got != want {
			t.Errorf("refang(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFindAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.7":                          "203.0.113.7",
		"203.0.113.7:25, [203.0.113.8]:26":     "203.0.113.7 203.0.113.8",
		"203.0.113.256":                        "",
		"1.2.3.4.5":                            "",
		"7.113.0.203.zen.example.org":          "",
		"host-203.0.113.7.example.net":         "",
		"203.0.113.7-static.example.net":       "",
		"203.000.113.007":                      "203.0.113.7",
		"at 203.0.113.7.":                      "203.0.113.7",
		"203.0.113.7.Please":                   "203.0.113.7",
		"2001:db8::7, 2001:DB8:0:0:0:0:0:8":    "2001:db8::7 2001:db8::8",
		"::ffff:203.0.113.7":                   "203.0.113.7",
		"12:34:56 00:11:22:33:44:55":           "",
		"std::vector File::Spec":               "",
		"IP地址203.0.113.7对":                     "203.0.113.7",
		"203.0.113.7@example.net":              "",
		"IP 203.0.113.7.53 > 198.51.100.7.80:": "203.0.113.7 198.51.100.7",
		"203.0.113.0/24":                       "203.0.113.0",
	} {
		var got []string
		for _, h := range findAddresses(in) {
			got = append(got, h.ip.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("findAddresses(%q) = %v, want %s", in, got, want)
		}
	}
}
