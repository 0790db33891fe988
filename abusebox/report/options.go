package report

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"spoor/internal/message"
)

// Options are what Parse knows beside the mail. The zero value reads offline and
// knows nothing of us.
type Options struct {
	// Arrived is when the mail came in; the mail's own Date where zero.
	Arrived time.Time
	// Ours tells whether an address is in our networks; nil where unknown.
	Ours func(netip.Addr) bool
	// Domains are our own domains; our name in a From or URL accuses nobody.
	Domains []string
	// Hosts are our mail hosts.
	Hosts []string
	// AuthservIDs are the names under which our hosts write Authentication-Results
	// (RFC 8601 §2.5). They must strip what others wrote under them (§5).
	AuthservIDs []string
	// Instance is the mark that our own notices carry in X-Spoor-Instance.
	Instance string
	// Envelope is what the connection showed, where it is known.
	Envelope Envelope
	// Formats are the operator's own formats, tried first.
	Formats []*Format
	// Habits are time zones of reporters by domain, for times without a zone.
	Habits map[string]*time.Location
	// Resolver answers DNS questions for DKIM and SPF; nil means no look-ups.
	Resolver Resolver
	// Sites resolves host names of spamvertised sites; nil means no look-ups.
	Sites SiteResolver
	// Trace finds the origin of an enclosed mail; ComplaintTracer where nil.
	Trace Tracer
	// Limits bound the reading.
	Limits Limits
	// Each, where not nil, is handed the reports of long tables in batches, which
	// the Result then does not hold. The slice is valid during the call.
	Each func([]Report)
	// Explain, where not nil, is told each step taken and why.
	Explain func(step string)
}

// An Envelope is what the connection that brought the mail showed.
type Envelope struct {
	Peer netip.Addr
	Helo string
	From string
	To   []string
}

// A Resolver answers the DNS questions of DKIM and SPF.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]string, error)
	LookupAddr(ctx context.Context, name string) ([]netip.Addr, error)
}

// A SiteResolver finds the addresses of a host name.
type SiteResolver func(ctx context.Context, host string) ([]netip.Addr, error)

// An Origin is where an enclosed mail entered the part of its path that its
// receiver vouches for.
type Origin struct {
	IP   netip.Addr
	Port uint16
	Time time.Time
	// TimeRaw is the time as the line gives it.
	TimeRaw string
	// ZoneKnown is false where the line states no offset.
	ZoneKnown bool
	Relay     bool
	// Claimed says that only the relay's line names it, and nobody vouches for that line.
	Claimed bool
	Why     string
}

// A Tracer finds the origins of the mail that a header belongs to, best first.
type Tracer func(h message.Header) []Origin

// Limits bound the reading of one mail. A zero field stands for its default.
type Limits struct {
	MaxText     int   // bytes of text that are weighed
	MaxReports  int   // reports of one mail
	MaxUnpacked int64 // bytes unpacked from one archive
	MaxArchives int   // files read from archives
	MaxNesting  int   // complaints within complaints
	MaxEvidence int   // lines of evidence of one report
}

// DefaultLimits returns the limits that Parse uses.
func DefaultLimits() Limits {
	return Limits{
		MaxText:     2 << 20,
		MaxReports:  2_000_000,
		MaxUnpacked: 512 << 20,
		MaxArchives: 64,
		MaxNesting:  8,
		MaxEvidence: 12,
	}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	orInt := func(have *int, def int) {
		if *have <= 0 {
			*have = def
		}
	}
	orInt(&l.MaxText, d.MaxText)
	orInt(&l.MaxReports, d.MaxReports)
	orInt(&l.MaxArchives, d.MaxArchives)
	orInt(&l.MaxNesting, d.MaxNesting)
	orInt(&l.MaxEvidence, d.MaxEvidence)
	if l.MaxUnpacked <= 0 {
		l.MaxUnpacked = d.MaxUnpacked
	}
	return l
}

// isOurs tells whether ip is known to be in our networks.
func (o *Options) isOurs(ip netip.Addr) bool { return o.Ours != nil && o.Ours(ip) }

// isOurDomain tells whether host is one of our domains or below one.
func (o *Options) isOurDomain(host string) bool { return inDomains(host, o.Domains) }

func inDomains(host string, domains []string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, d := range domains {
		d = strings.ToLower(d)
		if host == d || strings.HasSuffix(host, "."+d) {
			return true
		}
	}
	return false
}

func (o *Options) explain(step string) {
	if o.Explain != nil {
		o.Explain(step)
	}
}
