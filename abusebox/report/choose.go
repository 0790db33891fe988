package report

import (
	"context"
	"fmt"
	"strings"
)

// weigh is the last step: every address of the text is weighed, the best are
// taken, the others become candidates.
func (d *document) weigh(ctx context.Context) findings {
	w := d.weighing()
	chosen := w.chosen()
	f := findings{format: "text", author: d.innerAuthor}
	for _, c := range chosen {
		r := d.base(c.ip, c.confidence(), c.why())
		r.Step = Fallback
		if c.prefix >= 0 && c.prefix < c.ip.BitLen() {
			if p, err := c.ip.Prefix(c.prefix); err == nil {
				r.IP, r.Prefix = addr{}, p
			}
		}
		w.detail(&r, c)
		d.corroborate(&r)
		f.reports = append(f.reports, r)
	}
	f.candidates = w.others(chosen)
	if len(f.reports) == 0 {
		f.reports = d.resolveSites(ctx, d.namedSites())
	}
	if len(f.reports) == 0 {
		f.format = ""
	}
	for _, r := range f.reports {
		d.opt.explain(fmt.Sprintf("fallback: %s taken, %s", subjectOf(r), r.Why))
	}
	for _, c := range f.candidates {
		d.opt.explain(fmt.Sprintf("fallback: %s left, %s", c.IP, c.WhyNot))
	}
	return f
}

// corroborate adds what an enclosed mail says about an address that the text names.
func (d *document) corroborate(r *Report) {
	for _, h := range append(d.mailHeaders(), d.pasted...) {
		for _, o := range d.traceEnclosed(h) {
			if o.IP == r.IP {
				r.apply(d, Origin{IP: o.IP, Time: o.Time, TimeRaw: o.TimeRaw, ZoneKnown: o.ZoneKnown, Why: r.Why})
				d.addMailEvidence(r, h, o.IP)
			}
		}
	}
}

func subjectOf(r Report) string {
	switch {
	case r.IP.IsValid():
		return r.IP.String()
	case r.Prefix.IsValid():
		return r.Prefix.String()
	}
	return r.Source
}

func (c *weighed) confidence() Confidence {
	if c.forIt.weight >= weightPlain && (c.named || c.logged || c.inSubject) {
		return Medium
	}
	return Low
}

func (c *weighed) why() string {
	r := c.forIt
	switch {
	case c.inSubject:
		return "address in the subject"
	case r.label:
		return fmt.Sprintf("labelled %q", r.word)
	case r.log:
		return fmt.Sprintf("source in a log line (%s)", r.word)
	case r.acts:
		return fmt.Sprintf("the text says that it %q", r.word)
	case r.is == source || r.is == from:
		return fmt.Sprintf("stands with %q", r.word)
	case r.word == "URL":
		return "host of a reported URL"
	}
	return "the likeliest address of the text"
}

// others makes candidates of what was not taken.
func (w *weighing) others(chosen []*weighed) []Candidate {
	taken := map[addr]bool{}
	for _, c := range chosen {
		taken[c.ip] = true
	}
	var out []Candidate
	for _, c := range w.list {
		if taken[c.ip] || len(out) >= maxCandidates {
			continue
		}
		out = append(out, Candidate{IP: c.ip, Score: c.forIt.weight, WhyNot: w.whyNot(c)})
	}
	return out
}

// maxCandidates bounds what one mail lists beside its reports.
const maxCandidates = 200

func (w *weighing) whyNot(c *weighed) string {
	switch {
	case !usable(c.ip):
		return "cannot be a source"
	case c.against.weight > 0 && c.against.weight >= c.forIt.weight && c.against.is == target:
		return fmt.Sprintf("a destination (%s)", c.against.word)
	case c.against.weight > 0 && c.against.weight >= c.forIt.weight:
		return fmt.Sprintf("only a reference (%s)", c.against.word)
	case !public(c.ip):
		return "not a public address"
	case resolvers[c.ip.String()]:
		return "a public resolver"
	case c.forIt.weight <= weightMention:
		return "only mentioned"
	}
	return "others are stated more clearly"
}

