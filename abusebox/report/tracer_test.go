package report

import (
	"net/netip"
	"testing"

	"spoor/internal/message"
)

// TestForgedLineFramesNobody has a customer, whose name lies below our domain, write a Received line in the name of
// our mail host: the customer is what the complainant's server saw, and whom the line names is a claim at most.
func TestForgedLineFramesNobody(t *testing.T) {
	ours := func(ip netip.Addr) bool { return netip.MustParsePrefix("192.0.2.0/24").Contains(ip) }
	header, _, _ := message.ReadHeader([]byte("Received: from host-66.dsl.example.net (host-66.dsl.example.net [192.0.2.66])\r\n"+
		"\tby mx.reporter.example (Postfix) with ESMTP id 4Xk1; Mon, 14 Sep 2026 08:00:00 +0000\r\n"+
		"Received: from victim (unknown [192.0.2.99])\r\n"+
		"\tby mail.example.net (Postfix) with ESMTP id 4Xk0; Mon, 14 Sep 2026 07:59:00 +0000\r\n"+
		"From: a@b.example\r\n\r\n"), message.DefaultLimits())
	origins := ComplaintTracer(ours)(header)
	if len(origins) == 0 || origins[0].IP != netip.MustParseAddr("192.0.2.66") {
		t.Fatalf("origins %+v, want first the customer that the complainant's server saw", origins)
	}
	for _, o := range origins[1:] {
		if !o.Claimed {
			t.Errorf("%s is told as a fact: %s", o.IP, o.Why)
		}
	}
}

// TestEnclosedResultsAreClaims reads an address from a field that the sender of the reported mail may have written.
func TestEnclosedResultsAreClaims(t *testing.T) {
	header, _, _ := message.ReadHeader([]byte("Received-SPF: pass (example) client-ip=192.0.2.99;\r\nFrom: a@b.example\r\n\r\n"), message.DefaultLimits())
	for _, o := range claimedOrigin(header) {
		if !o.Claimed {
			t.Errorf("%s is told as a fact: %s", o.IP, o.Why)
		}
	}
}

// TestForwarderAnswersAsRelay has a host of ours pass on mail that was for a mailbox there, and one run a list: both
// answer for what they passed on, and neither is called its sender.
func TestForwarderAnswersAsRelay(t *testing.T) {
	ours := func(ip netip.Addr) bool { return netip.MustParsePrefix("192.0.2.0/24").Contains(ip) }
	for name, below := range map[string]string{
		"relay":     "for <user@reporter.example>; Mon, 14 Sep 2026 07:59:00 +0000\r\n",
		"forwarder": "for <anna@club.example>; Mon, 14 Sep 2026 07:59:00 +0000\r\n",
		"list":      "for <talk@club.example>; Mon, 14 Sep 2026 07:59:00 +0000\r\nList-Id: <talk.club.example>\r\n",
	} {
		header, _, _ := message.ReadHeader([]byte("Received: from post.club.example (post.club.example [192.0.2.66])\r\n"+
			"\tby mx.reporter.example (Postfix) with ESMTP id 4Xk1 for <user@reporter.example>; Mon, 14 Sep 2026 08:00:00 +0000\r\n"+
			"Received: from bot (unknown [203.0.113.9])\r\n\tby post.club.example (Postfix) with ESMTP id 4Xk0 "+below+
			"From: a@b.example\r\n\r\n"), message.DefaultLimits())
		if origins := ComplaintTracer(ours)(header); len(origins) == 0 || !origins[0].Relay {
			t.Errorf("%s: %+v, want a relay", name, origins)
		}
	}
}

// TestBehindTheReceiversOwnHosts has the complainant's provider hand the mail on within itself without looking names up:
// the peer of its outer host is the accused, as a claim; but a host of ours that calls itself so stays the accused.
func TestBehindTheReceiversOwnHosts(t *testing.T) {
	for _, peer := range []string{"([198.51.100.21])", "(LHLO mx.isp.example) (198.51.100.21)", "(198.51.100.21)"} {
		header, _, _ := message.ReadHeader([]byte("Received: from mx.isp.example "+peer+" by store.isp.example with LMTP; Mon, 14 Sep 2026 08:00:01 +0000\r\n"+
			"Received: from bulk.example.org (bulk.example.org [203.0.113.9])\r\n\tby mx.isp.example (Postfix) with ESMTPS id 4B2C; Mon, 14 Sep 2026 08:00:00 +0000\r\n"+
			"From: a@b.example\r\n\r\n"), message.DefaultLimits())
		for _, tc := range []struct {
			ours func(netip.Addr) bool
			want string
		}{
			{nil, "203.0.113.9"},
			{func(ip netip.Addr) bool { return netip.MustParsePrefix("203.0.113.0/24").Contains(ip) }, "203.0.113.9"},
			{func(ip netip.Addr) bool { return netip.MustParsePrefix("198.51.100.0/24").Contains(ip) }, "198.51.100.21"},
		} {
			origins := ComplaintTracer(tc.ours)(header)
			if len(origins) == 0 || origins[0].IP.String() != tc.want {
				t.Errorf("%s: %+v, want first %s", peer, origins, tc.want)
				continue
			}
			if o := origins[0]; tc.want == "203.0.113.9" && (!o.Claimed || o.TimeRaw == "") {
				t.Errorf("%s: told as a fact or without a time: %+v", peer, o)
			}
		}
	}
}
