package milter

import (
	"net/netip"

	"spoor/internal/message"
	"spoor/internal/trace"
)

// A Peer is the host at the other end of the MTA's connection, as the MTA saw it.
type Peer struct {
	Addr  netip.Addr // zero for mail from the MTA's own machine
	Port  uint16
	RDNS  string // verified by the MTA, or empty
	HELO  string // the peer's own word
	TLS   string // version, empty without
	Auth  string // who logged in, empty for nobody
	Local bool   // not from the network at all
	// DaemonPort is the MTA's port that the peer came to, 0 where the MTA does not say.
	DaemonPort uint16
}

// A Tracer walks a message's path. It does not wait for anything.
type Tracer interface {
	// Trusts says whether a host may speak for others: then the origin lies beyond it.
	Trusts(peer Peer) bool
	// Trace takes the connection as hop 0, then the message's own header.
	Trace(conn trace.Connection, h message.Header) trace.Result
}

// Listed says whether a host behaves like a source of abuse, and why. It answers from memory.
type Listed interface {
	Listed(addr netip.Addr) (why string, listed bool)
}

// Blocked says whether a host is blocked, and why. It answers from memory.
type Blocked interface {
	Blocked(addr netip.Addr) (why string, blocked bool)
}

// Holders says who answers for an address, and whether it is ours. It answers from memory.
type Holders interface {
	Holder(addr netip.Addr) (name string, ours bool)
}

// MailServers says whether a host is known to be a mail server. It answers from memory.
type MailServers interface {
	MailServer(addr netip.Addr) bool
}

// connection is the message's hop 0.
func (m mail) connection() trace.Connection {
	with := "SMTP"
	if m.peer.TLS != "" || m.peer.Auth != "" {
		with = "ESMTP" // RFC 3848: only an extended session has them
	}
	return trace.Connection{
		IP: m.peer.Addr, Port: m.peer.Port, HELO: m.peer.HELO, RDNS: m.peer.RDNS, By: m.by, With: with, TLS: m.peer.TLS,
		Auth: m.peer.Auth, Authenticated: m.peer.Auth != "", ID: m.queueID, EnvelopeFrom: m.env.from, Time: m.at,
	}
}

// proven says whether a finding rests on what the connection and hosts of ours
// recorded. All else the sender may have written, about whomever he likes.
func proven(r trace.Result, f trace.Finding) bool {
	last := -1
	switch {
	case r.Boundary != nil:
		last = r.Boundary.Hop
	case r.Status == trace.StatusAllTrusted:
		last = len(r.Hops)
	}
	if f.Hop == last {
		// The next line is a claim: no comparison with it proves anything.
		return aboutPeer(f.Code)
	}
	return f.Hop >= 0 && f.Hop < last
}

// aboutPeer knows the findings that rest on a line's own peer alone, as its writer saw it.
func aboutPeer(code string) bool {
	switch code {
	case "impossible-ip", "ip-dot-zero", "helo-literal-mismatch", "helo-impersonates-receiver", "helo-rdns-differ":
		return true
	}
	return false
}
