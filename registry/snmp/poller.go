// Package snmp reads routers' routing tables over SNMP: inetCidrRouteTable (RFC 4292),
// ipCidrRouteTable (RFC 2096), ipRouteTable (RFC 1213) or ipForwardTable (RFC 1354), whole or not at all. It only
// ever reads.
package snmp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/gosnmp/gosnmp"

	"spoor/registry"
)

// A Poller walks routers. It implements registry.Poller.
type Poller struct {
	secrets Secrets
	log     *slog.Logger
	now     func() time.Time
	connect func(*gosnmp.GoSNMP) error // opens the socket
}

// NewPoller returns a Poller; log may be nil.
func NewPoller(secrets Secrets, log *slog.Logger) *Poller {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Poller{secrets, log, time.Now, (*gosnmp.GoSNMP).Connect}
}

// Poll implements registry.Poller: one walk for each context of the router.
func (p *Poller) Poll(ctx context.Context, c registry.RouterConfig) ([]registry.Snapshot, error) {
	c = c.WithDefaults()
	var all []registry.Snapshot
	var errs []error
	for _, vrf := range c.Contexts {
		s, err := p.pollContext(ctx, c, vrf)
		if err != nil {
			errs = append(errs, &registry.PollError{Router: c.Name, VRF: vrf, Err: explain(err)})
			continue
		}
		all = append(all, s)
	}
	return all, errors.Join(errs...)
}

func (p *Poller) pollContext(ctx context.Context, c registry.RouterConfig, vrf string) (registry.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, c.TimeBudget.Std())
	defer cancel()
	g, err := p.dial(ctx, c, vrf)
	if err != nil {
		return registry.Snapshot{}, err
	}
	defer g.Close()
	taken := p.now().UTC()
	t, rows, verified, err := readFirst(ctx, g, c)
	if err != nil {
		return registry.Snapshot{}, err
	}
	names, err := interfaceNames(ctx, g, rows)
	if err != nil {
		return registry.Snapshot{}, err
	}
	s := registry.Snapshot{Router: c.Name, VRF: vrf, Taken: taken, Table: t.name, Verified: verified}
	f := filter{c, names}
	s.Addresses = interfaceAddresses(ctx, g)
	onRouter := map[netip.Addr]bool{}
	for _, a := range s.Addresses {
		onRouter[a] = true
	}
	for _, w := range rows {
		ok, err := t.complete(w)
		if err != nil {
			return registry.Snapshot{}, fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
		if !ok {
			continue // it came or went during the walk
		}
		r := f.route(t, w, vrf)
		if own, is := ownAddress(r); is {
			s.Addresses = append(s.Addresses, own)
		}
		isOwn := r.Prefix.IsSingleIP() && !r.NextHop.IsValid() && onRouter[r.Prefix.Addr()]
		if routable(r) && !isOwn && f.keeps(r) {
			s.Routes = append(s.Routes, r)
		}
	}
	if len(s.Routes) == 0 {
		return s, fmt.Errorf("%w: of %d rows the filters keep none", ErrNoTable, len(rows))
	}
	slices.SortFunc(s.Addresses, netip.Addr.Compare)
	s.Addresses = slices.Compact(s.Addresses)
	return s, nil
}

// readFirst reads the first of the configured tables that the router shows. A table that it shows but does not give
// whole ends the search: another one may hold less. One that is counted and gives no row at all (FRR's ipCidrRouteTable)
// may be stood in for by a later one that its own count verifies and that has no fewer rows.
func readFirst(ctx context.Context, a agent, c registry.RouterConfig) (table, []*row, string, error) {
	var hollow error
	counted := 0
	for _, name := range c.Tables {
		t := tables()[name]
		r := reader{table: t, bounds: bounds{c.MaxRows, c.Repetitions, c.Pause.Std()}}
		rows, verified, err := r.read(ctx, a, c.IgnoreCount)
		if empty := new(emptyError); errors.As(err, &empty) && hollow == nil {
			hollow, counted = fmt.Errorf("%s: %w", name, err), empty.counted
			continue
		}
		switch {
		case hollow != nil && (err != nil || verified != registry.VerifiedByCount || len(rows) < counted): // proves nothing
		case err != nil:
			return t, nil, "", fmt.Errorf("%s: %w", name, err)
		case len(rows) > 0:
			return t, rows, verified, nil
		}
	}
	if hollow != nil {
		return table{}, nil, "", hollow
	}
	return table{}, nil, "", fmt.Errorf("%w: tried %v; check its SNMP views and the context", ErrNoTable, c.Tables)
}

// filter makes routes of rows and keeps those that the configuration wants.
type filter struct {
	c     registry.RouterConfig
	names map[int]string
}

func (f filter) route(t table, w *row, vrf string) registry.Route {
	r := registry.Route{Prefix: w.prefix, NextHop: w.nextHop, Router: f.c.Name, VRF: vrf, Protocol: protocolOf(w), Type: t.typeOf(w)}
	if w.ifIndex > 0 {
		r.Interface = "#" + strconv.Itoa(w.ifIndex)
		if name := f.names[w.ifIndex]; name != "" {
			r.Interface = name
		}
	}
	return r
}

