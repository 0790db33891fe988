package report

import (
	"context"
	"net"
)

// An spfResolver gives a Resolver the shape that the SPF library asks for.
type spfResolver struct{ r Resolver }

func (s spfResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return s.r.LookupTXT(ctx, name)
}

func (s spfResolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	hosts, err := s.r.LookupMX(ctx, name)
	var out []*net.MX
	for _, h := range hosts {
		out = append(out, &net.MX{Host: h})
	}
	return out, err
}

func (s spfResolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	ips, err := s.r.LookupAddr(ctx, host)
	var out []net.IPAddr
	for _, ip := range ips {
		out = append(out, net.IPAddr{IP: ip.AsSlice()})
	}
	return out, err
}

// LookupAddr answers reverse questions, which SPF discourages (RFC 7208 §5.5).
func (s spfResolver) LookupAddr(context.Context, string) ([]string, error) { return nil, nil }
