package milter

import (
	"net/netip"
	"slices"

	"spoor/internal/message"
	"spoor/internal/trace"
)

// A pathTracer is internal/trace with the connection as hop 0.
type pathTracer struct {
	relays  []netip.Prefix
	trusted *trace.Tracer // for mail that a relay of ours brings
	direct  *trace.Tracer // for everybody else's
}

// NewTracer returns the Tracer of a site: hosts are its mail hosts, relays the
// networks of servers whose Received lines are believed (Config.Believed), ours
// says whether the registry knows an address (it may be nil).
//
// Only a peer's address makes it a relay. Customers have names and addresses
// below the site's own, and may write any Received line and HELO they like.
func NewTracer(hosts []string, relays []netip.Prefix, ours func(netip.Addr) bool) Tracer {
	return &pathTracer{
		relays:  relays,
		trusted: trace.NewTracer(trace.Options{Hosts: hosts, TrustNetworks: relays, Ours: ours}),
		direct:  trace.NewTracer(trace.Options{Ours: ours}),
	}
}

// Trusts says whether the peer is one of the relays.
func (p *pathTracer) Trusts(peer Peer) bool {
	if peer.Auth != "" {
		return false // whoever logs in answers for it
	}
	return slices.ContainsFunc(p.relays, func(n netip.Prefix) bool { return n.Contains(peer.Addr) })
}

// Trace walks the path.
func (p *pathTracer) Trace(conn trace.Connection, h message.Header) trace.Result {
	if p.Trusts(Peer{Addr: conn.IP, Auth: conn.Auth}) {
		return p.trusted.TraceConnection(h, &conn)
	}
	r := p.direct.TraceConnection(h, &conn)
	if r.Origin == nil || r.Origin.Hop != 0 || r.Origin.Confidence != trace.ConfidenceHigh {
		atConnection(&r, conn)
	}
	return r
}

// atConnection ends the path at the connection: the walk goes on behind private
// addresses and names of ours, which here are a customer's.
func atConnection(r *trace.Result, conn trace.Connection) {
	if !conn.IP.IsValid() {
		return
	}
	r.Status = trace.StatusTraced
	r.Boundary = &trace.Boundary{Hop: 0, Rule: "our own connection"}
	for i := range r.Hops {
		r.Hops[i].Trust = trace.TrustClaimed
	}
	r.Hops[0].Trust = trace.TrustBoundary
	first, why := &r.Hops[0], "connected to us, and is no relay of ours"
	if conn.Auth != "" {
		why = "logged in at " + conn.By
	}
	r.Origin = &trace.Origin{
		IP: first.IP, Port: first.Port, HELO: first.HELO, RDNS: first.RDNS, RDNSState: first.RDNSState, RecordedBy: first.By,
		Time: first.Time, Confidence: trace.ConfidenceHigh, Why: why,
	}
	for i := range r.Sources {
		r.Sources[i].Proven = r.Sources[i].Hop == 0
	}
}