// allCandidates lists every address of a rejected mail.
func (d *document) allCandidates(why string) []Candidate {
	var out []Candidate
	seen := map[addr]bool{}
	for _, l := range d.bodyLines() {
		for _, h := range l.hits {
			if !seen[h.ip] && len(out) < maxCandidates {
				seen[h.ip] = true
				out = append(out, Candidate{IP: h.ip, WhyNot: why})
			}
		}
	}
	return out
}

// resolvers are public name servers that texts mention.
var resolvers = map[string]bool{"8.8.8.8": true, "8.8.4.4": true, "1.1.1.1": true, "1.0.0.1": true, "9.9.9.9": true, "208.67.222.222": true, "208.67.220.220": true, "4.2.2.2": true, "4.2.2.1": true}

// eligible tells whether an address may be taken at all.
func (w *weighing) eligible(c *weighed) bool {
	if !usable(c.ip) || c.forN == 0 && !c.inSubject {
		return false
	}
	if c.against.weight > 0 {
		switch {
		case c.against.is == reference && c.against.word == "version":
			return false
		case c.against.is == reference && (c.against.word == referenceLine || c.against.word == "whois") && c.forN > 0:
			// whois answers and traces also explain the accused
		case c.named && c.forIt.label && w.offers() && !c.against.label && c.against.word == "to":
			// the reporter connected to what it complains about
		case c.inSubject && c.forIt.weight >= c.against.weight-12 && c.against.weight < weightLabel:
		case c.against.weight > c.forIt.weight:
			return false
		case c.against.weight == c.forIt.weight && (c.againstN > c.forN || c.againstN == c.forN && !c.sourceFirst):
			return false
		}
	}
	if resolvers[c.ip.String()] && c.forIt.weight < weightLog {
		return false
	}
	return true
}

// offers tells complaints about what a host offers, to which the reporter went.
func (w *weighing) offers() bool {
	cat, _ := w.d.kind()
	return cat == "copyright" || cat == "content" || cat == "vulnerability"
}

// chosen returns the accused, in the order of the text.
func (w *weighing) chosen() []*weighed {
	if w.taken == nil {
		w.best, w.taken = w.choose(), map[addr]bool{}
		for _, c := range w.best {
			w.taken[c.ip] = true
		}
	}
	return w.best
}

func (w *weighing) choose() []*weighed {
	if w.d.isBusiness() && !anyOf(w.list, func(c *weighed) bool { return c.logged || c.named && c.forIt.is == source }) {
		return nil
	}
	var all []*weighed
	publics := false
	for _, c := range w.list {
		if w.eligible(c) {
			all = append(all, c)
			publics = publics || public(c.ip) && c.forIt.weight > weightMention
		}
	}
	if publics {
		all = keep(all, func(c *weighed) bool { return public(c.ip) || w.d.opt.isOurs(c.ip) })
	}
	all = w.withoutTransport(all)
	if c2 := w.controllers(all); len(c2) > 0 {
		return c2
	}
	single := keep(all, func(c *weighed) bool { return c.prefix < 0 || c.prefix == c.ip.BitLen() })
	if own := w.inReply(single); len(own) > 0 {
		return own
	}
	best := w.preferOurs(w.clearest(single), single)
	if len(best) > 0 && !w.beyondSubject(best) {
		return w.withNetworks(best, all)
	}
	if best := w.clearest(keep(all, func(c *weighed) bool { return c.named || c.inSubject })); len(best) > 0 {
		return best
	}
	if lone := w.lone(); len(lone) > 0 {
		return lone
	}
	return w.inForeign(single)
}

