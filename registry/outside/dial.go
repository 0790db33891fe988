package outside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"spoor/registry"
)

// dialer connects to servers outside. Servers come from referrals too, and these may not
// lead into our own network: private addresses are connected to only when the
// configuration itself names them.
type dialer struct{ allowed map[string]bool }

func newDialer(c registry.OutsideConfig) dialer {
	d := dialer{allowed: map[string]bool{}}
	for _, server := range []string{c.WhoisServer, c.RWhoisServer, c.DNSServer} {
		if host, _, err := net.SplitHostPort(server); err == nil {
			d.allowed[host] = true
		}
	}
	if u, err := url.Parse(c.RDAPBootstrap); err == nil {
		d.allowed[u.Hostname()] = true
	}
	return d
}

// errInside means that a referral led to an address that is not public.
var errInside = errors.New("a referral leads to an address that is not public")

// DialContext connects to a host and port.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dial := net.Dialer{Control: func(_, to string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(to)
		if err != nil || !Public(ap.Addr().Unmap()) {
			return fmt.Errorf("%w: %s", errInside, to)
		}
		return nil
	}}
	if d.allowed[strings.ToLower(host)] {
		dial.Control = nil
	}
	return dial.DialContext(ctx, network, address)
}
