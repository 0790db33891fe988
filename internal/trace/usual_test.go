package trace

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// checkUsual holds that both readers of a line read the same, and says whether
// the line is a usual one.
func checkUsual(tb testing.TB, r *lineReader, s string) bool {
	tb.Helper()
	h, g := Hop{RDNSState: RDNSUnknown}, Hop{RDNSState: RDNSUnknown}
	usual := r.readUsual(&h, fieldValue(s))
	if usual {
		r.readAny(&g, fieldValue(s))
	}
	if !reflect.DeepEqual(g, h) { // cmp.Diff takes a hundred times as long
		diff := cmp.Diff(g, h, cmp.AllowUnexported(Hop{}, Date{}), cmpopts.EquateComparable(netip.Addr{}))
		tb.Fatalf("%q is read differently (-by any form, +by the usual form; a line that is not usual must leave no trace):\n%s", s, diff)
	}
	return usual
}

// A line in the usual form is read as if it were in any other, and most lines of
// real mail are in that form.
func TestUsual(t *testing.T) {
	var r lineReader
	for _, s := range benchLines(t) {
		checkUsual(t, &r, s)
	}
	lines, usual := headerLines(t), 0
	for _, s := range lines {
		if checkUsual(t, &r, s) {
			usual++
		}
	}
	if usual < len(lines)*9/10 {
		t.Errorf("only %d of %d lines, which are in the shares of real mail, are usual ones", usual, len(lines))
	}
}

func FuzzUsual(f *testing.F) {
	for _, s := range append(benchLines(f), headerLines(f)...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkUsual(t, new(lineReader), s) })
}

// Lines made of every part in every place: where one passes for usual, what is
// read of it must be what the scanner reads.
func TestUsualParts(t *testing.T) {
	choose := rand.New(rand.NewPCG(1, 4))
	pick := func(from ...string) string { return from[choose.IntN(len(from))] }
	comments := func(n int) (s string) {
		for range choose.IntN(n + 1) {
			s += " (" + pick("mail.example.com [192.0.2.10]", "unknown [192.0.2.10]", "[192.0.2.10]", "192.0.2.10", "HELO example.com", "[192.0.2.10]:25 helo=x.example ident=y",
				"IDENT:anna@mail.example.com [192.0.2.10]", "anna@192.0.2.10", "mail.example.com. [IPv6:2001:db8::9]", "may be forged", "authenticated [[192.0.2.10]]", "authenticated.example [192.0.2.10]",
				"using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)", "No client certificate requested", "Authenticated sender: anna", "TLS1.3", "envelope-from <anna@example.com>",
				"Postfix", "Postfix, from userid 7", "Exim 4.96", "8.15.2/8.15.2", "amavisd-new, port 10024", "fetchmail-6.3", "qmail 7 invoked by uid 9", "fe80::7:9%4", "192.0.2.20", "LHLO mbox",
				"/192.0.2.10", "", "mailfrom:anna@example.com", "squirrelmail authenticated user anna", "EHLO example.com", "version=TLS1_2 cipher=X", "[::ffff:192.0.2.10]", "local", "unverified",
				"192.0.2.300", "account anna", "anna@192.0.2.10 with plain", "Coremail", "Horde Framework", "envelope-from <>, uid 1") + ")"
		}
		return s
	}
	words := func(keyword string, from ...string) string {
		if w := pick(from...); w != "" {
			return " " + keyword + " " + w
		}
		return ""
	}
	var r lineReader
	usual := 0
	for range 20_000 {
		s := "Received:" + words("from", "mail.example.com", "mail.example.com", "[192.0.2.10]", "192.0.2.10", "unknown", "localhost", "pps.filterd", "x[192.0.2.10]", "anna@example.com", "user$example.com", "", "?192.0.2.9?") + comments(3) +
			words("by", "mx.example.net", "mx.google.com", "2002:a05:1::", "192.0.2.20", "x1.qq.com", "newx1.qq.com", "mta1.mail.yahoo.example", "pod-id", "simscan", "mx.example.net.", "mx[192.0.2.20]", "mx.outlook.com") + comments(2) +
			words("with", "SMTP", "esmtps", "ESMTPSA", "LMTP", "HTTP", "mapi", "local", "local-esmtp", "ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384", "smtp/tls/", "Microsoft SMTP Server", "POP3", "cmsmtp", "NNFMP", "", "spamassassin", "esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384", "esmtps tls ECDHE-RSA-AES256-GCM-SHA384", "mms") + comments(2) +
			words("id", "", "12345", "1X6nsB-vBqJd0-ss", "smtpd-12", "<1@example.com>") + comments(1) +
			words("for", "", "<user@example.net>", "user@example.net") + comments(1) + "; " +
			pick("Mon, 05 Oct 2026 10:11:12 +0200 (envelope-from <anna@example.com>)", "Mon, 05 Oct 2026 10:11:12 +0300 (MSK) (using TLSv1.3 with cipher X (1/2)) (Client certificate not present)",
				"Mon, 05 Oct 2026 10:11:12 +0800 (GMT-8) (envelope-from anna@example.com) x", "Mon, 05 Oct 2026 10:11:12 +0800 (user=anna) (CST)",
				"Mon, 5 Oct 2026 10:11:12 +0200", "05 Oct 2026 10:11:12 -0000", "Tue,  6 Oct 2026 10:11:12 +0200 (CEST)", "5 Oct 2026 10:11:12 +0200 (EST)", "Sun, 5 Oct 2026 10:11:12 -1700", "Mon, 5 Oct 2026 10:11:12 GMT")
		if checkUsual(t, &r, s) {
			usual++
		}
	}
	if usual < 2_000 {
		t.Errorf("only %d lines were usual ones", usual)
	}
}