// controllers takes the servers of a botnet where nobody else is accused.
func (w *weighing) controllers(all []*weighed) []*weighed {
	if anyOf(all, func(c *weighed) bool { return public(c.ip) || w.d.opt.isOurs(c.ip) }) {
		return nil
	}
	return keep(w.list, func(c *weighed) bool { return public(c.ip) && c.against.is == target && isController(c.against.word) })
}

// beyondSubject tells whether the subject accuses a whole network, and the
// addresses, of which the text says little, lie outside.
func (w *weighing) beyondSubject(best []*weighed) bool {
	if anyOf(best, func(c *weighed) bool { return c.named || c.logged || c.inSubject }) {
		return false
	}
	return anyOf(w.list, func(net *weighed) bool {
		if !net.inSubject || net.prefix < 0 || net.prefix >= net.ip.BitLen() {
			return false
		}
		p, err := net.ip.Prefix(net.prefix)
		return err == nil && !anyOf(best, func(c *weighed) bool { return p.Contains(c.ip) })
	})
}

// lone takes the only public address that a complaint names at all, unless the
// text gives it to somebody else.
func (w *weighing) lone() []*weighed {
	if !w.d.soundsLikeComplaint() || w.d.isBusiness() {
		return nil
	}
	var lone *weighed
	for _, c := range w.list {
		switch {
		case !public(c.ip) || resolvers[c.ip.String()]:
			continue
		case lone != nil:
			return nil
		}
		lone = c
	}
	switch {
	case lone == nil || w.d.transport()[lone.ip]:
		return nil
	case isPresumed(lone.against):
	case lone.against.is == target && !isController(lone.against.word), lone.against.is == reference && lone.forN == 0 && !lone.inSubject:
		return nil
	}
	return []*weighed{lone}
}

// isPresumed tells readings that hold only where somebody else is accused: the
// author of what only x shows speaks of the copy.
func isPresumed(r reading) bool {
	return r.word == ownWork || r.label && strings.HasSuffix(r.word, " connected")
}

// isController tells words for a botnet's server: the far side of an infected
// host, but the accused where no other address is named.
func isController(w string) bool {
	switch w {
	case "cc", "c2", "c&c", "cnc":
		return true
	}
	return false
}

// withoutTransport drops the hosts that brought the complaint, unless they are named.
func (w *weighing) withoutTransport(all []*weighed) []*weighed {
	hosts := w.d.transport()
	return keep(all, func(c *weighed) bool {
		return !hosts[c.ip] || c.inSubject || c.forIt.weight >= weightProse
	})
}

func keep(list []*weighed, ok func(*weighed) bool) []*weighed {
	var out []*weighed
	for _, c := range list {
		if ok(c) {
			out = append(out, c)
		}
	}
	return out
}

// clearest takes the group that is stated most clearly.
func (w *weighing) clearest(all []*weighed) []*weighed {
	subject := keep(all, func(c *weighed) bool { return c.inSubject })
	if len(subject) > 1 {
		if sure := keep(subject, func(c *weighed) bool { return c.forN > 0 && (c.named || c.logged || c.forIt.is == source) }); len(sure) > 0 {
			subject = sure
		}
	}
	if len(subject) > 0 {
		return w.withListed(w.withTable(subject, all), all)
	}
	if yours := keep(all, func(c *weighed) bool { return c.named && c.forIt.word == "yours" && c.forIt.is == source }); len(yours) > 0 {
		return yours
	}
	for _, floor := range [...]int{88, 84} { // names that devices also give to themselves come second
		if named := keep(all, func(c *weighed) bool {
			return c.named && c.forIt.is == source && c.forIt.weight >= floor && !c.forIt.acts
		}); len(named) > 0 {
			return w.withSections(named, all)
		}
	}
	logged := keep(all, func(c *weighed) bool { return c.logged })
	if named := keep(all, func(c *weighed) bool { return c.named && c.forIt.weight >= weightPlain-10 }); len(named) > 0 {
		named = w.withoutURLs(withoutServers(named))
		if onlyServers(named) {
			if told := keep(all, func(c *weighed) bool {
				return !c.named && (c.forIt.is == from || c.forIt.is == source) && c.forIt.weight > weightProse
			}); len(told) > 0 {
				return told
			}
		}
		if len(logged) == 0 || anyOf(named, func(c *weighed) bool { return c.logged }) || !onlyServers(named) {
			return named
		}
	}
	if len(logged) > 0 {
		if prose := keep(logged, func(c *weighed) bool { return w.inProse(c) }); len(prose) > 0 && len(prose) < len(logged) {
			return prose
		}
		return logged
	}
	return w.unstated(all)
}

