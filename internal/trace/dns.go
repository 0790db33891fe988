package trace

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"blitiri.com.ar/go/spf"

	"spoor/internal/message"
)

// A Lookup asks the DNS. *net.Resolver is one.
type Lookup interface {
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// A Resolver adds to a Result what the DNS and the registry say about it. Its
// answers never change the origin.
type Resolver struct {
	// DNS is asked; nil asks nothing.
	DNS Lookup
	// Timeout bounds each question, 3 s where it is zero.
	Timeout time.Duration
	// Holder says whose an address is, "" if nobody's that is known; nil asks nobody.
	Holder func(ctx context.Context, ip netip.Addr) (string, error)
}

// NewLookup returns a Lookup that asks the given server, an address with port,
// or the system's resolver where server is "".
func NewLookup(server string) Lookup {
	if server == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server)
	}}
}

// Check asks about r, whose message has the header h.
func (v *Resolver) Check(ctx context.Context, r *Result, h message.Header) {
	if v.DNS != nil && r.Origin != nil {
		v.checkHELO(ctx, r)
		v.checkReverse(ctx, r)
	}
	from := domainOf(addressIn(h.Get("From")))
	if v.DNS != nil {
		v.checkDomain(ctx, r, "Message-ID", domainOf(strings.Trim(h.Get("Message-ID"), "<> \t")), from)
		v.checkDomain(ctx, r, "From", from, "")
	}
	if r.Origin == nil {
		return
	}
	if v.DNS != nil && from != "" {
		v.checkSender(ctx, r, from, addressIn(h.Get("From")))
	}
	if v.Holder != nil {
		v.checkHolder(ctx, r)
	}
}

// limit bounds one question.
func (v *Resolver) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, v.timeout())
}

// addresses asks for a name's A and AAAA records.
func (v *Resolver) addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	ctx, cancel := v.limit(ctx)
	defer cancel()
	list, err := v.DNS.LookupIPAddr(ctx, name+".")
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range list {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			out = append(out, ip.Unmap())
		}
	}
	return out, nil
}

// absent tells whether the DNS said that there is no such name or record; other
// errors say nothing about it.
func absent(err error) bool {
	var de *net.DNSError
	return errors.As(err, &de) && de.IsNotFound
}

// checkHELO asks whether the HELO name leads to the origin.
func (v *Resolver) checkHELO(ctx context.Context, r *Result) {
	o := r.Origin
	if !askable(o.HELO) {
		return
	}
	list, err := v.addresses(ctx, o.HELO)
	quote := "A/AAAA " + o.HELO + ": " + answer(list, err)
	switch {
	case slices.Contains(list, o.IP):
		r.add(kDNSHELO, o.Hop, quote, "the HELO name %s leads to %s", o.HELO, o.IP)
	case absent(err):
		r.add(kDNSHELO, o.Hop, quote, "the HELO name %s does not exist", o.HELO)
	case err == nil:
		r.add(kDNSHELO, o.Hop, quote, "the HELO name %s leads elsewhere than to %s", o.HELO, o.IP)
	default:
		r.add(kDNSHELO, o.Hop, quote, "whether %s leads to %s could not be found out", o.HELO, o.IP)
	}
}

// checkReverse asks for the origin's name and whether it leads back.
func (v *Resolver) checkReverse(ctx context.Context, r *Result) {
	o := r.Origin
	pctx, cancel := v.limit(ctx)
	names, err := v.DNS.LookupAddr(pctx, o.IP.String())
	cancel()
	quote := "PTR " + o.IP.String() + ": " + strings.Join(names, ", ")
	if len(names) == 0 {
		quote += answer(nil, err)
		if err != nil && !absent(err) {
			r.add(kDNSReverse, o.Hop, quote, "the name of %s could not be found out", o.IP)
			return
		}
		r.add(kDNSReverse, o.Hop, quote, "%s has no name in the DNS", o.IP)
		return
	}
	for _, name := range names[:min(len(names), 4)] {
		name = strings.TrimSuffix(name, ".")
		list, err := v.addresses(ctx, name)
		if slices.Contains(list, o.IP) {
			r.add(kDNSReverse, o.Hop, quote+"; A/AAAA "+name+": "+answer(list, err), "%s is called %s, and that leads back to it", o.IP, name)
			return
		}
		quote += "; A/AAAA " + name + ": " + answer(list, err)
	}
	r.add(kDNSReverse, o.Hop, quote, "%s is called %s, but that does not lead back to it", o.IP, strings.TrimSuffix(names[0], "."))
}

