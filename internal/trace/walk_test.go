package trace

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoor/internal/message"
)

// header reads a header written without regard to indentation.
func header(t testing.TB, text string) message.Header {
	t.Helper()
	var lines []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	h, _, _ := message.ReadHeader([]byte(strings.Join(lines, "\n")+"\n\n"), message.DefaultLimits())
	return h
}

func TestWalk(t *testing.T) {
	own := Options{Hosts: []string{"example.net"}}
	for _, tc := range []struct {
		name   string
		o      Options
		header string
		status Status
		ip     string
		hop    int
		roles  string // of the sources
	}{
		{"outside peer at our host", own, `
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by mx.example.net (Postfix) with ESMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200
			Received: from pc (pc.example.com [198.51.100.7]) by mail.example.com (Postfix) with ESMTPA id A0; Mon, 5 Oct 2026 10:11:10 +0200`,
			StatusTraced, "192.0.2.10", 0, "relay sender"},
		{"a bot that sends by itself", own, `
			Received: from x (dsl.isp.example [203.0.113.9]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 0, "injector"},
		{"a bot that claims our own line below", own, `
			Received: from mx2.example.net (dsl.isp.example [203.0.113.9]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200
			Received: from victim (victim.example.org [198.51.100.7]) by mx2.example.net (Postfix) with SMTP id A0; Mon, 5 Oct 2026 10:11:10 +0200`,
			StatusTraced, "203.0.113.9", 0, "relay sender"},
		{"through our relay and filter", own, `
			Received: from mail.example.net ([unix socket]) by mail.example.net (Cyrus v2.3.14) with LMTPA; Mon, 05 Oct 2026 10:11:16 +0200
			Received: from mx.example.net (mx.example.net [192.0.2.1]) by mail.example.net (Postfix) with ESMTP id A3; Mon, 5 Oct 2026 10:11:15 +0200
			Received: from localhost (localhost [127.0.0.1]) by mx.example.net (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200
			Received: from mx.example.net ([127.0.0.1]) by localhost (mx.example.net [127.0.0.1]) (amavisd-new, port 10024) with ESMTP id 3; Mon, 5 Oct 2026 10:11:13 +0200
			Received: from x (dsl.isp.example [203.0.113.9]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200
			Received: from y (y.example.org [198.51.100.7]) by x with SMTP; Mon, 5 Oct 2026 10:11:10 +0200`,
			StatusTraced, "203.0.113.9", 4, "relay sender"},
		{"a name of ours that the DNS does not confirm", own, `
			Received: from mx2.example.net (unknown [203.0.113.9]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 0, "injector"},
		{"a name of ours that may be forged", own, `
			Received: from x (mx2.example.net [203.0.113.9] (may be forged)) by mx.example.net (8.14.4/8.14.4) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 0, "injector"},
		{"a PTR of ours that qmail did not confirm", own, `
			Received: from mx2.example.net (HELO x) (203.0.113.9) by mx.example.net with SMTP; 5 Oct 2026 08:11:12 -0000
			Received: from a (b.example.org [198.51.100.7]) by mx2.example.net (Postfix) with SMTP id 1; Mon, 5 Oct 2026 10:11:10 +0200`,
			StatusTraced, "203.0.113.9", 0, "relay sender"},
		{"a HELO literal of loopback", own, `
			Received: from [127.0.0.1] (unknown [203.0.113.9]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 0, "injector"},
		{"Exim's helo literal", own, `
			Received: from [203.0.113.9] (helo=[127.0.0.1]) by mx.example.net with smtp (Exim 4.96) id 1tmUP0-0006rE-Mm; Mon, 05 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 0, "injector"},
		{"a label that only ends like ours", own, `
			Received: from x (mail.badexample.net [203.0.113.9]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 0, "injector"},
		{"our user at our server", own, `
			Received: from pc (dsl.isp.example [203.0.113.9]) (Authenticated sender: anna) by smtp.example.net (Postfix) with ESMTPSA id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 0, "injector"},
		{"a private address behind our server", own, `
			Received: from pc (pc.lan [10.1.2.3]) by mx.example.net (Postfix) with ESMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "10.1.2.3", 0, "injector"},
		{"an address hidden by our server", own, `
			Received: from client.example.com (unknown []) by mx.example.net (Coremail) with SMTP id A1; Mon, 05 Oct 2026 16:11:12 +0800 (CST)
			Received: from x ([198.51.100.7]) by client.example.com with SMTP; Mon, 05 Oct 2026 16:11:12 +0800 (CST)`,
			StatusNoIPRecorded, "", 0, ""},
		{"an address elided, of a host that is ours by name", own, `
			Received: from out.example.net (out.example.net [AA.BB.CC.53]) by mx.example.net (Postfix) with ESMTP id A2; Mon, 05 Oct 2026 16:11:14 +0800 (CST)
			Received: from x (dsl.isp.example [203.0.113.9]) by out.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 1, "injector"},
		{"a private host that sends by itself", own, `
			Received: from lab1.corp.lan (lab1.corp.lan [10.1.2.3]) by mx.example.net (Postfix) with ESMTP id A2; Mon, 05 Oct 2026 16:11:14 +0800 (CST)
			Received: by lab1.corp.lan (Postfix, from userid 1002) id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "10.1.2.3", 0, ""},
		{"nothing but local delivery", own, `
			Received: by mx.example.net (Postfix, from userid 0) id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusAllTrusted, "", 0, ""},
		{"who wrote the line cannot be told", own, `
			Received: from x (dsl.isp.example [203.0.113.9]) (Authenticated sender: anna) by smtp.example.net (Postfix) with ESMTPSA id A1; Mon, 5 Oct 2026 10:11:12 +0200
			Received: from y (y.example.org [198.51.100.7]) with SMTP id 7; Mon, 5 Oct 2026 10:11:10 +0200`,
			StatusAmbiguous, "", 0, ""},
		{"no line at all", own, `From: a@example.com`, StatusNoReceived, "", 0, ""},
		{"a trusted network vouches for what its host wrote", Options{TrustHosts: []string{"mx.example.net"}, TrustNetworks: prefixes("192.0.2.0/24")}, `
			Received: from relay (unknown [192.0.2.1]) by mx.example.net (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200
			Received: from x (dsl.isp.example [203.0.113.9]) by relay.lan (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 1, "injector"},
		{"our own network does not vouch for a customer's lines", Options{Hosts: []string{"example.net"}, Networks: prefixes("192.0.2.0/24")}, `
			Received: from customer.example (customer.example [192.0.2.77]) by mx.example.net (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200
			Received: from victim (victim.example.org [198.51.100.7]) by customer.example (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "192.0.2.77", 0, "relay sender"},
		{"complaint: the topmost organisation's own hosts", Options{}, `
			Received: from mx1.reporter.example (mx1.reporter.example [198.51.100.7]) by imap.reporter.example (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200
			Received: from x (dsl.isp.example [203.0.113.9]) by mx1.reporter.example (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 1, "injector"},
		{"complaint: private hop between two names", Options{}, `
			Received: from mail.int.lan (10.0.0.4) by ex1.int.lan (10.0.0.5) with Microsoft SMTP Server id 15.1.1; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from mx.reporter.example (10.0.0.2) by mail.int.lan (10.0.0.4) with Microsoft SMTP Server id 15.1.1; Mon, 5 Oct 2026 10:11:14 +0200
			Received: from x (dsl.isp.example [203.0.113.9]) by mx.reporter.example (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 2, "injector"},
		{"complaint: Gmail", Options{}, `
			Received: by 2002:a05:6402:3590:b0:55d:1592:8323 with SMTP id y16csp1; Mon, 5 Oct 2026 01:11:14 -0700 (PDT)
			X-Received: by 2002:a05:6402:3590:b0:55d:1592:8323 with SMTP id y16mr1; Mon, 05 Oct 2026 01:11:13 -0700 (PDT)
			Received: from mail.example.com (mail.example.com. [192.0.2.10]) by mx.google.com with ESMTPS id q1.2026.10.05.01.11.12 for <u@gmail.com>; Mon, 05 Oct 2026 01:11:13 -0700 (PDT)
			Received: from pc ([203.0.113.9]) by mail.example.com with ESMTPA; Mon, 5 Oct 2026 10:11:10 +0200`,
			StatusTraced, "192.0.2.10", 1, "relay sender"},
		{"complaint: Gmail before it numbered its hosts by IPv6", Options{}, `
			Received: by 10.25.20.3 with SMTP id k3csp123; Mon, 5 Oct 2015 01:11:14 -0700 (PDT)
			X-Received: by 10.180.10.1 with SMTP id e1mr12; Mon, 05 Oct 2015 01:11:13 -0700 (PDT)
			Received: from mail.example.com (mail.example.com. [192.0.2.10]) by mx.google.com with ESMTPS id q1.2015.10.05.01.11.12; Mon, 05 Oct 2015 01:11:13 -0700 (PDT)`,
			StatusTraced, "192.0.2.10", 1, "injector"},
		{"complaint: Gmail from a Gmail user", Options{}, `
			Received: by 2002:a05:6402:3590:b0:55d:1592:8323 with SMTP id y16csp1; Mon, 5 Oct 2026 01:11:14 -0700 (PDT)
			Received: from mail-sor-f41.google.com (mail-sor-f41.google.com. [209.85.220.41]) by mx.google.com with SMTPS id q1.2026.10.05.01.11.12 for <u@gmail.com>; Mon, 05 Oct 2026 01:11:13 -0700 (PDT)`,
			StatusTraced, "209.85.220.41", 1, "injector"},
		{"complaint: Outlook", Options{}, `
			Received: from AM0PR01MB1.eurprd01.prod.outlook.com (2603:10a6:208::1) by AM9PR01MB2.eurprd01.prod.outlook.com with HTTPS; Mon, 5 Oct 2026 08:11:18 +0000
			Received: from DB7PR02CA1.eurprd02.prod.outlook.com (2603:10a6:10:52::1) by AM0PR01MB1.eurprd01.prod.outlook.com (2603:10a6:208::1) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.1; Mon, 5 Oct 2026 08:11:16 +0000
			Received: from DB5EUR03FT1.eop-EUR03.prod.protection.outlook.com (2603:10a6:10:52:cafe::1) by DB7PR02CA1.outlook.office365.com (2603:10a6:10:52::1) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.1 via Frontend Transport; Mon, 5 Oct 2026 08:11:15 +0000
			Received: from mail.example.com (192.0.2.10) by DB5EUR03FT1.mail.protection.outlook.com (10.152.20.99) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.1 via Frontend Transport; Mon, 5 Oct 2026 08:11:14 +0000
			Received: from pc ([203.0.113.9]) by mail.example.com with ESMTPA; Mon, 5 Oct 2026 10:11:10 +0200`,
			StatusTraced, "192.0.2.10", 3, "relay sender"},
		{"complaint: Outlook, between two tenants", Options{}, `
			Received: from AM0PR01MB1.eurprd01.prod.outlook.com (2603:10a6:208::1) by AM9PR01MB2.eurprd01.prod.outlook.com with HTTPS; Mon, 5 Oct 2026 08:11:18 +0000
			Received: from mail-db8eur05on2041.outbound.protection.outlook.com (40.107.20.41) by DB5EUR03FT1.mail.protection.outlook.com (10.152.20.99) with Microsoft SMTP Server id 15.20.1 via Frontend Transport; Mon, 5 Oct 2026 08:11:14 +0000
			Received: from VI1PR01MB3.eurprd01.prod.outlook.com (2603:10a6:800::1) by VI1PR01MB4.eurprd01.prod.outlook.com (2603:10a6:800::2) with Microsoft SMTP Server id 15.20.1; Mon, 5 Oct 2026 08:11:12 +0000
			Received: from VI1PR01MB3.eurprd01.prod.outlook.com ([fe80::1]) by VI1PR01MB3.eurprd01.prod.outlook.com ([fe80::1%3]) with mapi id 15.20.1; Mon, 5 Oct 2026 08:11:12 +0000`,
			StatusTraced, "40.107.20.41", 1, ""},
		{"complaint: a line below that is not of the Microsoft host that was seen", Options{}, `
			Received: from AM0PR01MB1.eurprd01.prod.outlook.com (2603:10a6:208::1) by AM9PR01MB2.eurprd01.prod.outlook.com (2603:10a6:20b::2) with Microsoft SMTP Server id 15.20.1; Mon, 5 Oct 2026 08:11:18 +0000
			Received: from victim (2001:db8::7) by XX0PR01MB9.eurprd01.prod.outlook.com (2603:10a6:999::9) with Microsoft SMTP Server id 15.20.1; Mon, 5 Oct 2026 08:11:14 +0000`,
			StatusAllTrusted, "", 0, ""},
		{"complaint: Yahoo", Options{}, `
			Received: from 127.0.0.1 by atlas-production.v2-mail-prod1-bf1.omega.yahoo.com pod-id atlas--7c with HTTPS; Mon, 5 Oct 2026 08:11:14 +0000
			Received: from 192.0.2.10 (EHLO mail.example.com) by 10.217.151.74 with SMTPs (version=TLS1_2 cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256); Mon, 05 Oct 2026 08:11:12 +0000
			Received: from pc ([203.0.113.9]) by mail.example.com with ESMTPA; Mon, 5 Oct 2026 10:11:10 +0200`,
			StatusTraced, "192.0.2.10", 1, "relay sender"},
		{"complaint: fetched from a mailbox", Options{}, `
			Received: from pop.provider.example [198.51.100.3] by localhost with POP3 (fetchmail-6.3.9) for <u@localhost> (single-drop); Mon, 05 Oct 2026 10:20:12 +0200
			Received: from x (dsl.isp.example [203.0.113.9]) by mx3.provider.example (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200`,
			StatusTraced, "203.0.113.9", 1, "injector"},
		{"complaint: a customer's relay names the sender", Options{Ours: func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.25") }}, `
			Received: from out3.isp.example (out3.isp.example [192.0.2.25]) by mx1.reporter.example (Postfix) with ESMTPS id A2; Mon, 5 Oct 2026 08:03:11 +0000
			Received: from bot (dsl.isp.example [203.0.113.9]) by out3.isp.example (Postfix) with SMTP id A1; Mon, 5 Oct 2026 08:03:09 +0000`,
			StatusTraced, "192.0.2.25", 0, "relay sender"},
		{"a mailing list", own, `
			Return-Path: <list-bounces@lists.example.org>
			Received: from lists.example.org (lists.example.org [198.51.100.20]) by mx.example.net (Postfix) with ESMTPS id A3; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by lists.example.org (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200
			List-Id: <talk.lists.example.org>`,
			StatusTraced, "198.51.100.20", 0, "list sender"},
		{"a forwarder that rewrites the sender", own, `
			Return-Path: <SRS0=abc=xy=example.com=anna@forward.example>
			Received: from forward.example (forward.example [198.51.100.30]) by mx.example.net (Postfix) with ESMTPS id A3; Mon, 5 Oct 2026 10:11:16 +0200
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by forward.example (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200`,
			StatusTraced, "198.51.100.30", 0, "forwarder sender"},
		{"a forwarder whose ARC chain our server verified", own, `
			Authentication-Results: mx.example.net; arc=pass (i=1)
			Received: from out.forward.example (out.forward.example [198.51.100.30]) by mx.example.net (Postfix) with ESMTPS id A3; Mon, 5 Oct 2026 10:11:16 +0200
			ARC-Seal: i=1; a=rsa-sha256; d=forward.example; s=arc; cv=none; b=AbCd
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by in.forward.example (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200`,
			StatusTraced, "198.51.100.30", 0, "forwarder sender"},
		{"an ARC chain that only the mail itself calls good", own, `
			Received: from out.forward.example (out.forward.example [198.51.100.30]) by mx.example.net (Postfix) with ESMTPS id A3; Mon, 5 Oct 2026 10:11:16 +0200
			Authentication-Results: mx.example.net; arc=pass (i=1)
			ARC-Seal: i=1; a=rsa-sha256; d=forward.example; s=arc; cv=none; b=AbCd
			Received: from mail.example.com (mail.example.com [192.0.2.10]) by in.forward.example (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200`,
			StatusTraced, "198.51.100.30", 0, "relay sender"},
		{"Gmail that forwards", own, `
			Return-Path: <anna+caf_=user=example.net@gmail.com>
			Received: from mail-qk1-f100.google.com (mail-qk1-f100.google.com [209.85.222.1]) by mx.example.net (Postfix) with ESMTPS id A3; Mon, 5 Oct 2026 10:11:16 +0200
			Received: by mail-qk1-f100.google.com with SMTP id abc; Mon, 05 Oct 2026 01:11:14 -0700 (PDT)
			Received: from mail.example.com (mail.example.com. [192.0.2.10]) by mx.google.com with ESMTPS id q1; Mon, 05 Oct 2026 01:11:13 -0700 (PDT)`,
			StatusTraced, "209.85.222.1", 0, "forwarder sender"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewTracer(tc.o).Trace(header(t, tc.header))
			ip, hop := "", 0
			if r.Origin != nil {
				ip, hop = r.Origin.IP.String(), r.Origin.Hop
			}
			if r.Status != tc.status || ip != tc.ip || hop != tc.hop {
				t.Errorf("%s %s at %d, want %s %s at %d\n%+v", r.Status, ip, hop, tc.status, tc.ip, tc.hop, r.Boundary)
			}
			var roles []string
			for _, s := range r.Sources {
				roles = append(roles, string(s.Role))
			}
			if got := strings.Join(roles, " "); tc.roles != "" && got != tc.roles {
				t.Errorf("roles %q, want %q", got, tc.roles)
			}
		})
	}
}

func TestRoles(t *testing.T) {
	r := NewTracer(Options{}).Trace(header(t, `
		Received: from AM0PR01MB1.eurprd01.prod.outlook.com (2603:10a6:208::1) by AM9PR01MB2.eurprd01.prod.outlook.com with HTTPS; Mon, 5 Oct 2026 08:11:18 +0000
		Received: from mail.example.com (192.0.2.10) by DB5EUR03FT1.mail.protection.outlook.com (10.152.20.99) with Microsoft SMTP Server id 15.20.1 via Frontend Transport; Mon, 5 Oct 2026 08:11:14 +0000
		Received: from localhost (localhost [127.0.0.1]) by mail.example.com (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:12 +0200
		Received: from mail.example.com ([127.0.0.1]) by localhost (mail.example.com [127.0.0.1]) (amavisd-new, port 10024) with ESMTP id 3; Mon, 5 Oct 2026 10:11:11 +0200
		Received: from pc ([203.0.113.9]) by mail.example.com (Postfix) with ESMTPSA id A1; Mon, 5 Oct 2026 10:11:10 +0200
		Received: from 192.168.1.7 ([192.168.1.7]) by webmail.example.com (Horde Framework) with HTTP; Mon, 05 Oct 2026 10:11:09 +0200`))
	var got []string
	for i := range r.Hops {
		got = append(got, string(r.Hops[i].Role))
	}
	if want := "delivery relay filter filter submission submission"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// The sender stands behind a list's own hosts.
func TestSenderBehindInnerHosts(t *testing.T) {
	r := NewTracer(Options{Hosts: []string{"example.net"}}).Trace(header(t, `
		Received: from out.lists.example.org (out.lists.example.org [198.51.100.20]) by mx.example.net (Postfix) with ESMTPS id A4; Mon, 5 Oct 2026 10:11:18 +0200
		Received: from in.lists.example.org (in.lists.example.org [198.51.100.21]) by out.lists.example.org (Postfix) with ESMTP id A3; Mon, 5 Oct 2026 10:11:16 +0200
		Received: from mail.example.com (mail.example.com [192.0.2.10]) by in.lists.example.org (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200
		List-Id: <talk.lists.example.org>`))
	if len(r.Sources) != 2 || r.Sources[0].Role != SourceList || r.Sources[1].IP.String() != "192.0.2.10" || r.Sources[1].Proven {
		t.Errorf("%+v", r.Sources)
	}
}

// What a complainant's line says is never proven by it, whoever wrote the lines below.
func TestConfidence(t *testing.T) {
	const text = `
		Received: from out3.example.net (out3.example.net [192.0.2.25]) by mx1.reporter.example (Postfix) with ESMTPS id A2; Mon, 5 Oct 2026 08:03:11 +0000
		Received: from bot (dsl.isp.example [203.0.113.9]) by out3.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 08:03:09 +0000`
	for _, tc := range []struct {
		name string
		o    Options
		ip   string
		want Confidence
	}{
		{"nothing configured", Options{}, "192.0.2.25", ConfidenceMedium},
		{"our host below a stranger's line", Options{Hosts: []string{"example.net"}}, "203.0.113.9", ConfidenceMedium},
		{"the stranger's host is trusted", Options{Hosts: []string{"example.net"}, TrustHosts: []string{"reporter.example"}}, "203.0.113.9", ConfidenceHigh},
		{"the same, read as a complaint", Options{Hosts: []string{"example.net"}, TrustHosts: []string{"reporter.example"}, Complaint: true}, "203.0.113.9", ConfidenceMedium},
	} {
		r := NewTracer(tc.o).Trace(header(t, text))
		if r.Origin == nil || r.Origin.IP.String() != tc.ip || r.Origin.Confidence != tc.want {
			t.Errorf("%s: %+v, want %s %s", tc.name, r.Origin, tc.ip, tc.want)
		}
	}
}

// The milter's connection is hop 0 and proves what it saw.
func TestConnection(t *testing.T) {
	conn := &Connection{IP: netip.MustParseAddr("::ffff:203.0.113.9"), Port: 4711, HELO: "bot", By: "mx.example.net", With: "ESMTP", ID: "4Xk2p", Time: time.Date(2026, 10, 5, 8, 3, 9, 0, time.UTC)}
	h := header(t, "Received: from victim (victim.example.org [198.51.100.7]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 08:03:08 +0000\nFrom: a@example.com")
	r := NewTracer(Options{}).TraceConnection(h, conn)
	o := r.Origin
	if o == nil || o.IP.String() != "203.0.113.9" || o.Port != 4711 || o.Hop != 0 || o.Confidence != ConfidenceHigh || len(r.Hops) != 2 || r.Hops[1].Trust != TrustClaimed {
		t.Errorf("%+v\n%+v", o, r.Hops)
	}
	conn.IP = netip.MustParseAddr("127.0.0.1")
	if r = NewTracer(Options{}).TraceConnection(h, conn); r.Origin == nil || r.Origin.IP.String() != "198.51.100.7" {
		t.Errorf("behind a local filter: %+v", r.Origin)
	}
}
