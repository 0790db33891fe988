package notify

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// theVictim is whom no notice may name.
const theVictim = "jane.doe@victim.example"

func testRedactor() *Redactor {
	header := "To: \"Jane Doe\" <" + theVictim + ">\r\nDelivered-To: trap-0815@traps.example\r\nSubject: x\r\n"
	return NewRedactor(append(SecretsOf(header), "fbl@reporter.example"), []string{"c1.example"},
		func(ip netip.Addr) bool { return netip.MustParsePrefix("192.0.2.0/24").Contains(ip) })
}

// leaks are forms in which a line gives somebody away.
func leaks(line string) []string {
	var found []string
	lower := strings.ToLower(line)
	for _, s := range []string{"jane", "doe", "victim", "trap-0815", "traps.example", "reporter.example", "198.51.100.7", "2001:db8:99::7",
		base64.StdEncoding.EncodeToString([]byte(theVictim))[:12], hex.EncodeToString([]byte("jane"))} {
		if strings.Contains(lower, strings.ToLower(s)) {
			found = append(found, s)
		}
	}
	return found
}

func TestRedactionAgainstHidingPlaces(t *testing.T) {
	sum := sha256.Sum256([]byte(theVictim))
	b64 := base64.StdEncoding.EncodeToString([]byte(theVictim))
	b64url := base64.URLEncoding.EncodeToString([]byte("u=" + theVictim + "&x=1"))
	for name, line := range map[string]string{
		"plain":                    "To: jane.doe@victim.example",
		"upper case":               "JANE.DOE@VICTIM.EXAMPLE",
		"angle brackets":           "for <jane.doe@victim.example>; Mon",
		"display name":             "Dear Jane Doe, buy",
		"name in another case":     "HELLO JANE",
		"verp":                     "Return-Path: <bounce-jane.doe=victim.example@list.example>",
		"percent":                  "jane.doe%40victim.example",
		"percent twice":            "jane.doe%2540victim.example",
		"quoted-printable":         "jane.doe=40victim.example",
		"entity":                   "jane.doe&#64;victim.example",
		"hex entity":               "jane.doe&#x40;victim.example",
		"at in words":              "jane.doe at victim.example",
		"brackets":                 "jane.doe [at] victim [dot] example",
		"full-width":               "ｊａｎｅ.ｄｏｅ＠ｖｉｃｔｉｍ.ｅｘａｍｐｌｅ",
		"zero-width space":         "jane.\u200bdoe@vic\u200btim.example",
		"soft hyphen":              "ja\u00adne.doe@victim.exam\u00adple",
		"bidi override":            "jane\u202e.doe@victim.example",
		"base64 in url":            "http://spam.test/u/" + b64,
		"base64 in text":           "token " + b64 + " end",
		"base64 with prefix":       "id=XX" + b64,
		"base64url query":          "https://spam.test/x?d=" + b64url,
		"base64 in message-id":     "Message-ID: <" + strings.TrimRight(b64, "=") + "@spam.test>",
		"hex":                      "x" + hex.EncodeToString([]byte(theVictim)),
		"hex upper":                strings.ToUpper(hex.EncodeToString([]byte(theVictim))),
		"sha256":                   "https://spam.test/track/" + hex.EncodeToString(sum[:]),
		"rot13":                    "wnar.qbr@ivpgvz.rknzcyr",
		"reversed":                 "elpmaxe.mitciv@eod.enaj",
		"query of a link":          "http://spam.test/?e=" + url.QueryEscape(theVictim),
		"path of a link":           "http://spam.test/jane.doe/unsubscribe",
		"user of a link":           "http://jane.doe@spam.test/",
		"fragment of a link":       "http://spam.test/#jane.doe@victim.example",
		"subdomain of a link":      "http://jane.doe.victim.example.spam.test/",
		"own link with address":    "http://shop.c1.example/?u=" + url.QueryEscape(theVictim),
		"own link, path encoded":   "http://shop.c1.example/%6aane.doe/" + b64,
		"trap":                     "X-Original-To: trap-0815@traps.example",
		"host of the trap":         "by mx7.traps.example (Postfix)",
		"reporter":                 "reported by fbl@reporter.example via mx.reporter.example",
		"third party":              "also sent to bob@third.example and 198.51.100.7",
		"foreign IPv6":             "from [IPv6:2001:db8:99::7]",
		"foreign IPv6 bare":        "from 2001:db8:99::7 port 25",
		"mapped IPv4":              "from ::ffff:198.51.100.7",
		"control characters":       "jane\x00.doe@victim\x08.example",
		"invalid UTF-8":            "jane\xff.doe@victim.example",
		"address across a fold":    "jane.doe@\tvictim.example",
		"two letters changed case": "jAnE.dOe@ViCtIm.eXaMpLe",
	} {
		t.Run(name, func(t *testing.T) {
			got := testRedactor().Line(line)
			if found := leaks(got); len(found) > 0 {
				t.Errorf("%q leaks %q in %q", line, found, got)
			}
		})
	}
}

