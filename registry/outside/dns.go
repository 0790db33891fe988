package outside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// dns asks a zone that answers reversed addresses with mail addresses as TXT, as the
// public databases of abuse contacts do. It says nothing of the prefix, so the answer is
// kept for the address alone.
func (c *Client) dns(ctx context.Context, addr netip.Addr) (Finding, error) {
	zone := strings.Trim(c.deps.Config.DNSZone, ".")
	if !c.pace.take("dns " + zone) {
		return Finding{}, fmt.Errorf("%s: %w", zone, errBusy)
	}
	r := &net.Resolver{}
	if server := c.deps.Config.DNSServer; server != "" {
		r.PreferGo = true
		r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return c.dialer.DialContext(ctx, network, server)
		}
	}
	texts, err := r.LookupTXT(ctx, reversed(addr)+"."+zone+".")
	if noHost, ok := errors.AsType[*net.DNSError](err); ok && noHost.IsNotFound {
		return Finding{}, ErrNothing
	}
	if err != nil {
		return Finding{}, err
	}
	f := Finding{Prefix: netip.PrefixFrom(addr, addr.BitLen()), Source: "dns " + zone}
	for _, text := range texts {
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
			if m, ok := mailAddress(part); ok && len(f.Abuse) < 10 {
				f.Abuse = append(f.Abuse, m)
			}
		}
	}
	if len(f.Abuse) == 0 {
		return Finding{}, ErrNothing
	}
	return f, nil
}

// reversed writes an address as reverse zones do, without their suffix.
func reversed(a netip.Addr) string {
	raw := a.AsSlice()
	var labels []string
	for i := len(raw) - 1; i >= 0; i-- {
		if a.Is4() {
			labels = append(labels, strconv.Itoa(int(raw[i])))
		} else {
			labels = append(labels, strconv.FormatUint(uint64(raw[i]&15), 16), strconv.FormatUint(uint64(raw[i]>>4), 16))
		}
	}
	return strings.Join(labels, ".")
}
