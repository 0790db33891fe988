package trace

import (
	"net/netip"
	"slices"
	"strings"
)

// A walk goes down a message's hops from the newest while each line is vouched
// for, and stops at the first peer that is outside.
type walk struct {
	o         *Options
	hops      []Hop
	complaint bool
	conn      bool // hop 0 was seen, not read
	// learned are the organisations and hosts trusted beside the options: the
	// topmost line's, and those that private hops lead to.
	learned []string
	exact   []string
	adopted []string // hosts and organisations that inside hops led to
	at      int      // the hop under the walk
	writer  string   // the last host known to have written a trusted line
	rule    string   // why the line at is trusted
	auth    int      // the line below an authenticated peer's, 0 if none
	loose   int      // the line below a peer that is ours by its network alone, 0 if none
	alts    []Alternative
	soft    bool // a step rested on a login or on a name that nothing ties to the peer: what is below may be the peer's own words
}

// An end is how a walk came out.
type end struct {
	status   Status
	boundary int
	rule     string
	why      string // why the origin is the one it is
	fallback bool
	depth    int // the deepest line that is trusted
}

// filterHosts are mail filters that stand before other organisations' servers.
// Where the outside peer is one, the mail may have come to the filter from
// outside, or have left by it. As of ProvidersAsOf.
var filterHosts = []string{
	"pphosted.com", "ppe-hosted.com", "messagelabs.com", "symcld.net", "mimecast.com", "iphmx.com", "barracudanetworks.com", "ess.barracuda.com",
	"mailcontrol.com", "antispameurope.com", "hornetsecurity.com", "antispamcloud.com", "mxlogic.net", "postini.com", "trendmicro.com", "sophos.com",
	"retarus.com", "mailspamprotection.com", "spamh.com", "fireeyecloud.com", "cloudfilter.net", "spamtitan.com", "mxthunder.com", "expurgate.net",
}

// alternatives names other readings of a walk that ended at an outside peer.
func (w *walk) alternatives(e end) {
	h := &w.hops[e.boundary]
	if w.auth > 0 && w.auth <= e.boundary {
		a := &w.hops[w.auth-1]
		w.alts = append(w.alts, Alternative{IP: a.IP, Hop: w.auth - 1, Why: "logged in at " + w.recorder(a) + "; what is below may be its own words"})
	}
	if w.loose > 0 && w.loose <= e.boundary {
		a := &w.hops[w.loose-1]
		w.alts = append(w.alts, Alternative{IP: a.IP, Hop: w.loose - 1, Why: "in our network, but nothing says that it wrote what is below; that may be its own words"})
	}
	if name := h.VerifiedRDNS(); under(name, filterHosts) != "" {
		w.behind(e.boundary, name, "handed to the filter of "+orgDomain(name)+", if that stands before the receiver")
		return
	}
	// Some software looks no names up (Exchange, InterMail, post.office): the
	// peer may be what it calls itself, one more host of the receiver.
	if t, _ := w.host(h.HELO, netip.Addr{}); t != "" && h.RDNSState == RDNSUnknown && h.HELO != h.By {
		w.behind(e.boundary, h.HELO, "handed to "+h.HELO+", if "+h.IP.String()+" is that host of the receiver, which "+w.recorder(h)+" did not look up")
	}
}

// behind adds the first public peer that the lines of the named host below the
// boundary give.
func (w *walk) behind(boundary int, name, why string) {
	peer := w.hops[boundary].IP
	for i := boundary + 1; i < len(w.hops); i++ {
		n := &w.hops[i]
		if n.By != "" && !sameHost(n.By, name) {
			return
		}
		if public(n.IP) && n.IP != peer && !sameHost(n.HELO, name) && !sameHost(n.VerifiedRDNS(), name) {
			w.alts = append(w.alts, Alternative{IP: n.IP, Hop: i, Why: why})
			return
		}
	}
}