// inProse tells whether the text also speaks of the address outside the logs.
func (w *weighing) inProse(c *weighed) bool {
	for _, i := range c.lines {
		l := &w.lines[i]
		for k := range l.hits {
			if l.hits[k].ip != c.ip {
				continue
			}
			if r := l.read()[k]; !r.log && r.is != neutral && r.weight >= weightProse-6 && len(findStamps(l.text, 1)) == 0 {
				return true
			}
		}
	}
	return false
}

func anyOf(list []*weighed, ok func(*weighed) bool) bool {
	for _, c := range list {
		if ok(c) {
			return true
		}
	}
	return false
}

// unstated takes from what no label and no log names.
func (w *weighing) unstated(all []*weighed) []*weighed {
	top := 0
	for _, c := range all {
		top = max(top, c.forIt.weight)
	}
	switch {
	case w.d.isBusiness():
		return nil
	case w.opposed(all):
		return all
	case top >= weightProse-14 && !anyOf(all, func(c *weighed) bool { return c.forIt.is == source || c.forIt.is == from }) && !w.d.soundsLikeComplaint():
		return nil
	case top >= weightProse-14:
		return withoutServers(w.withoutSites(keep(all, func(c *weighed) bool { return c.forIt.weight >= top-9 && c.forIt.weight >= weightBare })))
	case !w.d.soundsLikeComplaint():
		return nil
	case top >= weightBare:
		return keep(all, func(c *weighed) bool { return c.forIt.weight >= weightBare })
	case len(all) == 1 && top > 0:
		return all
	}
	return nil
}

// namedSites reports URLs where the text names no address but a site to take down.
func (d *document) namedSites() []Report {
	cat, typ := d.kind()
	if cat != "content" && cat != "copyright" {
		return nil
	}
	var out []Report
	seen := map[string]bool{}
	for _, l := range append([]line{newLine(d.subject)}, d.bodyLines()...) {
		for _, u := range findURLs(l.text, 8) {
			host := hostOf(u)
			if seen[host] || !strings.Contains(host, ".") || d.isReferenceSite(host) || len(out) >= 50 {
				continue
			}
			seen[host] = true
			r := d.base(addr{}, Low, "a site that the text complains about, without an address")
			r.Source, r.Category, r.Type, r.Step = u, cat, typ, Fallback
			r.URLs, r.Domains, r.Subject.Site = []string{u}, []string{host}, host
			r.Evidence = []string{l.raw}
			out = append(out, r)
		}
	}
	return out
}

// isReferenceSite tells sites that complaints cite: the reporter's own, ours,
// and those that explain.
func (d *document) isReferenceSite(host string) bool {
	if d.domain != "" && (host == d.domain || strings.HasSuffix(host, "."+d.domain) || sameOrganisation(host, d.domain)) {
		return true
	}
	for _, s := range [...]string{"w3.org", "x-arf.org", "xarf.org", "ietf.org", "wikipedia.org", "spamhaus.org", "abuseipdb.com", "blocklist.de", "acns.net", "rfc-editor.org", "microsoft.com", "google.com", "virustotal.com", "cert.org", "pgp.mit.edu", "gnupg.org", "shadowserver.org", "spamcop.net"} {
		if host == s || strings.HasSuffix(host, "."+s) {
			return true
		}
	}
	return false
}
