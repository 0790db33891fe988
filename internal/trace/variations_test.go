package trace

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// innerHops are lines that hosts of example.net write about each other, newest
// first; each group stands above the edge alone and beside others.
var innerHops = map[string][]string{
	"none":  nil,
	"cyrus": {`from mx.example.net ([unix socket]) by mx.example.net (Cyrus v2.3.14) with LMTPA; DATE`},
	"amavis": {`from localhost (localhost [127.0.0.1]) by mx.example.net (Postfix) with ESMTP id B1; DATE`,
		`from mx.example.net ([127.0.0.1]) by localhost (mx.example.net [127.0.0.1]) (amavisd-new, port 10024) with ESMTP id 3; DATE`},
	"amavis6":  {`from localhost (localhost [IPv6:::1]) by mx.example.net (Postfix) with ESMTP id B1; DATE`},
	"private":  {`from mx.example.net (mx.example.net [10.1.1.4]) by store.example.net (8.15.2/8.15.2) with ESMTP id B2; DATE`},
	"ula":      {`from mx.example.net (unknown [fd00::4]) by store.example.net (Postfix) with ESMTP id B2; DATE`},
	"verified": {`from mx.example.net (mx.example.net [192.0.2.1]) by store.example.net (Postfix) with ESMTPS id B3; DATE`},
	"exim":     {`from mx.example.net ([192.0.2.1]:4711) by store.example.net with esmtps (Exim 4.96) (envelope-from <a@example.com>) id 1tmUP0-0006rE-Mm for user@example.net; DATE`},
	"zmailer":  {`from mx.example.net ([192.0.2.1]:39532 "EHLO mx.example.net" rhost-flags-OK-OK-OK-OK) by store.example.net with ESMTP id S1; DATE`},
	"byonly":   {`by mx.example.net (Postfix) id B4; DATE`},
	"local":    {`(from mail@localhost) by mx.example.net (8.15.2/8.15.2/Submit) id B5; DATE`},
	"qmail":    {`(qmail 4711 invoked from network); DATE`},
	"spamd":    {`(qmail 4711 invoked by uid 89); DATE`, `by mx.example.net (Postfix, from userid 110) id B6; DATE`},
	"dovecot": {`from mx.example.net by store.example.net with LMTP id iJ4pA; DATE`,
		`from mx.example.net (mx.example.net [192.0.2.1]) by store.example.net (Postfix) with ESMTPS id B7; DATE`},
}

// edgeLines are how software writes the outside peer: %[1]s is its HELO name,
// %[2]s its verified name, %[3]s its address, %[4]s the address with "IPv6:".
var edgeLines = map[string]string{
	"postfix":       `from %[1]s (%[2]s [%[4]s]) by mx.example.net (Postfix) with ESMTPS id E1 for <user@example.net>; DATE`,
	"postfix-none":  `from %[1]s (unknown [%[4]s]) by mx.example.net (Postfix) with SMTP id E1; DATE`,
	"postfix-tls":   `from %[1]s (%[2]s [%[4]s]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519) (No client certificate requested) by mx.example.net (Postfix) with ESMTPS id E1; DATE`,
	"sendmail":      `from %[1]s (%[2]s [%[4]s]) by mx.example.net (8.17.1/8.17.1) with ESMTP id E1 (version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO); DATE`,
	"sendmail-mbf":  `from %[1]s (mx2.example.net [%[4]s] (may be forged)) by mx.example.net (8.14.4/8.14.4) with SMTP id E1; DATE`,
	"ident":         `from %[1]s (joe@%[2]s [%[4]s]) by mx.example.net (8.9.3/8.9.3) with SMTP id E1; DATE`,
	"exim":          `from %[2]s ([%[3]s]:2525 helo=%[1]s) by mx.example.net with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.96) (envelope-from <a@example.com>) id 1tmUP0-0006rE-Mm for user@example.net; DATE`,
	"exim-none":     `from [%[3]s] (port=4711 helo=%[1]s) by mx.example.net with esmtp (Exim 4.96) id 1tmUP0-0006rE-Mm; DATE`,
	"exim-literal":  `from [%[3]s] (helo=[127.0.0.1]) by mx.example.net with esmtp (Exim 4.96) id 1tmUP0-0006rE-Mm; DATE`,
	"qmail":         `from %[2]s (HELO %[1]s) (%[3]s) by mx.example.net with SMTP; DATE`,
	"qmail-none":    `from unknown (HELO %[1]s) (%[3]s) by mx.example.net with SMTP; DATE`,
	"zmailer":       `from %[2]s ([%[3]s]:4711 "EHLO %[1]s" rhost-flags-OK-OK-OK-FAIL) by mx.example.net with ESMTP id S1; DATE`,
	"exchange":      `from %[1]s (%[3]s) by mx.example.net (10.0.0.5) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.2507.39 via Frontend Transport; DATE`,
	"smtpsvc":       `from %[1]s ([%[3]s]) by mx.example.net with Microsoft SMTPSVC(8.5.9600.16384); DATE`,
	"communigate":   `from [%[3]s] (HELO %[1]s) by mx.example.net (CommuniGate Pro SMTP 6.2.14) with ESMTP id 4711; DATE`,
	"helo-of-ours":  `from mx2.example.net (%[2]s [%[4]s]) by mx.example.net (Postfix) with ESMTP id E1; DATE`,
	"helo-loopback": `from [127.0.0.1] (%[2]s [%[4]s]) by mx.example.net (Postfix) with ESMTP id E1; DATE`,
}

