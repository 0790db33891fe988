package trace

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spoor/internal/message"
)

func clueList(r *Result) []string {
	var out []string
	for _, c := range r.Clues {
		out = append(out, c.Kind+" "+c.Value)
	}
	return out
}

func TestClues(t *testing.T) {
	raw := "Received: from x (unknown [192.0.2.10]) by mx.example.net (Postfix) with SMTP id A1 for <user@example.net>; Mon, 5 Oct 2026 10:11:12 +0200\n" +
		"From: sale@example.com\nReply-To: Orders <orders@example.org>\nTo: undisclosed-recipients:;\nX-Mailer: Foxmail 4.2 [cn]\nX-Virus-Scanned: amavisd-new\n" +
		"Message-ID: <20040509085748.91B1.SAN@example.com>\nContent-Type: multipart/alternative; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\nCall +49 (30) 123-4567 or 010-6234 5678 before 2026-10-05!\nSee http://shop.example.com/a?b=1, www.example.org or mail info@shop.example.com.\n" +
		"--b\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\nPGEgaHJlZj0iaHR0cHM6Ly9iNjQuZXhhbXBsZS5jb20veCI+eDwvYT4=\n--b--\n"
	r := NewTracer(Options{Hosts: []string{"example.net"}}).TraceMessage(message.Read([]byte(raw), message.DefaultLimits()))
	want := []string{
		"reply-to orders@example.org",
		"mailer Foxmail 4.2 [cn]",
		"scanner X-Virus-Scanned: amavisd-new",
		"message-id 20040509085748.91B1.SAN@example.com",
		"bcc user@example.net",
		"phone +49 (30) 123-4567",
		"phone 010-6234 5678",
		"url http://shop.example.com/a?b=1",
		"url www.example.org",
		"address info@shop.example.com",
		"url https://b64.example.com/x",
	}
	if diff := cmp.Diff(want, clueList(&r)); diff != "" {
		t.Error(diff)
	}
	if r.Origin == nil || r.Origin.IP.String() != "192.0.2.10" {
		t.Errorf("origin %+v", r.Origin)
	}
}

// The blind copy: told, or named by the fields of delivery, or by a for clause.
func TestBccClue(t *testing.T) {
	line := "Received: from x (unknown [192.0.2.10]) by mx.example.net (Postfix) with SMTP id A1"
	date := "; Mon, 5 Oct 2026 10:11:12 +0200\nFrom: a@example.com\n"
	for _, tc := range []struct{ name, told, header, want string }{
		{"told", "me@example.net", line + date + "To: you@example.net\n", "me@example.net"},
		{"told and shown", "me@example.net", line + date + "To: you@example.net\nCc: Me <ME@example.net>\n", ""},
		{"Delivered-To", "", "Delivered-To: me@example.net\n" + line + date + "To: you@example.net\n", "me@example.net"},
		{"X-Envelope-To", "", "X-Envelope-To: <me@example.net>\n" + line + date + "To: you@example.net\n", "me@example.net"},
		{"for clause", "", line + " for <me@example.net>" + date + "To: you@example.net\n", "me@example.net"},
		{"shown", "", line + " for <me@example.net>" + date + "To: me@example.net\n", ""},
		{"a list says nothing", "", line + " for <me@example.net>" + date + "To: list@example.org\nList-Id: <list.example.org>\n", ""},
		{"nothing known", "", line + date + "To: you@example.net\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewTracer(Options{For: tc.told}).Trace(header(t, tc.header))
			got := ""
			for _, c := range r.Clues {
				if c.Kind == "bcc" {
					got = c.Value
				}
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestParseMessageID(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want MessageID
	}{
		{"<20040409085748.91B1.SAN@xfocus.org>", MessageID{Left: "20040409085748.91B1.SAN", Domain: "xfocus.org", Date: "20040409", Time: "085748", ID: "91B1", User: "SAN"}},
		{"<20040509179343.1649@mail.example.com>", MessageID{Left: "20040509179343.1649", Domain: "mail.example.com", Date: "20040509", Time: "179343", ID: "1649", Impossible: "17:93:43"}},
		{"<20041332085748.1@example.com>", MessageID{Left: "20041332085748.1", Domain: "example.com", Date: "20041332", Time: "085748", ID: "1", Impossible: "2004-13-32"}},
		{"<20040230.1@example.com>", MessageID{Left: "20040230.1", Domain: "example.com", Date: "20040230", ID: "1", Impossible: "2004-02-30"}},
		{"<CAF=abc123@mail.gmail.com>", MessageID{Left: "CAF=abc123", Domain: "mail.gmail.com", ID: "CAF=abc123"}},
		{"<99999999.1@example.com>", MessageID{Left: "99999999.1", Domain: "example.com", ID: "99999999"}},
		{"", MessageID{}},
	} {
		tc.want.Raw = strings.Trim(tc.in, "<>")
		if diff := cmp.Diff(tc.want, ParseMessageID(tc.in)); diff != "" {
			t.Errorf("%s\n%s", tc.in, diff)
		}
	}
}
