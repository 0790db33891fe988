package trace

import (
	"net/netip"
	"strings"

	"spoor/internal/message"
)

// MaxHops bounds the Received lines of one message that are read; 100 is where
// servers call a loop (RFC 5321 §6.3), mailing lists and retries go beyond.
const MaxHops = 200

// A Tracer traces messages under one set of options. It is safe for use by
// several goroutines.
type Tracer struct {
	o Options
}

// NewTracer returns a Tracer. Names of hosts are taken without surrounding dots.
func NewTracer(o Options) *Tracer {
	o.Hosts, o.TrustHosts = cleanHosts(o.Hosts), cleanHosts(o.TrustHosts)
	return &Tracer{o: o}
}

func cleanHosts(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if s = strings.Trim(strings.TrimSpace(s), "."); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Trace reads one message's header. It never fails.
func (t *Tracer) Trace(h message.Header) Result {
	return t.TraceConnection(h, t.o.Connection)
}

// TraceConnection is Trace with the connection that the message came in by as
// hop 0; conn may be nil.
func (t *Tracer) TraceConnection(h message.Header, conn *Connection) Result {
	var r Result
	r.read(h, conn)
	w := walk{o: &t.o, hops: r.Hops, conn: conn != nil}
	e := w.run()
	r.conclude(&w, e)
	r.times()
	c := gather(&t.o, h, &w, &r)
	r.roles(c)
	r.sources(c)
	r.claims(c)
	r.zonesFit(c)
	r.findings(c)
	r.clues(c)
	r.fill()
	return r
}

// TraceMessage is Trace for a whole message, whose body may hold clues.
func (t *Tracer) TraceMessage(m *message.Message) Result {
	r := t.Trace(m.Header)
	r.bodyClues(m)
	return r
}

// read fills the hops. The bytes of all lines are copied at once, because a
// Result outlives the mail.
func (r *Result) read(h message.Header, conn *Connection) {
	n, size := 0, 0
	for i := range h.Fields {
		if equalFold(h.Fields[i].Name, "received") && n < MaxHops {
			n++
			size += len(h.Fields[i].Raw)
		}
	}
	r.Hops = make([]Hop, 0, n+1)
	if conn != nil {
		r.Hops = append(r.Hops, conn.hop())
	}
	var raws strings.Builder
	raws.Grow(size)
	for i := range h.Fields {
		if f := &h.Fields[i]; equalFold(f.Name, "received") && len(r.Hops) < MaxHops {
			raws.Write(f.Raw)
			r.Hops = append(r.Hops, Hop{Index: len(raws.String())})
		}
	}
	var reader lineReader
	all, from := raws.String(), 0
	for i := range r.Hops {
		hop := &r.Hops[i]
		if hop.Dialect != "connection" {
			to := hop.Index
			reader.read(hop, all[from:to])
			from = to
		}
		hop.Index = i
	}
}

// hop makes a Connection the newest hop.
func (c *Connection) hop() Hop {
	h := Hop{
		Dialect: "connection", IP: c.IP.Unmap(), Port: c.Port, HELO: c.HELO, RDNS: strings.TrimSuffix(c.RDNS, "."), RDNSState: RDNSNone,
		By: c.By, With: c.With, TLS: c.TLS, Auth: c.Auth, ID: c.ID, EnvelopeFrom: c.EnvelopeFrom,
		Time:          Stamp{Time: c.Time.UTC()},
		authenticated: c.Authenticated || c.Auth != "",
	}
	if c.Time.IsZero() {
		h.Time = Stamp{}
	}
	h.Date = Date{Time: c.Time.UTC(), HasZone: !c.Time.IsZero(), weekday: -1}
	if h.RDNS != "" {
		h.RDNSState = RDNSRecorded
	}
	h.literal, _ = parseAddr(strings.Trim(c.HELO, "[]"))
	return h
}

// conclude turns the end of the walk into status, origin and boundary.
func (r *Result) conclude(w *walk, e end) {
	r.Status = e.status
	for i := range r.Hops {
		if i > e.depth {
			r.Hops[i].Trust = TrustClaimed
		}
	}
	if e.boundary < 0 {
		return
	}
	r.Boundary = &Boundary{Hop: e.boundary, Rule: e.rule}
	b := &r.Hops[e.boundary]
	if e.status == StatusTraced {
		w.alternatives(e)
	}
	r.Alternatives = w.alts
	if e.status == StatusAllTrusted {
		return
	}
	b.Trust = TrustBoundary
	if e.status != StatusTraced {
		return
	}
	r.Origin = &Origin{
		IP: b.IP, Port: b.Port, Hop: e.boundary, HELO: b.HELO, RDNS: b.RDNS, RDNSState: b.RDNSState, RecordedBy: b.By, Time: b.Time, Why: e.why,
		Confidence: ConfidenceMedium,
	}
	switch {
	case e.fallback, w.soft, len(w.alts) > 0:
		r.Origin.Confidence = ConfidenceLow
	case !w.complaint: // else even the topmost line is but the complainant's word
		r.Origin.Confidence = ConfidenceHigh
	}
	if r.Origin.Confidence == ConfidenceHigh && b.Dialect == "literal" {
		r.Origin.Confidence = ConfidenceMedium
	}
}

// times computes delays, and the zones that fit times without one.
func (r *Result) times() {
	newest, oldest := -1, -1
	for i := range r.Hops {
		h := &r.Hops[i]
		if !h.Time.Known() {
			continue
		}
		if newest < 0 {
			newest = i
		}
		oldest = i
		for j := i + 1; j < len(r.Hops); j++ {
			if n := &r.Hops[j]; n.Time.Known() {
				d := int64(h.Time.Sub(n.Time.Time).Seconds())
				h.Delay = &d
				break
			} else if n.Time.Local {
				break
			}
		}
	}
	if newest >= 0 && oldest > newest {
		d := int64(r.Hops[newest].Time.Sub(r.Hops[oldest].Time.Time).Seconds())
		r.TotalDelay = &d
	}
}

// fill gives every list of the JSON object its empty form.
func (r *Result) fill() {
	for i := range r.Hops {
		if r.Hops[i].Zones == nil {
			r.Hops[i].Zones = []string{}
		}
	}
	r.Sources = notNil(r.Sources)
	r.Alternatives = notNil(r.Alternatives)
	r.Claims = notNil(r.Claims)
	r.Findings = notNil(r.Findings)
	r.Clues = notNil(r.Clues)
	r.Hops = notNil(r.Hops)
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// A facts is what the later steps look at beside the result.
type facts struct {
	o      *Options
	h      message.Header
	w      *walk
	date   Date // the Date field
	dateOK bool
	from   string // the address in From
	mid    string // Message-ID without angles
	list   string // the domain of the mailing list, "" if none
	sealer string // the domain of a verified ARC chain's newest seal, "" if none
}

func gather(o *Options, h message.Header, w *walk, r *Result) *facts {
	c := &facts{o: o, h: h, w: w}
	if f, ok := h.Field("Date"); ok {
		c.date, c.dateOK = ParseDate(f.Value())
	}
	c.from = addressIn(h.Get("From"))
	c.mid = strings.Trim(h.Get("Message-ID"), "<> \t")
	c.list = listDomain(h)
	c.sealer = r.authSealer(c)
	r.Date, r.Subject = c.date, h.Text("Subject")
	return c
}

// addressIn returns the first address in a field's value, without angles.
func addressIn(v string) string {
	if i := strings.LastIndexByte(v, '<'); i >= 0 {
		if j := strings.IndexByte(v[i:], '>'); j > 0 {
			return strings.TrimSpace(v[i+1 : i+j])
		}
	}
	for w := range strings.FieldsSeq(v) {
		if strings.IndexByte(w, '@') > 0 {
			return strings.Trim(w, `<>,;"()`)
		}
	}
	return ""
}

// listDomain returns the domain that a list's fields name (RFC 2919, RFC 2369).
func listDomain(h message.Header) string {
	if id := h.Get("List-Id"); id != "" {
		if i := strings.LastIndexByte(id, '<'); i >= 0 {
			id = strings.Trim(id[i:], "<> ")
		}
		if i := strings.IndexByte(id, '.'); i >= 0 {
			return strings.ToLower(id[i+1:])
		}
		return strings.ToLower(id)
	}
	for _, name := range []string{"List-Post", "X-Mailing-List", "X-BeenThere", "Mailing-List"} {
		if v := h.Get(name); v != "" {
			v = strings.TrimPrefix(strings.Trim(v, "<> "), "mailto:")
			if d := domainOf(addressOrSelf(v)); d != "" {
				return d
			}
		}
	}
	return ""
}

func addressOrSelf(v string) string {
	for w := range strings.FieldsSeq(v) {
		if strings.IndexByte(w, '@') > 0 {
			return strings.Trim(strings.TrimPrefix(w, "mailto:"), "<>,;")
		}
	}
	return v
}

// ours tells whether the registry knows the address.
func (c *facts) ours(ip netip.Addr) bool {
	return c.o.Ours != nil && ip.IsValid() && c.o.Ours(ip) || within(ip, c.o.Networks).IsValid()
}

// Failed is the Result of a message that could not be read.
func Failed(err error) Result {
	r := Result{Status: StatusNoReceived, Error: err.Error()}
	r.fill()
	return r
}
