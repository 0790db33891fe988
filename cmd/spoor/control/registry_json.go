package control

import (
	"net/netip"
	"time"

	"spoor/registry"
	"spoor/registry/outside"
)

// A Lookup is the answer of `spoor lookup --json`, as docs/json.md documents it.
type Lookup struct {
	IP           string           `json:"ip"`
	Port         uint16           `json:"port"`
	Protocol     string           `json:"protocol"`
	At           time.Time        `json:"at"`
	UncertaintyS float64          `json:"uncertainty_s"`
	Status       string           `json:"status"`
	Ours         bool             `json:"ours"`
	Stale        bool             `json:"stale"`
	Why          string           `json:"why"`
	Holder       *RegistryHolder  `json:"holder"`
	Candidates   []RegistryHolder `json:"candidates"`
	Chain        []RegistryStep   `json:"chain"`
	Outside      *RegistryOutside `json:"outside,omitempty"`
}

// A RegistryHolder is one who answers for an address.
type RegistryHolder struct {
	ID         string          `json:"id"`
	Mails      []string        `json:"mails"`
	Contact    RegistryContact `json:"contact"`
	Prefix     string          `json:"prefix"`
	Rule       string          `json:"rule"`
	Route      *RegistryRoute  `json:"route"`
	Subscriber string          `json:"subscriber"`
	Lease      *RegistryLease  `json:"lease"`
	Certainty  string          `json:"certainty"`
	Why        string          `json:"why"`
}

// A RegistryContact is one record, or several merged.
type RegistryContact struct {
	Key        string             `json:"key"`
	Org        string             `json:"org"`
	Admin      []registry.Mailbox `json:"admin"`
	Tech       []registry.Mailbox `json:"tech"`
	Abuse      []registry.Mailbox `json:"abuse"`
	Address    string             `json:"address"`
	City       string             `json:"city"`
	Country    string             `json:"country"`
	Tel        string             `json:"tel"`
	Language   string             `json:"language"`
	Zone       string             `json:"zone"`
	Digest     *bool              `json:"digest"`
	EveryS     float64            `json:"digest_every_s"`
	XARF       *bool              `json:"xarf"`
	OptOut     []string           `json:"opt_out"`
	Assignment string             `json:"assignment"`
	UpdatedBy  string             `json:"updated_by"`
	Updated    time.Time          `json:"updated,omitzero"`
	Since      time.Time          `json:"since,omitzero"`
	Until      time.Time          `json:"until,omitzero"`
	Source     string             `json:"source"`
}

// A RegistryRoute is one prefix's way out of a router.
type RegistryRoute struct {
	Prefix    string    `json:"prefix"`
	NextHop   string    `json:"next_hop"`
	Netmask   string    `json:"netmask"`
	Segments  uint64    `json:"segments"`
	Router    string    `json:"router"`
	VRF       string    `json:"vrf"`
	Interface string    `json:"interface"`
	Protocol  string    `json:"protocol"`
	Type      string    `json:"type"`
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
}

// A RegistryLease is one line of a lease log.
type RegistryLease struct {
	Prefix   string    `json:"prefix"`
	PortLow  uint16    `json:"port_low"`
	PortHigh uint16    `json:"port_high"`
	Protocol string    `json:"protocol"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to,omitzero"`
	Source   string    `json:"source"`
}

// A RegistryStep is one link in the chain of reasons.
type RegistryStep struct {
	Kind   string `json:"kind"`
	Prefix string `json:"prefix"`
	Text   string `json:"text"`
	Source string `json:"source"`
}

// A RegistryNetwork is one prefix with its contact.
type RegistryNetwork struct {
	Prefix     string           `json:"prefix"`
	Parent     string           `json:"parent"`
	Routes     []RegistryRoute  `json:"routes"`
	Contact    *RegistryContact `json:"contact"`
	Rule       string           `json:"rule"`
	Assignment string           `json:"assignment"`
	Several    bool             `json:"several"`
}

// A RegistryChange is a prefix whose routes differ between two times.
type RegistryChange struct {
	Prefix string          `json:"prefix"`
	Kind   string          `json:"kind"`
	Before []RegistryRoute `json:"before"`
	After  []RegistryRoute `json:"after"`
}