// run walks.
func (w *walk) run() end {
	if len(w.hops) == 0 {
		return end{status: StatusNoReceived, boundary: -1, depth: -1}
	}
	w.begin()
	for {
		h := &w.hops[w.at]
		step, why := w.judge(h)
		h.Rule, h.Peer = w.rule, why
		switch step {
		case stepOutside:
			return end{status: StatusTraced, boundary: w.at, rule: w.rule, why: why, depth: w.at}
		case stepHidden:
			return end{status: StatusNoIPRecorded, boundary: w.at, rule: w.rule, why: why, depth: w.at}
		}
		if w.at+1 >= len(w.hops) || !w.next(step) {
			if len(w.alts) > 0 {
				return end{status: StatusAmbiguous, boundary: w.at, rule: w.rule, why: why, depth: w.at}
			}
			return w.deepest(why)
		}
		if step == stepAuth {
			w.auth = w.at // the line above this one was of an authenticated peer
		}
	}
}

// begin trusts the topmost line.
func (w *walk) begin() {
	h := &w.hops[0]
	t, rule := w.host(h.By, h.ByIP)
	w.complaint = w.o.Complaint || len(w.o.Hosts)+len(w.o.Networks)+len(w.o.TrustHosts)+len(w.o.TrustNetworks) == 0 ||
		t == "" && len(w.o.TrustHosts)+len(w.o.TrustNetworks) == 0
	switch {
	case w.conn:
		w.complaint, t, rule = false, TrustOwn, "our own connection"
		w.exact = append(w.exact, h.By)
	case t == "":
		t, rule = TrustTrusted, "topmost line"
		if h.By != "" {
			rule += ", host " + h.By
		}
		if w.complaint {
			w.learn(h.By)
		} else {
			w.exact = append(w.exact, h.By)
		}
	}
	h.Trust, w.rule, w.writer = t, rule, h.By
}

// learn trusts the organisation of a host, or the host alone where its name
// tells none.
func (w *walk) learn(name string) {
	if name == "" {
		return
	}
	if ip, ok := parseAddr(name); ok {
		w.exact = append(w.exact, name)
		for i := range Providers {
			if p := &Providers[i]; p.owns(ip) {
				w.learned = append(w.learned, p.Domains...)
			}
		}
		return
	}
	if privateName(name) && provider(name) == nil { // tells no organisation
		w.exact = append(w.exact, name)
		return
	}
	w.learned = append(w.learned, orgDomain(name))
	if p := provider(name); p != nil {
		w.learned = append(w.learned, p.Domains...)
	}
}

// adopt trusts a host that an inside hop led to, and in a complaint its
// organisation.
func (w *walk) adopt(name string) {
	if w.complaint && strings.IndexByte(name, '.') > 0 && !isAddress(name) {
		name = orgDomain(name)
	}
	w.adopted = append(w.adopted, name)
}

func isAddress(s string) bool {
	_, ok := parseAddr(s)
	return ok
}

// host tells whether a host is trusted by its name or address, and by which rule.
func (w *walk) host(name string, ip netip.Addr) (Trust, string) {
	if d := under(name, w.o.Hosts); d != "" {
		return TrustOwn, "own host " + name
	}
	if p := within(ip, w.o.Networks); p.IsValid() && public(ip) {
		return TrustOwn, "own network " + p.String()
	}
	if d := under(name, w.o.TrustHosts); d != "" {
		return TrustTrusted, "trusted host " + name
	}
	if p := within(ip, w.o.TrustNetworks); p.IsValid() {
		return TrustTrusted, "trusted network " + p.String()
	}
	if p := provider(name); p != nil && w.trustsProvider(p) {
		return TrustTrusted, "host of " + p.Name + ", which is trusted"
	}
	if isAddress(name) && ip.IsValid() && w.inProvider(ip) {
		return TrustTrusted, "address of a trusted provider, " + name
	}
	if d := under(name, w.adopted); d != "" {
		return TrustTrusted, "inside, " + d
	}
	if d := under(name, w.learned); d != "" {
		return TrustTrusted, "organisation of the topmost line, " + d
	}
	if name != "" && slices.ContainsFunc(w.exact, func(e string) bool { return strings.EqualFold(e, name) }) {
		return TrustTrusted, "same host, " + name
	}
	return "", ""
}

