package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// A MXResolver answers the two questions of direct delivery; *net.Resolver does.
type MXResolver interface {
	LookupMX(ctx context.Context, domain string) ([]*net.MX, error)
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// A Direct delivers straight to the mail servers of each receiver (RFC 5321 §5.1).
type Direct struct {
	resolver MXResolver
	startTLS string
	timeout  time.Duration
	helo     string
	port     string
}

// NewDirect returns a Transport that asks the DNS. port is 25 everywhere but in tests.
func NewDirect(c Config, helo, port string, resolver MXResolver) *Direct {
	return &Direct{resolver: resolver, startTLS: c.StartTLS, timeout: c.Timeout.Std(), helo: helo, port: port}
}

// maxServers bounds how many servers one attempt tries.
const maxServers = 6

// Deliver sends one mail. Its receivers must share a domain; a contact with several domains is tried by its first.
func (d *Direct) Deliver(ctx context.Context, n Notice) error {
	domain := n.To[0][strings.LastIndexByte(n.To[0], '@')+1:]
	same := slices.DeleteFunc(slices.Clone(n.To), func(a string) bool { return !strings.HasSuffix(a, "@"+domain) })
	n.To = same
	servers, err := d.servers(ctx, domain)
	if err != nil {
		return err
	}
	var last error
	for _, host := range servers {
		last = d.try(ctx, host, n)
		var refused *DeliveryError
		if last == nil || errors.As(last, &refused) && refused.Permanent() {
			return last
		}
	}
	return last
}

func (d *Direct) try(ctx context.Context, host string, n Notice) error {
	r := route{address: net.JoinHostPort(host, d.port), name: host, startTLS: d.startTLS, timeout: d.timeout, helo: d.helo}
	s, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer s.quit()
	return s.send(ctx, n)
}

// servers lists the hosts of a domain, best first: its MX, or else its own address. A null MX (RFC 7505) is final.
func (d *Direct) servers(ctx context.Context, domain string) ([]string, error) {
	records, err := d.resolver.LookupMX(ctx, domain)
	var dns *net.DNSError
	if err != nil && (!errors.As(err, &dns) || !dns.IsNotFound) {
		return nil, fmt.Errorf("mx of %s: %w", domain, err)
	}
	if len(records) == 1 && strings.Trim(records[0].Host, ".") == "" {
		return nil, &DeliveryError{Server: domain, Code: 556, Text: "the domain takes no mail (null MX)", Recipient: true}
	}
	if len(records) == 0 {
		if _, err := d.resolver.LookupHost(ctx, domain); err != nil {
			if errors.As(err, &dns) && dns.IsNotFound {
				return nil, &DeliveryError{Server: domain, Code: 550, Text: "the domain does not exist or takes no mail", Recipient: true}
			}
			return nil, fmt.Errorf("mx of %s: %w", domain, err)
		}
		return []string{domain}, nil
	}
	slices.SortStableFunc(records, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	hosts := make([]string, 0, maxServers)
	for _, r := range records[:min(len(records), maxServers)] {
		hosts = append(hosts, strings.TrimSuffix(r.Host, "."))
	}
	return hosts, nil
}
