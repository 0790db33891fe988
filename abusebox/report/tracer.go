package report

import (
	"net/netip"
	"strings"

	"spoor/internal/message"
	"spoor/internal/trace"
)

// ComplaintTracer traces enclosed mails as a stranger's: what the complainant's
// own servers recorded is his word, everything deeper a claim. Where the host
// that injected the mail is one of ours and a mail server, it is the relay, and
// the host that it names behind itself the sender. No host of ours is trusted by
// its name: customers' names often lie below our own, and any of them may write
// Received lines.
func ComplaintTracer(ours func(netip.Addr) bool) Tracer {
	t := trace.NewTracer(trace.Options{Complaint: true, Ours: ours})
	return func(h message.Header) []Origin {
		if !h.Has("Received") {
			return nil
		}
		res := t.Trace(h)
		if res.Origin == nil || !res.Origin.IP.IsValid() {
			return nil
		}
		o := Origin{IP: res.Origin.IP, Port: res.Origin.Port, Why: res.Origin.Why,
			Claimed: res.Origin.Confidence == trace.ConfidenceLow || len(res.Alternatives) > 0}
		o.setStamp(res.Origin.Time, res.Hops, res.Origin.Hop)
		if ours == nil || !ours(o.IP) {
			if inner, ok := behindReceiver(res); ok {
				return []Origin{inner}
			}
		}
		out := []Origin{o}
		for _, s := range res.Sources {
			switch {
			case !s.Ours:
			case s.IP == o.IP && passedOn(s.Role):
				out[0].Relay = true
			case s.Role == trace.SourceSender && s.IP != o.IP:
				out = append(out, Origin{IP: s.IP, Time: o.Time, TimeRaw: o.TimeRaw, ZoneKnown: o.ZoneKnown, Claimed: !s.Proven, Why: "named as the sender by our relay " + o.IP.String()})
			}
		}
		return out
	}
}

// behindReceiver finds who stands behind a further host of the complainant's own
// provider, where the host above did not look its name up (Exchange, LMTP). Only
// the names say that it is one, so that the origin is claimed.
func behindReceiver(res trace.Result) (Origin, bool) {
	at := res.Origin.Hop
	for _, a := range res.Alternatives {
		if a.Hop > at && a.Hop < len(res.Hops) {
			return originAt(res.Hops, a.Hop, a.Why), true
		}
	}
	if at < 0 || at+1 >= len(res.Hops) {
		return Origin{}, false
	}
	h, next := &res.Hops[at], &res.Hops[at+1]
	if h.HELO == "" || !strings.EqualFold(h.HELO, next.By) || strings.EqualFold(h.HELO, h.By) || !sameOrganisation(strings.ToLower(h.HELO), strings.ToLower(h.By)) || !public(next.IP) || next.IP == h.IP {
		return Origin{}, false
	}
	return originAt(res.Hops, at+1, "handed to "+next.By+", by its name a host of the receiver"), true
}

func originAt(hops []trace.Hop, at int, why string) Origin {
	o := Origin{IP: hops[at].IP, Claimed: true, Why: why}
	o.setStamp(hops[at].Time, hops, at)
	return o
}

// passedOn knows the roles of hosts that hand on what others wrote.
func passedOn(r trace.SourceRole) bool {
	return r == trace.SourceRelay || r == trace.SourceForwarder || r == trace.SourceList
}

// setStamp takes the time of the hop that recorded the origin.
func (o *Origin) setStamp(st trace.Stamp, hops []trace.Hop, hop int) {
	if hop < 0 || hop >= len(hops) {
		return
	}
	if !st.IsZero() {
		o.Time, o.TimeRaw, o.ZoneKnown = st.Time, hops[hop].TimeRaw, !st.Local
	}
}