// forgedLines are what an outside peer may have put below.
var forgedLines = map[string]string{
	"nothing":   "",
	"claim":     `from pc (victim.example.org [198.51.100.7]) by sender.example.com (Postfix) with ESMTP id F1; DATE`,
	"our name":  `from pc (victim.example.org [198.51.100.7]) by mx.example.net (Postfix) with ESMTP id F1; DATE`,
	"our inner": `from mx2.example.net (mx2.example.net [10.0.0.9]) by mx.example.net (Postfix) with ESMTP id F1; DATE`,
	"localhost": `from localhost (localhost [127.0.0.1]) by localhost (Postfix) with ESMTP id F1; DATE`,
	"login":     `from pc (victim.example.org [198.51.100.7]) (Authenticated sender: anna) by mx.example.net (Postfix) with ESMTPSA id F1; DATE`,
	"nameless":  `from pc ([198.51.100.7]) with SMTP; DATE`,
}

// Whatever stands above the edge and below it, and whichever software writes the
// edge, the origin is the peer that the edge saw.
func TestOriginOfVariations(t *testing.T) {
	peers := []string{"203.0.113.9", "203.0.113.0", "2001:db8:7::9"}
	uppers := slices.Sorted(maps.Keys(innerHops))
	n := 0
	for _, o := range []Options{{}, {Hosts: []string{"example.net"}}, {TrustHosts: []string{"example.net"}}, {Hosts: []string{"example.net"}, Complaint: true}} {
		for _, inner := range uppers {
			for _, edge := range slices.Sorted(maps.Keys(edgeLines)) {
				for _, forged := range slices.Sorted(maps.Keys(forgedLines)) {
					upper, ip := uppers[n%len(uppers)], peers[n/len(uppers)%len(peers)]
					n++
					hops := append(slices.Clone(innerHops[upper]), innerHops[inner]...)
					hop, tagged := len(hops), ip
					if strings.Contains(ip, ":") {
						tagged = "IPv6:" + ip
					}
					hops = append(hops, fmt.Sprintf(edgeLines[edge], "sender.example.com", "out.example.com", ip, tagged))
					if below := forgedLines[forged]; below != "" {
						hops = append(hops, below)
					}
					text := received(hops)
					if r := NewTracer(o).Trace(header(t, text)); r.Origin == nil || r.Origin.IP.String() != ip || r.Origin.Hop != hop {
						t.Errorf("%s, %s, %s from %s, below it %s: %s %+v, want hop %d\n%s%+v", upper, inner, edge, ip, forged, r.Status, r.Origin, hop, text, r.Boundary)
					}
				}
			}
		}
	}
	t.Logf("%d paths", n)
}

// received numbers the lines' times downwards, newest first.
func received(hops []string) string {
	var b strings.Builder
	for i, h := range hops {
		fmt.Fprintf(&b, "Received: %s\n", strings.Replace(h, "DATE", fmt.Sprintf("Mon, 5 Oct 2026 10:11:%02d +0200", 50-i), 1))
	}
	return b.String()
}