// under returns the domain of the list that name is or is below, or "".
func under(name string, domains []string) string {
	if name == "" {
		return ""
	}
	for _, d := range domains {
		if d != "" && underFold(name, d) {
			return d
		}
	}
	return ""
}

// underFold is underDomain for a domain in any case.
func underFold(name, domain string) bool {
	n, d := len(name), len(domain)
	return n >= d && strings.EqualFold(name[n-d:], domain) && (n == d || name[n-d-1] == '.')
}

// within returns the network of the list that holds ip.
func within(ip netip.Addr, nets []netip.Prefix) netip.Prefix {
	if ip.IsValid() {
		for _, p := range nets {
			if p.Contains(ip) {
				return p
			}
		}
	}
	return netip.Prefix{}
}

// trustsProvider tells whether one of the trusted names is the provider's.
func (w *walk) trustsProvider(p *Provider) bool {
	return slices.ContainsFunc(w.o.Hosts, p.has) || slices.ContainsFunc(w.o.TrustHosts, p.has) || slices.ContainsFunc(w.learned, p.has)
}

// A step is what one trusted line says about its peer.
type step int

const (
	stepOutside  step = iota // the peer is a stranger
	stepHidden               // the peer was not recorded
	stepLocal                // there is no peer: the mail was on this host
	stepInside               // the peer is on this host or has a private address
	stepOurs                 // the peer is in our networks
	stepNamed                // the peer is trusted by its verified name
	stepProvider             // the peer is in the networks of a trusted provider
	stepNet                  // the peer is in a network that vouches for its lines
	stepAuth                 // the peer had logged in
	stepFetch                // the mail came from a mailbox
)

// judge looks at the peer of a trusted line.
func (w *walk) judge(h *Hop) (step, string) {
	switch {
	case h.Skip == SkipFetch:
		return stepFetch, "fetched from a mailbox"
	case h.Skip != SkipNone:
		return stepLocal, "no network hop (" + string(h.Skip) + ")"
	case !h.IP.IsValid():
		return w.nameless(h)
	case h.IP.IsLoopback() || h.IP.IsUnspecified():
		return stepInside, "loopback"
	}
	if p := provider(h.By); p != nil && p.edge(h) && public(h.IP) && !w.named(h) {
		return stepOutside, "recorded at the edge of " + p.Name + " by " + h.By
	}
	if w.hiddenEdge(h) {
		return stepOutside, "recorded at the edge by " + h.By
	}
	if p := within(h.IP, w.o.TrustNetworks); p.IsValid() {
		return stepNet, "peer in the trusted network " + p.String()
	}
	if p := within(h.IP, w.o.Networks); p.IsValid() {
		return stepOurs, "peer in our network " + p.String()
	}
	if rule := w.knownByName(h); rule != "" {
		return stepNamed, "peer's verified name " + h.RDNS + " (" + rule + ")"
	}
	if !public(h.IP) {
		return stepInside, "private address"
	}
	if w.inProvider(h.IP) {
		return stepProvider, "peer in the networks of a trusted provider"
	}
	if h.authenticated {
		return stepAuth, "authenticated at " + h.By
	}
	return stepOutside, "first outside peer, recorded by " + w.recorder(h)
}

// knownByName returns the rule by which a peer is trusted for its verified name,
// "" if none does. A domain vouches for its mail hosts, not for the machines of
// customers, unless the configuration names the very machine.
func (w *walk) knownByName(h *Hop) string {
	name := h.VerifiedRDNS()
	if name == "" || equalFold(name, "localhost") || equalFold(name, "localhost.localdomain") { // judge knows loopback by its address
		return ""
	}
	t, rule := w.host(name, netip.Addr{})
	if t == "" {
		return w.shortName(h, name)
	}
	if numberedAfter(name, h.IP) && !w.listed(name) {
		return ""
	}
	return rule
}

// shortName returns the rule for a peer whose name has no domain: such names are
// in the writer's own table of hosts and not in the DNS, so that its first label
// stands for the whole name that the peer gave, if that is a trusted host's.
func (w *walk) shortName(h *Hop, name string) string {
	if strings.IndexByte(name, '.') > 0 || strings.IndexByte(h.HELO, '.') < 0 || !strings.EqualFold(name, firstLabel(h.HELO)) {
		return ""
	}
	if numberedAfter(h.HELO, h.IP) && !w.listed(h.HELO) { // a customer's machine
		return ""
	}
	_, rule := w.host(h.HELO, netip.Addr{})
	return rule
}