func (f filter) keeps(r registry.Route) bool {
	c := f.c
	switch {
	case len(c.Protocols) > 0 && !hasFold(c.Protocols, r.Protocol), hasFold(c.NotProtocols, r.Protocol):
		return false
	case len(c.Types) > 0 && !hasFold(c.Types, string(r.Type)):
		return false
	case len(c.Interfaces) > 0 && !hasFold(c.Interfaces, r.Interface), hasFold(c.NotInterfaces, r.Interface):
		return false
	}
	return true
}

// ownAddress recognises the host routes that a router has for its own addresses.
func ownAddress(r registry.Route) (netip.Addr, bool) {
	a := r.Prefix.Addr()
	own := r.Prefix.IsSingleIP() && !a.IsLoopback() && !a.IsMulticast() && !a.IsUnspecified() &&
		(r.NextHop.IsLoopback() || r.Type == registry.TypeLocal && r.NextHop == a)
	return a, own
}

// routable leaves out what no holder stands behind: rows that are no routes, loopback,
// link-local and multicast prefixes, and the router's own addresses.
func routable(r registry.Route) bool {
	a := r.Prefix.Addr()
	_, own := ownAddress(r)
	switch {
	case r.Type == typeInvalid, own:
		return false
	case r.Prefix.Bits() == 0:
		return true
	case a.IsLoopback(), a.IsMulticast(), a.IsLinkLocalUnicast(), r.NextHop.IsLoopback():
		return false
	}
	return a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// Objects for the names of interfaces (RFC 2863) and the addresses on them (RFC 4293, or
// RFC 1213 for those before it).
const (
	ifName       = ".1.3.6.1.2.1.31.1.1.1.1."
	ifDescr      = ".1.3.6.1.2.1.2.2.1.2."
	ipAddrIndex  = "1.3.6.1.2.1.4.34.1.3"
	ipAdEntAddr  = "1.3.6.1.2.1.4.20.1.1"
	maxIfNames   = 20_000
	namesAtOnce  = 30
	maxAddresses = 20_000
)

// interfaceNames asks for the names of the interfaces that rows use. An interface
// without a name is left out.
func interfaceNames(ctx context.Context, a agent, rows []*row) (map[int]string, error) {
	var indexes []int
	for _, w := range rows {
		if w.ifIndex > 0 {
			indexes = append(indexes, w.ifIndex)
		}
	}
	slices.Sort(indexes)
	indexes = slices.Compact(indexes)
	names := map[int]string{}
	for part := range slices.Chunk(indexes[:min(len(indexes), maxIfNames)], namesAtOnce) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("asking for the names of interfaces: %w", err)
		}
		for _, object := range []string{ifName, ifDescr} {
			if err := askNames(a, object, part, names); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

func askNames(a agent, object string, indexes []int, names map[int]string) error {
	var oids []string
	for _, i := range indexes {
		if names[i] == "" {
			oids = append(oids, object+strconv.Itoa(i))
		}
	}
	if len(oids) == 0 {
		return nil
	}
	answer, err := a.Get(oids)
	if err != nil {
		return fmt.Errorf("asking for the names of interfaces: %w", err)
	}
	for _, v := range answer.Variables {
		text, isText := v.Value.([]byte)
		if len(v.Name) < len(object) || v.Name[:len(object)] != object || !isText || answer.Error != gosnmp.NoError {
			continue
		}
		if i, err := strconv.Atoi(v.Name[len(object):]); err == nil && len(text) <= 255 {
			names[i] = printable(text)
		}
	}
	return nil
}

// printable keeps what may stand in a line of text.
func printable(text []byte) string {
	out := make([]byte, 0, len(text))
	for _, b := range text {
		if b > ' ' && b < 0x7f {
			out = append(out, b)
		} else if b == ' ' {
			out = append(out, '_')
		}
	}
	return string(out)
}

// interfaceAddresses asks for the router's own addresses; many routers do not tell.
func interfaceAddresses(ctx context.Context, a agent) []netip.Addr {
	if all := addressColumn(ctx, a, ipAddrIndex, inetOnly); len(all) > 0 {
		return all
	}
	return addressColumn(ctx, a, ipAdEntAddr, ipv4)
}

func inetOnly(index oid) (netip.Addr, error) {
	a, _, err := inetAddress(index)
	return a, err
}

func addressColumn(ctx context.Context, a agent, object string, read func(oid) (netip.Addr, error)) []netip.Addr {
	var all []netip.Addr
	root := mustOID(object)
	w := walker{agent: a, bounds: bounds{maxAddresses, 40, 0}, columns: []*column{{root: root, last: root, each: func(index oid, _ gosnmp.SnmpPDU) error {
		addr, err := read(index)
		if err == nil && addr.IsValid() && !addr.IsLoopback() && !addr.IsUnspecified() && !addr.IsLinkLocalUnicast() {
			all = append(all, addr)
		}
		return err
	}}}}
	if err := w.walk(ctx); err != nil {
		return nil
	}
	return all
}