// A RegistryOutside is what the sources outside say of an address that is not ours.
type RegistryOutside struct {
	Prefix string    `json:"prefix"`
	Org    string    `json:"org"`
	Abuse  []string  `json:"abuse"`
	Source string    `json:"source"`
	Asked  time.Time `json:"asked,omitzero"`
	Stale  bool      `json:"stale"`
	Error  string    `json:"error"`
}

// A RegistryTopology is routers and next hops, and what leads where.
type RegistryTopology struct {
	Nodes []RegistryNode `json:"nodes"`
	Links []RegistryLink `json:"links"`
}

// A RegistryNode is a router or next hop.
type RegistryNode struct {
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	Kind      string       `json:"kind"`
	Depth     int          `json:"depth"`
	Addresses []netip.Addr `json:"addresses"`
	Routes    int          `json:"routes"`
	Problem   string       `json:"problem"`
}

// A RegistryLink is the prefixes that a router hands to a next hop.
type RegistryLink struct {
	From      string `json:"from"`
	To        string `json:"to"`
	NextHop   string `json:"next_hop"`
	Interface string `json:"interface"`
	Prefixes  int    `json:"prefixes"`
	Sample    string `json:"sample"`
	Default   bool   `json:"default"`
}

// A RegistrySource is one router and instance.
type RegistrySource struct {
	Router   string    `json:"router"`
	VRF      string    `json:"vrf"`
	LastGood time.Time `json:"last_good,omitzero"`
	Begins   time.Time `json:"begins,omitzero"`
	Stale    bool      `json:"stale"`
	Problem  string    `json:"problem"`
	Routes   int       `json:"routes"`
}

// A RegistryProblem is something to mend.
type RegistryProblem struct {
	Kind   string `json:"kind"`
	Key    string `json:"key"`
	Text   string `json:"text"`
	Write  string `json:"write"`
	Source string `json:"source"`
}

// A RegistryPolled is what one router's round gave.
type RegistryPolled struct {
	Router   string  `json:"router"`
	VRF      string  `json:"vrf"`
	Routes   int     `json:"routes"`
	Table    string  `json:"table"`
	Verified string  `json:"verified"`
	Added    int     `json:"added"`
	Removed  int     `json:"removed"`
	Kept     int     `json:"kept"`
	TookS    float64 `json:"took_s"`
	Error    string  `json:"error"`
}

// LookupOf writes an answer.
func LookupOf(a registry.Answer) Lookup {
	l := Lookup{IP: a.Query.Addr.String(), Port: a.Query.Port, Protocol: a.Query.Proto, At: a.Query.Time,
		UncertaintyS: a.Query.Uncertainty.Seconds(), Status: string(a.Status), Ours: a.Ours, Stale: a.Stale, Why: a.Why,
		Candidates: []RegistryHolder{}, Chain: []RegistryStep{}}
	if a.Holder != nil {
		h := holderOf(*a.Holder)
		l.Holder = &h
	}
	for _, h := range a.Candidates {
		l.Candidates = append(l.Candidates, holderOf(h))
	}
	for _, s := range a.Chain {
		l.Chain = append(l.Chain, RegistryStep{string(s.Kind), prefixText(s.Prefix), s.Text, s.Source})
	}
	return l
}

func holderOf(h registry.Holder) RegistryHolder {
	out := RegistryHolder{ID: h.ID, Mails: list(h.Contact.Mails()), Contact: ContactOf(h.Contact), Prefix: prefixText(h.Prefix),
		Rule: string(h.Rule), Subscriber: h.Subscriber, Certainty: string(h.Certainty), Why: h.Why}
	if h.Route.Prefix.IsValid() {
		r := RouteOf(h.Route)
		out.Route = &r
	}
	if h.Lease != nil {
		out.Lease = &RegistryLease{h.Lease.Prefix.String(), h.Lease.PortLow, h.Lease.PortHigh, h.Lease.Protocol, h.Lease.From, h.Lease.To, h.Lease.Source}
	}
	return out
}