// listed tells whether the configuration has the name itself.
func (w *walk) listed(name string) bool {
	is := func(s string) bool { return strings.EqualFold(s, name) }
	return slices.ContainsFunc(w.o.Hosts, is) || slices.ContainsFunc(w.o.TrustHosts, is)
}

// named tells whether the configuration names the peer itself, so that an edge
// does not matter.
func (w *walk) named(h *Hop) bool {
	return within(h.IP, w.o.TrustNetworks).IsValid() || within(h.IP, w.o.Networks).IsValid()
}

// hiddenEdge knows Yahoo's hosts, which call themselves by private addresses.
func (w *walk) hiddenEdge(h *Hop) bool {
	if !h.ByIP.IsPrivate() || !public(h.IP) {
		return false
	}
	for i := range Providers {
		p := &Providers[i]
		if p.HiddenEdge && w.trustsProvider(p) {
			return !w.named(h)
		}
	}
	return false
}

// nameless judges a line that records no address: inside where the name says the
// host itself, else nobody knows who the peer was. A HELO proves nothing.
func (w *walk) nameless(h *Hop) (step, string) {
	if equalFold(h.HELO, "localhost") || equalFold(h.HELO, "localhost.localdomain") || h.HELO != "" && strings.EqualFold(h.HELO, h.By) {
		return stepLocal, "the host itself"
	}
	if h.Dialect == "exim" && !h.elided && h.badIP == "" && strings.IndexByte(h.HELO, '.') < 0 {
		// Exim names the address of every network peer; of a pipe, such as a
		// scanner's, it names the local user and a protocol of its owner's choice.
		return stepLocal, "handed over by the local user " + h.HELO
	}
	if name := h.VerifiedRDNS(); name != "" && h.elided {
		if t, rule := w.host(name, netip.Addr{}); t != "" {
			return stepNamed, "peer's verified name " + name + " (" + rule + ")"
		}
	}
	return stepHidden, "the line of " + w.recorder(h) + " holds no address"
}

func (w *walk) recorder(h *Hop) string {
	if h.By != "" {
		return h.By
	}
	if w.writer != "" {
		return w.writer
	}
	return "the topmost host"
}

// inProvider tells whether the address is in the networks of a trusted provider.
func (w *walk) inProvider(ip netip.Addr) bool {
	for i := range Providers {
		if p := &Providers[i]; p.owns(ip) && w.trustsProvider(p) {
			return true
		}
	}
	return false
}

// deepest ends a walk that met no outside peer: the origin is then the deepest
// recorded peer that is neither loopback nor ours by name.
func (w *walk) deepest(why string) end {
	e := end{status: StatusAllTrusted, boundary: w.at, rule: w.rule, why: why, depth: w.at, fallback: true}
	for i := w.at; i >= 0; i-- {
		h := &w.hops[i]
		if !h.IP.IsValid() || h.IP.IsLoopback() || h.IP.IsUnspecified() || h.IP.IsLinkLocalUnicast() || h.Skip == SkipFetch || h.Skip == SkipStore || w.oursByName(h) {
			continue
		}
		e.status, e.boundary = StatusTraced, i
		e.why = "no outside peer; the deepest one recorded, by " + w.recorder(h)
		if h.authenticated {
			e.why = "logged in at " + w.recorder(h) + "; no line below is trusted"
			e.fallback = i != w.at || !public(h.IP) // else its host recorded who logged in from where
		}
		return e
	}
	return e
}

// oursByName tells whether a peer's verified name, or its place in a trusted
// provider's networks, makes it one of the hosts that only pass mail on.
func (w *walk) oursByName(h *Hop) bool {
	if under(h.VerifiedRDNS(), w.adopted) == "" && w.knownByName(h) != "" {
		return true
	}
	return w.inProvider(h.IP) && !h.authenticated
}