func TestRedactionKeepsWhatTheReceiverNeeds(t *testing.T) {
	r := testRedactor()
	for _, tc := range []struct{ in, want string }{
		{"from mail.c1.example (mail.c1.example [192.0.2.25])", "from mail.c1.example (mail.c1.example [192.0.2.25])"},
		{"user web7@c1.example logged in", "user web7@c1.example logged in"},
		{"Mon, 14 Sep 2026 12:00:00 +0000 id 4XK2P1", "Mon, 14 Sep 2026 12:00:00 +0000 id 4XK2P1"},
		{"Failed password for root from 192.0.2.25 port 40122 ssh2", "Failed password for root from 192.0.2.25 port 40122 ssh2"},
		{"http://shop.c1.example/phish/login.php", "hxxp://shop[.]c1[.]example/phish/login.php"},
		{"https://evil.test/landing/page", "hxxps://evil[.]test/…"},
		{"from localhost (localhost [127.0.0.1]) by 10.1.2.3", "from localhost (localhost [127.0.0.1]) by 10.1.2.3"},
		{"SRC=192.0.2.25 DST=203.0.113.9 PROTO=TCP DPT=22", "SRC=192.0.2.25 DST=[IP removed] PROTO=TCP DPT=22"},
	} {
		if got := r.Line(tc.in); got != tc.want {
			t.Errorf("%q\n became %q\n    want %q", tc.in, got, tc.want)
		}
	}
}

