package report

import (
	"slices"
	"strings"
	"testing"
)

// TestTheAccusedSideIsNotMarked: an operator finds the mail by what its own side wrote.
func TestTheAccusedSideIsNotMarked(t *testing.T) {
	raw := strings.ReplaceAll(`From: fbl@mailbox.example
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: x
Version: 1
Source-IP: 203.0.113.7
Original-Mail-From: <bounce@shop.example>
Original-Rcpt-To: <jane@home.example>
Reported-By: ann@third.example

--b
Content-Type: message/rfc822

Return-Path: <bounce@shop.example>
Received: from smtp3.shop.example ([203.0.113.7]) by mx.home.example (envelope-from <news@shop.example>) for <jane@home.example>; Thu, 1 Oct 2026 08:14:00 +0000
From: news@shop.example
To: jane@home.example
Cc: joe@other.example
Subject: hello joe@other.example
Message-ID: <77@shop.example>

x
--b--
`, "\n", "\r\n")
	r := parse([]byte(raw), Options{}).Reports[0]
	for _, m := range []string{"bounce@shop.example", "news@shop.example", "77@shop.example", "shop.example"} {
		if slices.Contains(r.Redact, m) {
			t.Errorf("%s of the accused side is marked: %q", m, r.Redact)
		}
	}
	for _, m := range []string{"jane@home.example", "home.example", "joe@other.example", "other.example", "ann@third.example"} {
		if !slices.Contains(r.Redact, m) {
			t.Errorf("%s is not marked: %q", m, r.Redact)
		}
	}
	if slices.Contains(r.Redact, "third.example") {
		t.Errorf("a third party's domain is marked: %q", r.Redact)
	}
	if !slices.ContainsFunc(r.Evidence, func(e string) bool { return strings.Contains(e, "Message-ID: <77@shop.example>") }) {
		t.Errorf("evidence lacks the Message-ID: %q", r.Evidence)
	}
}

// TestTheComplainantIsNoAccused: whose address the reported mail forges stays hidden.
func TestTheComplainantIsNoAccused(t *testing.T) {
	raw := "From: jane@home.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nspam\n--b\nContent-Type: message/rfc822\n\nReceived: from x ([203.0.113.7]) by y; Thu, 1 Oct 2026 08:14:00 +0000\nFrom: jane@home.example\nReturn-Path: <jane@home.example>\nTo: jane@home.example\nSubject: hello jane@home.example\nMessage-ID: <jane@home.example>\n\nx\n--b--\n"
	r := parse([]byte(raw), Options{}).Reports[0]
	if !slices.Contains(r.Redact, "jane@home.example") {
		t.Errorf("Redact is %q", r.Redact)
	}
}