// checkDomain asks whether a domain exists and takes mail; one equal to same is
// not asked for twice.
func (v *Resolver) checkDomain(ctx context.Context, r *Result, field, domain, same string) {
	if !askable(domain) || domain == same {
		return
	}
	mx, mxErr := v.mx(ctx, domain)
	quote := "MX " + domain + ": " + mxAnswer(mx, mxErr)
	if len(mx) > 0 {
		if len(mx) == 1 && mx[0] == "." {
			r.addAs(kDNSDomain, Weak, -1, quote, "%s's domain %s says that it takes no mail (RFC 7505)", field, domain)
			return
		}
		r.addAs(kDNSDomain, Note, -1, quote, "%s's domain %s exists and takes mail", field, domain)
		return
	}
	list, err := v.addresses(ctx, domain)
	quote += "; A/AAAA " + domain + ": " + answer(list, err)
	switch {
	case len(list) > 0:
		r.addAs(kDNSDomain, Note, -1, quote, "%s's domain %s exists and takes mail at its own address", field, domain)
	case absent(mxErr) && absent(err):
		s := Weak
		if field == "From" {
			s = Medium
		}
		r.addAs(kDNSDomain, s, -1, quote, "%s's domain %s has neither MX nor address: it does not exist or takes no mail", field, domain)
	default:
		r.addAs(kDNSDomain, Note, -1, quote, "whether %s's domain %s exists could not be found out", field, domain)
	}
}

func (v *Resolver) mx(ctx context.Context, domain string) ([]string, error) {
	ctx, cancel := v.limit(ctx)
	defer cancel()
	list, err := v.DNS.LookupMX(ctx, domain+".")
	var out []string
	for _, m := range list {
		if len(out) == 10 {
			break
		}
		out = append(out, m.Host)
	}
	if len(out) > 0 {
		return out, nil
	}
	return nil, err
}

// checkSender asks whether the records of From's domain cover the origin.
func (v *Resolver) checkSender(ctx context.Context, r *Result, domain, sender string) {
	o := r.Origin
	if !askable(domain) {
		return
	}
	list, err := v.addresses(ctx, domain)
	if slices.Contains(list, o.IP) {
		r.add(kDNSSender, -1, "A/AAAA "+domain+": "+answer(list, err), "%s is %s itself", o.IP, domain)
		return
	}
	mx, _ := v.mx(ctx, domain)
	for _, m := range mx {
		m = strings.TrimSuffix(m, ".")
		if m == "" {
			continue
		}
		list, err := v.addresses(ctx, m)
		if slices.Contains(list, o.IP) {
			r.add(kDNSSender, -1, "MX "+domain+": "+m+"; A/AAAA: "+answer(list, err), "%s is a mail host of %s", o.IP, domain)
			return
		}
	}
	v.checkSPF(ctx, r, domain, sender)
}

// checkSPF evaluates From's SPF record (RFC 7208) for the origin.
func (v *Resolver) checkSPF(ctx context.Context, r *Result, domain, sender string) {
	o := r.Origin
	ctx, cancel := context.WithTimeout(ctx, 3*max(v.Timeout, time.Second))
	defer cancel()
	res, err := spf.CheckHostWithSender(o.IP.AsSlice(), o.HELO, sender, spf.WithResolver(v.DNS), spf.WithContext(ctx))
	why := string(res)
	if err != nil {
		why += ", " + err.Error()
	}
	quote := "SPF of " + domain + " for " + o.IP.String() + ": " + why
	switch res {
	case spf.Pass:
		r.add(kDNSSender, -1, quote, "the SPF record of %s covers %s", domain, o.IP)
	case spf.Fail:
		r.addAs(kDNSSender, Weak, -1, quote, "the SPF record of %s excludes %s", domain, o.IP)
	default:
		r.add(kDNSSender, -1, quote, "neither A, MX nor SPF of %s cover %s", domain, o.IP)
	}
}

// checkHolder asks whose the origin's address is.
func (v *Resolver) checkHolder(ctx context.Context, r *Result) {
	ctx, cancel := v.limit(ctx)
	defer cancel()
	o := r.Origin
	who, err := v.Holder(ctx, o.IP)
	switch {
	case err != nil:
		r.add(kDNSHolder, o.Hop, o.IP.String()+": "+err.Error(), "whose %s is could not be found out", o.IP)
	case who == "":
		r.add(kDNSHolder, o.Hop, o.IP.String(), "nobody is known to answer for %s", o.IP)
	default:
		r.add(kDNSHolder, o.Hop, o.IP.String()+": "+who, "%s is of %s", o.IP, who)
	}
}

// askable tells whether a name may be asked for: a host's name with a dot.
func askable(name string) bool {
	if !hostName(name) || strings.IndexByte(name, '.') <= 0 || strings.HasSuffix(name, ".") {
		return false
	}
	_, isIP := parseAddr(name)
	return !isIP
}

// answer writes what the DNS said.
func answer(list []netip.Addr, err error) string {
	switch {
	case absent(err):
		return "no such record"
	case err != nil:
		return "no answer"
	}
	out := make([]string, 0, 4)
	for i, a := range list {
		if i == 4 {
			out = append(out, "…")
			break
		}
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func mxAnswer(mx []string, err error) string {
	switch {
	case len(mx) > 0:
		return strings.Join(mx[:min(4, len(mx))], ", ")
	case absent(err):
		return "no such record"
	}
	return "no answer"
}