func TestRedactedHeader(t *testing.T) {
	got := testRedactor().Header("Received: from mail.c1.example ([192.0.2.25])\r\n\tby mx.victim.example with ESMTP id 4XK2P\r\n\tfor <jane.doe@victim.example>; Mon, 14 Sep 2026 12:00:00 +0000\r\n" +
		"X-Original-To: jane.doe@victim.example\r\nDKIM-Signature: v=1; h=x; b=abc\r\nList-Unsubscribe: <mailto:u-jane@list.example>\r\n" +
		"X-Campaign: amFuZS5kb2VAdmljdGltLmV4YW1wbGU=\r\nFrom: a@c1.example\r\nSubject: =?utf-8?B?SmFuZSBEb2UgZ2V0cyA1MCU=?=\r\nMessage-ID: <1234@c1.example>\r\n")
	if found := leaks(got); len(found) > 0 {
		t.Errorf("leaks %q:\n%s", found, got)
	}
	for _, want := range []string{"192.0.2.25", "id [removed]", "From: a@c1.example", "Message-ID: <1234@c1.example>", "gets 50%", "X-Spoor-Removed: 4 fields"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}

func TestLinesStayBounded(t *testing.T) {
	r := testRedactor()
	if got := r.Line(strings.Repeat("x ", 1<<20)); len(got) > maxLine+10 {
		t.Errorf("%d bytes", len(got))
	}
	if got := SecretsOf("To: " + strings.Repeat("a@b.example,", 5000)); len(got) > 2*maxSecrets {
		t.Errorf("%d secrets", len(got))
	}
}

// FuzzRedact looks for any text around the victim's address that lets it through.
func FuzzRedact(f *testing.F) {
	for _, seed := range []string{"to %s now", "http://x.test/%s", "<%s>", "=?utf-8?q?%s?=", "a%sb", "\"%s\""} {
		before, after, _ := strings.Cut(seed, "%s")
		f.Add(before, after)
	}
	r := testRedactor()
	f.Fuzz(func(t *testing.T, before, after string) {
		if len(before)+len(after) > 900 {
			return
		}
		got := strings.ToLower(r.Line(before + theVictim + after))
		if strings.Contains(got, "jane.doe") || strings.Contains(got, "victim.example") {
			t.Errorf("%q + address + %q lets through %q", before, after, got)
		}
	})
}

// TestTheAccusedSideStaysReadable: the lines that its operator searches its logs by.
func TestTheAccusedSideStaysReadable(t *testing.T) {
	people, others := partition([]string{theVictim, "victim.example", "bob@shop.example"})
	r := NewRedactor(people, []string{"c1.example"}, func(ip netip.Addr) bool { return ip == netip.MustParseAddr("192.0.2.25") }, others...)
	for _, tc := range []struct{ in, want string }{
		{"Message-ID: <20260914.77@shop.example>", "Message-ID: <20260914.77@shop.example>"},
		{"Message-ID:\r\n <20260914.77@shop.example>", "Message-ID: <20260914.77@shop.example>"},
		{"> Return-Path: <news@shop.example>", "> Return-Path: <news@shop.example>"},
		{"Original-Mail-From: <news@shop.example>", "Original-Mail-From: <news@shop.example>"},
		{"From: Shop <news@shop.example>", "From: Shop <news@shop.example>"},
		{"Received: from smtp3.shop.example ([192.0.2.25]) by mx.victim.example (Postfix) with ESMTP id 4XK2P; Mon, 14 Sep 2026",
			"Received: from smtp3.shop.example ([192.0.2.25]) by mx.[removed] (Postfix) with ESMTP id [removed]; Mon, 14 Sep 2026"},
		{"Received: from smtp3.shop.example ([192.0.2.25]) by mx.provider.example with ESMTPS id ab-12.3 for <x@y.example>; Mon",
			"Received: from smtp3.shop.example ([192.0.2.25]) by mx.provider.example with ESMTPS id [removed] for <[address removed]>; Mon"},
		{"Received: from localhost (localhost [127.0.0.1]) by smtp3.shop.example with ESMTP id OWN77; Mon", "Received: from localhost (localhost [127.0.0.1]) by smtp3.shop.example with ESMTP id OWN77; Mon"},
		{"From: bob@shop.example", "From: [address removed]"},
		{"From: jane@victim.example", "From: [address removed]"},
		{"Return-Path: <bounce-ann=third.example@shop.example>", "Return-Path: <[address removed]>"},
		{"Message-ID: <ann=third.example.7@shop.example>", "Message-ID: [removed]"},
		{"Message-ID: <1@shop.example> for ann@third.example", "Message-ID: <[address removed]> for [address removed]"},
		{"seen by bob@shop.example at smtp3.shop.example", "seen by [address removed] at smtp3.shop.example"},
	} {
		if got := r.Line(tc.in); got != tc.want {
			t.Errorf("%q\n became %q\n    want %q", tc.in, got, tc.want)
		}
	}
}

// TestLettersThatChangeTheirLength hides what stands behind letters whose small form is longer or shorter.
func TestLettersThatChangeTheirLength(t *testing.T) {
	r := NewRedactor([]string{"jane.doe@victim.example", "\u023ajax@trap.example", "Zo\u00cb"}, nil, nil)
	for in, want := range map[string]string{
		"\u023a\u0130 told JANE.DOE about it":           "\u023a\u0130 told [removed] about it",
		"\u0130\u0130\u0130 JANE.DOE":                   "\u0130\u0130\u0130 [removed]",
		"\u023a\u023a\u023a jane.doe \u023a":            "\u023a\u023a\u023a [removed] \u023a",
		"dear \u2c65JAX, and ZO\u00cb":                  "dear [removed], and [removed]",
		"\u1e9e\u212a\u0130\u023a jane.doe\xff\xfe end": "\u1e9eK\u0130\u023a [removed] end",
		"nothing in it \u0130":                          "nothing in it \u0130",
	} {
		if got := r.Line(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzRedactor(f *testing.F) {
	for _, s := range []string{"to jane.doe@victim.example", "\u0130\u023a JANE.DOE", "=?utf-8?q?jane.doe?=", "amFuZS5kb2VAdmljdGltLmV4YW1wbGU="} {
		f.Add(s)
	}
	r := NewRedactor([]string{"jane.doe@victim.example", "Zo\u00cb"}, []string{"c1.example"}, nil)
	f.Fuzz(func(t *testing.T, s string) {
		got := strings.ToLower(r.Line(s))
		if strings.Contains(got, "jane.doe") || strings.Contains(got, "victim.example") {
			t.Errorf("%q becomes %q", s, got)
		}
		_ = r.Header("Received: " + s + "\r\nFrom: " + s + "\r\n")
	})
}
