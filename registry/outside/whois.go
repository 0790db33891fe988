package outside

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Bounds of what is read from whois and RWhois servers.
const (
	maxReferrals = 5
	maxAnswer    = 512 << 10
	maxWhoisLine = 16 << 10
)

// whoisChain asks a whois:// or rwhois:// server and follows its referrals; what a later
// server says counts for more.
func (c *Client) whoisChain(ctx context.Context, addr netip.Addr, server string) (Finding, error) {
	var best Finding
	asked := map[string]bool{}
	for range maxReferrals {
		u, err := url.Parse(server)
		if err != nil || u.Host == "" {
			return best, fmt.Errorf("referral to %q", server)
		}
		address := withPort(u)
		if asked[address] {
			break
		}
		asked[address] = true
		f, next, err := c.whoisOnce(ctx, addr, u.Scheme, address)
		if err != nil {
			if best.Source != "" {
				return best, nil // the server that referred us answers for it well enough
			}
			return best, err
		}
		if f.Prefix.IsValid() && f.Prefix.Contains(addr) || len(f.Abuse) > 0 {
			f.Source = u.Scheme + " " + address
			best = mergeFindings(f, best)
		}
		if next == "" {
			break
		}
		server = next
	}
	if best.Source == "" {
		return best, ErrNothing
	}
	return best, nil
}

// mergeFindings keeps the more specific finding and fills its gaps from the wider one.
func mergeFindings(later, earlier Finding) Finding {
	if !later.Prefix.IsValid() {
		later.Prefix = earlier.Prefix
	}
	if later.Org == "" {
		later.Org = earlier.Org
	}
	if len(later.Abuse) == 0 {
		later.Abuse = earlier.Abuse
	}
	return later
}

func withPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"rwhois": "4321"}[u.Scheme]
	}
	if port == "" {
		port = "43"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

func (c *Client) whoisOnce(ctx context.Context, addr netip.Addr, scheme, address string) (f Finding, next string, err error) {
	if scheme != "whois" && scheme != "rwhois" {
		return f, "", fmt.Errorf("referral by %q", scheme)
	}
	if !c.pace.take(address) {
		return f, "", fmt.Errorf("%s: %w", address, errBusy)
	}
	conn, err := c.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return f, "", err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // without it the read below fails by itself or is bounded
	} else {
		_ = conn.SetDeadline(time.Now().Add(c.deps.Config.Timeout.Std()))
	}
	if _, err := io.WriteString(conn, addr.String()+"\r\n"); err != nil {
		return f, "", fmt.Errorf("asking %s: %w", address, err)
	}
	return parseWhois(io.LimitReader(conn, maxAnswer), addr)
}

// parseWhois reads the usual forms: RPSL ("inetnum:", "abuse-mailbox:"), ARIN's
// ("NetRange:", "OrgAbuseEmail:"), RIPE's comment with the abuse contact, and RWhois
// ("network:IP-Network:", "%referral"). Of several networks the most specific that holds
// the address wins.
func parseWhois(r io.Reader, addr netip.Addr) (f Finding, next string, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxWhoisLine)
	p := whoisParser{addr: addr}
	for s.Scan() {
		p.line(s.Text())
	}
	if err := s.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return f, "", fmt.Errorf("reading the answer: %w", err)
	}
	p.endObject()
	return p.best, p.next, nil
}

type whoisParser struct {
	addr    netip.Addr
	best    Finding
	current Finding
	next    string
}

// endObject takes an object at its empty line.
func (p *whoisParser) endObject() {
	c := p.current
	p.current = Finding{}
	switch {
	case c.Prefix.IsValid() && !c.Prefix.Contains(p.addr):
	case c.Prefix.IsValid() && (!p.best.Prefix.IsValid() || c.Prefix.Bits() > p.best.Prefix.Bits()):
		p.best = mergeFindings(c, p.best)
	default:
		p.best = mergeFindings(p.best, c)
	}
}

func (p *whoisParser) line(text string) {
	text = strings.TrimRight(text, "\r")
	switch {
	case strings.TrimSpace(text) == "":
		p.endObject()
		return
	case strings.HasPrefix(text, "%referral "):
		p.refer(strings.TrimPrefix(text, "%referral "))
		return
	case strings.HasPrefix(text, "% Abuse contact for "):
		if i := strings.LastIndex(text, " is "); i > 0 {
			p.abuse(strings.Trim(text[i+4:], "'\" "))
		}
		return
	case strings.HasPrefix(text, "%"), strings.HasPrefix(text, "#"):
		return
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, "network:"), "contact:")
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return
	}
	name, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(name)), ";")
	p.field(name, strings.TrimSpace(value))
}

func (p *whoisParser) field(name, value string) {
	switch name {
	case "inetnum", "inet6num", "netrange", "cidr", "route", "ip-network", "ip-network-block":
		if prefix := network(value); prefix.IsValid() && (!p.current.Prefix.IsValid() || prefix.Contains(p.addr)) {
			p.current.Prefix = prefix
		}
	case "abuse-mailbox", "orgabuseemail", "rabuseemail", "abuse-contact", "abuse-email", "abuse-c":
		p.abuse(value)
	case "org-name", "orgname", "organization", "owner":
		if p.current.Org == "" {
			p.current.Org = oneLine(value)
		}
	case "netname", "network-name", "descr":
		if p.current.Org == "" && name != "descr" {
			p.current.Org = oneLine(value)
		}
	case "refer", "referralserver", "whois":
		p.refer(value)
	}
}

func (p *whoisParser) abuse(value string) {
	if m, ok := mailAddress(value); ok && len(p.current.Abuse) < 10 {
		p.current.Abuse = append(p.current.Abuse, m)
	}
}

// refer takes a referral: "whois.example.net", "whois://host:43" or
// "rwhois://host:4321/auth-area=10.0.0.0/8". A referral to the root leads nowhere.
func (p *whoisParser) refer(value string) {
	value = strings.TrimSpace(value)
	if strings.HasSuffix(value, "auth-area=.") || value == "" {
		return
	}
	if !strings.Contains(value, "://") {
		value = "whois://" + value
	}
	p.next = value
}

// network reads "192.0.2.0 - 192.0.2.255", "192.0.2.0/24" or several of these, the first
// of which counts.
func network(value string) netip.Prefix {
	first, rest, isRange := strings.Cut(value, " - ")
	if isRange {
		return spanned(strings.TrimSpace(first), strings.TrimSpace(rest))
	}
	value, _, _ = strings.Cut(value, ",")
	prefix, err := netip.ParsePrefix(strings.TrimSpace(value))
	if err != nil {
		return netip.Prefix{}
	}
	return prefix.Masked()
}

// spanned returns the smallest prefix that holds a range of addresses.
func spanned(start, end string) netip.Prefix {
	a, err := netip.ParseAddr(start)
	b, err2 := netip.ParseAddr(end)
	if err != nil || err2 != nil || a.BitLen() != b.BitLen() || b.Less(a) {
		return netip.Prefix{}
	}
	for bits := a.BitLen(); ; bits-- {
		if p := netip.PrefixFrom(a, bits).Masked(); p.Contains(b) || bits == 0 {
			return p
		}
	}
}

// mailAddress takes what is nothing but a mail address.
func mailAddress(s string) (string, bool) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "mailto:")
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 || strings.ContainsAny(s, "\r\n\x00") {
		return "", false
	}
	return s, true
}

func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 }), " ")
	return strings.ToValidUTF8(s[:min(len(s), 200)], "")
}
