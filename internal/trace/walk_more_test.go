package trace

import (
	"strings"
	"testing"
)

// Paths of real mail that went wrong once, in our own words.
func TestWalkInnerNames(t *testing.T) {
	own := Options{Hosts: []string{"example.net"}}
	for _, tc := range []struct {
		name   string
		o      Options
		header string
		ip     string
		hop    int
		conf   Confidence
		roles  string
		alts   string
	}{
		{"a trusted peer that writes under the name localhost.localdomain", own, `
			Received: from mail.example.net (mail1.example.net [192.0.2.3]) by store.example.net (Cyrus v2.4) with LMTP; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from mail.example.net (localhost [127.0.0.1]) by localhost.localdomain (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200
			Received: from x (dsl.isp.example [203.0.113.9]) by mail.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			"203.0.113.9", 2, ConfidenceLow, "injector", ""},
		{"a trusted peer with a private name", own, `
			Received: from list-01.cloud.internal (lists.example.net [192.0.2.3]) by mx.example.net (Postfix) with ESMTPS id A3; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from ip-10-31-3-47.compute.internal (localhost [127.0.0.1]) by list-01.cloud.internal (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:15 +0200
			Received: from x (dsl.isp.example [203.0.113.9]) by list-01.cloud.internal (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			"203.0.113.9", 2, ConfidenceLow, "injector", ""},
		{"a trusted peer that wrote no line passes on a stranger's", own, `
			Received: from proxy.example.net (proxy.example.net [192.0.2.3]) by mx.example.net (Postfix) with ESMTPS id A3; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from x (victim.example.org [198.51.100.7]) by smtp.example.com (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			"", 0, "", "", ""},
		{"a stranger's line with a private name", own, `
			Received: from x (dsl.isp.example [203.0.113.9]) by mx.example.net (Postfix) with SMTP id A2; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from y (victim.example.org [198.51.100.7]) by localhost.localdomain (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			"203.0.113.9", 0, ConfidenceHigh, "", ""},
		{"a private peer that is known inside by another name", own, `
			Received: from gw (unknown [10.0.0.4]) by mx.example.net (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from x (dsl.isp.example [203.0.113.9]) by EXCH2.corp.local (10.0.0.9) with Microsoft SMTP Server id 15.1.1; Mon, 5 Oct 2026 10:11:12 +0200`,
			"203.0.113.9", 1, ConfidenceHigh, "injector", ""},
		{"complaint: qmail's lines name no host", Options{}, `
			Received: (qmail 9820 invoked by alias); 5 Oct 2026 08:11:18 -0000
			Received: (qmail 9813 invoked by uid 82); 5 Oct 2026 08:11:17 -0000
			Received: from anna@example.com by mailhost with qmail-scanner-1.00 (scan: clean. Processed in 0.48 secs); 5 Oct 2026 08:11:17 -0000
			Received: from unknown (HELO x) (203.0.113.9) by mi-1.reporter.example with SMTP; 5 Oct 2026 08:11:16 -0000
			Received: from y ([198.51.100.7]) by x with SMTP; 5 Oct 2026 08:11:15 -0000`,
			"203.0.113.9", 3, ConfidenceMedium, "relay sender", ""},
		{"webmail under another name than its host", own, `
			Received: (from apache@localhost) by mail.example.net (8.14.4/8.14.4) id A1; Mon, 5 Oct 2026 10:11:12 +0200
			Received: from 203.0.113.9 (SquirrelMail authenticated user anna) by webmail.example.org with HTTP; Mon, 5 Oct 2026 10:11:12 +0200 (CEST)`,
			"203.0.113.9", 1, ConfidenceLow, "injector", ""},
		{"who logged in at our server is known", own, `
			Received: from pc (dsl.isp.example [203.0.113.9]) (Authenticated sender: anna) by smtp.example.net (Postfix) with ESMTPSA id A1; Mon, 5 Oct 2026 10:11:12 +0200
			Received: from y (victim.example.org [198.51.100.7]) by other.example.com (Postfix) with SMTP id A0; Mon, 5 Oct 2026 10:11:10 +0200`,
			"203.0.113.9", 0, ConfidenceHigh, "", ""},
		{"who logged in may write a line in our name: it is followed, and doubted", own, `
			Received: from pc (dsl.isp.example [203.0.113.9]) (Authenticated sender: anna) by smtp.example.net (Postfix) with ESMTPSA id A1; Mon, 5 Oct 2026 10:11:12 +0200
			Received: from y (victim.example.org [198.51.100.7]) by mx.example.net (Postfix) with SMTP id A0; Mon, 5 Oct 2026 10:11:10 +0200`,
			"198.51.100.7", 1, ConfidenceLow, "injector", "203.0.113.9"},
		{"Exim's own scanner by a pipe", own, `
			Received: from Debian-exim by mx.example.net with spam-scanned (Exim 4.71) (envelope-from <a@example.com>) id 1ioTat-0000Ck-A7 for u@example.net; Mon, 05 Oct 2026 10:11:13 +0200
			Received: from out.example.com ([203.0.113.9]:47626 helo=x) by mx.example.net with esmtps (TLS1.3) (Exim 4.96) (envelope-from <a@example.com>) id 1ioTat-0000CS-6v for u@example.net; Mon, 05 Oct 2026 10:11:12 +0200`,
			"203.0.113.9", 1, ConfidenceHigh, "injector", ""},
		{"complaint: a host that the receiver's software did not look up", Options{}, `
			Received: from mx6.reporter.example ([192.0.2.103]) by mail5.reporter.example with ESMTP (post.office MTA v3.5) id A3; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from mx4.reporter.example ([192.0.2.101]) by mx6.reporter.example with ESMTP (post.office MTA v3.5) id A2; Mon, 5 Oct 2026 10:11:14 +0200
			Received: from x (dsl.isp.example [203.0.113.9]) by mx4.reporter.example (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			"192.0.2.103", 0, ConfidenceLow, "relay sender", "203.0.113.9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewTracer(tc.o).Trace(header(t, tc.header))
			ip, hop, conf := "", 0, Confidence("")
			if r.Origin != nil {
				ip, hop, conf = r.Origin.IP.String(), r.Origin.Hop, r.Origin.Confidence
			}
			if ip != tc.ip || hop != tc.hop || conf != tc.conf {
				t.Errorf("%s %s at %d %s, want %s at %d %s\n%+v", r.Status, ip, hop, conf, tc.ip, tc.hop, tc.conf, r.Boundary)
			}
			if got := roleList(&r); tc.roles != "" && got != tc.roles {
				t.Errorf("roles %q, want %q", got, tc.roles)
			}
			var alts []string
			for _, a := range r.Alternatives {
				alts = append(alts, a.IP.String())
			}
			if got := strings.Join(alts, " "); got != tc.alts {
				t.Errorf("alternatives %q, want %q", got, tc.alts)
			}
		})
	}
}

func roleList(r *Result) string {
	var roles []string
	for _, s := range r.Sources {
		roles = append(roles, string(s.Role))
	}
	return strings.Join(roles, " ")
}

// Lists and forwarders as their own lines tell them.
func TestListAndForwarderRoles(t *testing.T) {
	own := Options{Hosts: []string{"example.net"}}
	for _, tc := range []struct{ name, header, want string }{
		{"a list whose host bears another domain, by what the mail was addressed to", `
			Return-Path: <talk-admin@club.example>
			Received: from lugh.host.example (lugh.host.example [198.51.100.20]) by mx.example.net (Postfix) with ESMTPS id A3 for <user@example.net>; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from lugh (localhost [127.0.0.1]) by lugh.host.example (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:15 +0200
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by lugh.host.example (Postfix) with ESMTP id A1 for <talk@club.example>; Mon, 5 Oct 2026 10:11:14 +0200
			List-Id: Our club <talk.club.example>`, "list sender"},
		{"a list by the address that bounces go to", `
			Return-Path: <owner-cooks@club.example>
			Received: from out.club.example (out.club.example [198.51.100.20]) by mx.example.net (Postfix) with ESMTPS id A3; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by out.club.example (Postfix) with ESMTP id A1; Mon, 5 Oct 2026 10:11:14 +0200
			X-Mailing-List: cooks@food.example`, "list sender"},
		{"a list behind the receiver's second server elsewhere", `
			Return-Path: <talk-bounces@lists.example.org>
			Received: from backup.mx.example (backup.mx.example [198.51.100.40]) by mx.example.net (Postfix) with ESMTPS id A4 for <user@example.net>; Mon, 5 Oct 2026 10:11:18 +0200
			Received: from lists.example.org (lists.example.org [198.51.100.20]) by backup.mx.example (Postfix) with ESMTP id A3 for <user@example.net>; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by lists.example.org (Postfix) with ESMTP id A2 for <talk@lists.example.org>; Mon, 5 Oct 2026 10:11:14 +0200
			List-Id: <talk.lists.example.org>`, "relay list sender"},
		{"a forwarder by its own line's recipient", `
			Received: from post.old.example (post.old.example [198.51.100.30]) by mx.example.net (Postfix) with ESMTPS id A3 for <anna@example.net>; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by post.old.example (Postfix) with ESMTP id A2 for <anna@old.example>; Mon, 5 Oct 2026 10:11:14 +0200`, "forwarder sender"},
		{"a relay keeps the recipient", `
			Received: from post.old.example (post.old.example [198.51.100.30]) by mx.example.net (Postfix) with ESMTPS id A3 for <anna@example.net>; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by post.old.example (Postfix) with ESMTP id A2 for <Anna@example.net>; Mon, 5 Oct 2026 10:11:14 +0200`, "relay sender"},
		{"a filter before our own list", `
			Return-Path: <talk-bounces@example.net>
			Received: by lists.example.net (Postfix, from userid 40) id A3; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from relay.filter.example (relay.filter.example [198.51.100.40]) by lists.example.net (Postfix) with ESMTP id A2 for <talk@example.net>; Mon, 5 Oct 2026 10:11:15 +0200
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by in.filter.example (Postfix) with ESMTP id A1 for <talk@example.net>; Mon, 5 Oct 2026 10:11:14 +0200
			List-Id: <talk.example.net>`, "relay sender"},
		{"list fields alone make no list of a bot", `
			Return-Path: <talk-bounces@lists.example.org>
			Received: from x (dsl.isp.example [203.0.113.9]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200
			List-Id: <talk.lists.example.org>`, "injector"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewTracer(own).Trace(header(t, tc.header))
			if got := roleList(&r); got != tc.want {
				t.Errorf("roles %q, want %q", got, tc.want)
			}
		})
	}
}

// Exchange Online writes results without saying who checked, and the Message-ID
// of mail that has none.
func TestMicrosoftEdgeFields(t *testing.T) {
	const edge = `
		Received: from AM0PR01MB1.eurprd01.prod.outlook.com (2603:10a6:208::1) by AM9PR01MB2.eurprd01.prod.outlook.com with HTTPS; Mon, 5 Oct 2026 08:11:18 +0000
		Authentication-Results: spf=softfail (sender IP is 192.0.2.10) smtp.mailfrom=example.com; dkim=none (message not signed) header.d=none;dmarc=fail action=quarantine header.from=example.com;compauth=fail reason=000
		Received: from mail.example.com (192.0.2.10) by DB5EUR03FT1.mail.protection.outlook.com (10.152.20.99) with Microsoft SMTP Server id 15.20.1 via Frontend Transport; Mon, 5 Oct 2026 08:11:14 +0000
		FORGED
		From: a@example.com
		To: u@outlook.com
		Message-ID: <0bcdb0f2-645d-41e8-8542-9e7541e0914a@DB5EUR03FT1.eop-EUR03.prod.protection.outlook.com>`
	r := NewTracer(Options{}).Trace(header(t, strings.Replace(edge, "FORGED", "X-Mailer: Microsoft Outlook Express 6.00.2600.0000", 1)))
	if f := finding(t, &r, "authentication-failed"); !strings.Contains(f.Explain, "SPF failed softly at mail.protection.outlook.com") || f.Strength != Weak {
		t.Errorf("%+v", f)
	}
	finding(t, &r, "message-id-by-receiver")
	for _, f := range r.Findings {
		if f.Code == "message-id-software" {
			t.Error("the receiver's own Message-ID is compared with the client's software")
		}
	}
	below := strings.Replace(strings.Replace(edge, "Authentication-Results: spf=softfail", "X-Old: spf=softfail", 1), "FORGED", "Authentication-Results: spf=pass smtp.mailfrom=example.com", 1)
	r = NewTracer(Options{}).Trace(header(t, below))
	for _, f := range r.Findings {
		if strings.HasPrefix(f.Code, "authentication-") {
			t.Errorf("a result below the edge's line counts: %+v", f)
		}
	}
}
