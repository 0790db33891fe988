package main

import (
	"net"
	"net/netip"
	"time"

	"spoor/internal/trace"
)

// dnsCacheSize and dnsCacheTime bound what a batch remembers of the DNS.
const (
	dnsCacheSize = 10000
	dnsCacheTime = 10 * time.Minute
)

// prepareDNS readies the questions that --dns asks.
func (t *traceCmd) prepareDNS() error {
	if !t.dns {
		return nil
	}
	timeout, err := time.ParseDuration(t.dnsTimeout)
	if err != nil || timeout <= 0 {
		return usageError("--dns-timeout %q is no time\nhint: write a number with a unit, such as 3s", t.dnsTimeout)
	}
	server, err := dnsServer(t.dnsServer)
	if err != nil {
		return err
	}
	t.resolver = &trace.Resolver{
		DNS:     trace.NewCache(trace.NewLookup(server), dnsCacheSize, dnsCacheTime, nil),
		Timeout: timeout,
		Holder:  t.holder(),
	}
	return nil
}

// dnsServer reads an address with or without a port.
func dnsServer(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return net.JoinHostPort(a.String(), "53"), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return "", usageError("--dns-server %q is no address\nhint: write an address such as 192.0.2.53, or with a port 192.0.2.53:5353", s)
	}
	return ap.String(), nil
}