// ContactOf writes a contact.
func ContactOf(c registry.Contact) RegistryContact {
	return RegistryContact{Key: c.Key.String(), Org: c.Org, Admin: list(c.Admin), Tech: list(c.Tech), Abuse: list(c.Abuse),
		Address: c.Address, City: c.City, Country: c.Country, Tel: c.Tel, Language: c.Language, Zone: c.Zone,
		Digest: c.Prefer.Digest, EveryS: c.Prefer.Every.Std().Seconds(), XARF: c.Prefer.XARF, OptOut: list(c.Prefer.OptOut), Assignment: string(c.Assignment),
		UpdatedBy: c.UpdatedBy, Updated: c.Updated, Since: c.Since, Until: c.Until, Source: c.Source}
}

// RouteOf writes a route.
func RouteOf(r registry.Route) RegistryRoute {
	out := RegistryRoute{Prefix: r.Prefix.String(), Netmask: registry.Netmask(r.Prefix), Segments: registry.Segments(r.Prefix),
		Router: r.Router, VRF: r.VRF, Interface: r.Interface, Protocol: r.Protocol, Type: string(r.Type),
		FirstSeen: r.FirstSeen, LastSeen: r.LastSeen, NotBefore: r.NotBefore, NotAfter: r.NotAfter}
	if r.NextHop.IsValid() {
		out.NextHop = r.NextHop.String()
	}
	return out
}

func routesOf(routes []registry.Route) []RegistryRoute {
	out := make([]RegistryRoute, len(routes))
	for i, r := range routes {
		out[i] = RouteOf(r)
	}
	return out
}

// NetworkOf writes a network.
func NetworkOf(n registry.Network) RegistryNetwork {
	out := RegistryNetwork{Prefix: n.Prefix.String(), Parent: prefixText(n.Parent), Routes: routesOf(n.Routes), Rule: string(n.Rule),
		Assignment: string(n.Assignment), Several: n.Several}
	if n.Contact != nil {
		c := ContactOf(*n.Contact)
		out.Contact = &c
	}
	return out
}

// ChangeOf writes a change.
func ChangeOf(c registry.Change) RegistryChange {
	return RegistryChange{c.Prefix.String(), string(c.Kind), routesOf(c.Before), routesOf(c.After)}
}

// SourceOf writes a source.
func SourceOf(s registry.Source) RegistrySource {
	return RegistrySource{s.Router, s.VRF, s.LastGood, s.Begins, s.Stale, s.Problem, s.Routes}
}

// ProblemOf writes a problem.
func ProblemOf(p registry.Problem) RegistryProblem {
	return RegistryProblem{string(p.Kind), p.Key, p.Text, p.Write, p.Source}
}

// OutsideOf writes what a source outside said.
func OutsideOf(f outside.Finding) RegistryOutside {
	return RegistryOutside{Prefix: prefixText(f.Prefix), Org: f.Org, Abuse: list(f.Abuse), Source: f.Source, Asked: f.Asked, Stale: f.Stale}
}

// TopologyOf writes a topology.
func TopologyOf(t registry.Topology) RegistryTopology {
	out := RegistryTopology{Nodes: []RegistryNode{}, Links: []RegistryLink{}}
	for _, n := range t.Nodes {
		out.Nodes = append(out.Nodes, RegistryNode{n.ID, n.Name, string(n.Kind), n.Depth, list(n.Addresses), n.Routes, n.Problem})
	}
	for _, l := range t.Links {
		out.Links = append(out.Links, RegistryLink{l.From, l.To, l.NextHop.String(), l.Interface, l.Prefixes, prefixText(l.Sample), l.Default})
	}
	return out
}

// PolledOf writes the result of a poll.
func PolledOf(p registry.Polled) RegistryPolled {
	out := RegistryPolled{Router: p.Router, VRF: p.VRF, Routes: p.Routes, Table: p.Table, Verified: p.Verified,
		Added: p.Changed.Added, Removed: p.Changed.Removed, Kept: p.Changed.Kept, TookS: p.Took.Seconds()}
	if p.Err != nil {
		out.Error = p.Err.Error()
	}
	return out
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// list writes an absent list as an empty one.
func list[T any](values []T) []T {
	if values == nil {
		return []T{}
	}
	return values
}
