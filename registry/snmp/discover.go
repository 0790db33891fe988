package snmp

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"spoor/registry"
)

const sysName = ".1.3.6.1.2.1.1.5.0"

// probeTimeout and maxProbes bound what asking next hops that are no routers costs.
const (
	probeTimeout = registry.Duration(2 * time.Second)
	maxProbes    = 8
)

// Discover draws the topology: it reads the configured routers' tables, asks the next
// hops in the allowed networks with the credentials of the router that led there, and
// goes on from those that answer, level by level. With no allowed networks it asks the
// configured routers only.
func (p *Poller) Discover(ctx context.Context, seeds []registry.RouterConfig, d registry.DiscoverConfig) (registry.Topology, error) {
	x := &explorer{poller: p, limits: d, byAddr: map[netip.Addr]string{}, nodes: map[string]*registry.Node{}, links: map[linkKey]*registry.Link{}}
	var level []visit
	for _, c := range seeds {
		c = c.WithDefaults()
		level = append(level, visit{config: c, id: c.Name})
	}
	for depth := 0; len(level) > 0; depth++ {
		if err := ctx.Err(); err != nil {
			return registry.Topology{}, fmt.Errorf("discovering routers: %w", err)
		}
		x.readAll(ctx, level, depth)
		level = x.next(depth)
	}
	return x.topology(), nil
}

// visit is one router, or next hop that may be one, to be asked.
type visit struct {
	config registry.RouterConfig
	id     string
}

type linkKey struct {
	from  string
	hop   netip.Addr
	iface string
}

// explorer gathers what was found so far.
type explorer struct {
	poller *Poller
	limits registry.DiscoverConfig
	mu     sync.Mutex
	byAddr map[netip.Addr]string // address → node
	nodes  map[string]*registry.Node
	links  map[linkKey]*registry.Link
	asked  int
	found  []discovered // of the level under way
}

type discovered struct {
	visit
	routes []registry.Route
}

func (x *explorer) readAll(ctx context.Context, level []visit, depth int) {
	x.found = nil
	var wait sync.WaitGroup
	slots := make(chan struct{}, maxProbes)
	for _, v := range level {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			x.read(ctx, v, depth)
		})
	}
	wait.Wait()
	slices.SortFunc(x.found, func(a, b discovered) int { return cmp.Compare(a.id, b.id) })
}

// read asks one router. A next hop that does not even tell its name is no router of ours.
func (x *explorer) read(ctx context.Context, v visit, depth int) {
	node := &registry.Node{ID: v.id, Kind: registry.NodeSilent, Depth: depth}
	name, err := x.poller.name(ctx, v.config)
	var snap registry.Snapshot
	if err == nil {
		node.Name = name
		snap, err = x.poller.pollContext(ctx, v.config, v.config.Contexts[0])
	}
	if err == nil {
		node.Kind, node.Routes, node.Addresses = registry.NodeRouter, len(snap.Routes), snap.Addresses
	} else {
		node.Problem = explain(err).Error()
	}
	if a, err := netip.ParseAddr(v.config.Address); err == nil && !slices.Contains(node.Addresses, a) {
		node.Addresses = append(node.Addresses, a)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked++
	if known, same := x.sameRouter(node); same {
		for _, a := range node.Addresses {
			x.byAddr[a] = known
		}
		return // reached before by another of its addresses
	}
	x.nodes[v.id] = node
	for _, a := range node.Addresses {
		x.byAddr[a] = v.id
	}
	if node.Kind == registry.NodeRouter {
		x.found = append(x.found, discovered{v, snap.Routes})
	}
}

func (x *explorer) sameRouter(n *registry.Node) (id string, same bool) {
	if n.Kind != registry.NodeRouter {
		return "", false
	}
	for _, a := range n.Addresses {
		if id, ok := x.byAddr[a]; ok && id != n.ID && x.nodes[id] != nil && x.nodes[id].Kind == registry.NodeRouter {
			return id, true
		}
	}
	return "", false
}

func (p *Poller) name(ctx context.Context, c registry.RouterConfig) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.TimeBudget.Std())
	defer cancel()
	g, err := p.dial(ctx, c, c.Contexts[0])
	if err != nil {
		return "", err
	}
	defer g.Close()
	answer, err := g.Get([]string{sysName})
	if err != nil {
		return "", fmt.Errorf("asking for its name: %w", err)
	}
	if len(answer.Variables) == 1 {
		if text, ok := answer.Variables[0].Value.([]byte); ok {
			return printable(text), nil
		}
	}
	return "", nil
}

// next adds the links of the routers just read and returns the next hops to ask.
func (x *explorer) next(depth int) []visit {
	var level []visit
	for _, f := range x.found {
		for _, r := range f.routes {
			if !r.NextHop.IsValid() || !r.Leads() {
				continue
			}
			x.link(f.id, r)
			if v, ask := x.visitOf(f.config, r.NextHop, depth); ask {
				x.byAddr[r.NextHop] = v.id
				level = append(level, v)
			}
		}
	}
	return level
}

func (x *explorer) link(from string, r registry.Route) {
	k := linkKey{from, r.NextHop, r.Interface}
	l := x.links[k]
	if l == nil {
		l = &registry.Link{From: from, NextHop: r.NextHop, Interface: r.Interface, Sample: r.Prefix}
		x.links[k] = l
	}
	l.Prefixes++
	l.Default = l.Default || r.Prefix.Bits() == 0
	if l.Sample.Bits() == 0 || r.Prefix.Bits() > 0 && r.Prefix.Bits() < l.Sample.Bits() {
		l.Sample = r.Prefix
	}
}

func (x *explorer) visitOf(from registry.RouterConfig, hop netip.Addr, depth int) (visit, bool) {
	_, known := x.byAddr[hop]
	allowed := slices.ContainsFunc(x.limits.Networks, func(n netip.Prefix) bool { return n.Contains(hop) })
	if known || !allowed || depth >= x.limits.Depth || x.asked >= x.limits.MaxRouters || hop.IsLinkLocalUnicast() {
		return visit{}, false
	}
	x.asked++
	c := from
	c.Address, c.Name = hop.String(), hop.String()
	c.RequestTimeout, c.Retries = min(c.RequestTimeout, probeTimeout), 1
	return visit{config: c, id: hop.String()}, true
}

func (x *explorer) topology() registry.Topology {
	var t registry.Topology
	for _, l := range x.links {
		to, ok := x.byAddr[l.NextHop]
		if !ok {
			to = l.NextHop.String()
		}
		if x.nodes[to] == nil {
			depth := x.nodes[l.From].Depth + 1
			x.nodes[to] = &registry.Node{ID: to, Kind: registry.NodeHop, Depth: depth, Addresses: []netip.Addr{l.NextHop}}
		}
		l.To = to
		t.Links = append(t.Links, *l)
	}
	for _, n := range x.nodes {
		t.Nodes = append(t.Nodes, *n)
	}
	t.Sort()
	return t
}
