package main

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/cmd/spoor/control"
	"spoor/registry"
)

// openRegistry opens the registry. It is there for every other room; it polls only what the section names.
func (d *daemon) openRegistry(ctx context.Context, only services) error {
	cfg := d.cfg
	if d.main != nil { // its files are read, but its store is the daemon's
		cfg.Store.Dir = filepath.Join(cfg.Store.Dir, "none")
	}
	room, err := openRegistry(ctx, cfg, d.log, d.metrics, d.main == nil)
	if room == nil {
		return err
	}
	if err != nil { // a mistake in a file spoils that file, not the night's service: what can be read is served
		d.log.Error("registry: some files have mistakes and are left out", "err", err)
	}
	d.registry = room
	d.onClose(room.Close)
	control.Registry(d.mux, room, room)
	if d.cfg.Has("registry") && only.has("registry") {
		d.add("registry", room.Run)
	}
	return nil
}

// holders answers the desk's question from the registry.
type holders struct{ registry *registry.Registry }

// Holders implements abusebox.Holders.
func (h holders) Holders(_ context.Context, q abusebox.Whose) (abusebox.Answer, error) {
	answer := h.registry.Holder(registry.Query{Addr: q.Addr, Port: q.Port, Proto: q.Protocol, Time: q.At, Uncertainty: q.Uncertainty})
	if answer.Status == registry.StatusUnreadable {
		return abusebox.Answer{}, fmt.Errorf("registry: %s", answer.Why)
	}
	out := abusebox.Answer{Ours: answer.Ours, Why: answer.Why}
	if answer.Holder != nil {
		out.Holders = []incident.Holder{holderOf(*answer.Holder, answer.Chain, true)}
		out.Holders[0].Contact.Upstream = h.upstream(*answer.Holder, q)
		return out, nil
	}
	for _, candidate := range answer.Candidates {
		out.Holders = append(out.Holders, holderOf(candidate, answer.Chain, false))
	}
	return out, nil
}

// upstream are the addresses of whoever answers for the next wider network of ours that another holder has: where an
// escalation goes.
func (h holders) upstream(held registry.Holder, q abusebox.Whose) []string {
	if !q.Addr.IsValid() {
		return nil
	}
	addr := q.Addr.Unmap().WithZone("")
	for _, n := range h.registry.Table().Networks(netip.PrefixFrom(addr, addr.BitLen()), q.At) {
		if n.Contact != nil && n.Prefix != held.Prefix && n.Contact.ID() != held.ID && len(n.Contact.Mails()) > 0 {
			return n.Contact.Mails()
		}
	}
	return nil
}

// holderOf says in the desk's words who a holder of the registry is.
func holderOf(h registry.Holder, chain []registry.Step, certain bool) incident.Holder {
	out := incident.Holder{ID: h.ID, Name: h.Contact.Org, Certain: certain && h.Certainty == registry.Certain, Contact: contactOf(h)}
	if h.Prefix.IsValid() {
		out.Prefix = h.Prefix.String()
	}
	for _, step := range chain {
		out.Chain = append(out.Chain, step.Text)
	}
	if out.Name == "" {
		out.Name = h.ID
	}
	return out
}

func contactOf(h registry.Holder) incident.Contact {
	c := h.Contact
	out := incident.Contact{Addresses: c.Mails(), Name: c.Org, Language: c.Language, Zone: c.Zone, Every: c.Prefer.Every.Std(), OptOut: c.Prefer.OptOut, Why: h.Why}
	out.NoXARF = c.Prefer.XARF != nil && !*c.Prefer.XARF
	if d := c.Prefer.Digest; d != nil && *d {
		out.Delivery = "digest"
	} else if d != nil {
		out.Delivery = "single"
	}
	return out
}

// ours says whether an address is of our networks, by configuration or by the registry.
func (d *daemon) ours(addr netip.Addr) bool {
	return d.registry.Table().IsOurs(addr.Unmap())
}

// services are the names that `serve --only` was given; none means all.
type services []string

func (s services) has(name string) bool {
	if len(s) == 0 {
		return true
	}
	for _, each := range s {
		if strings.TrimSpace(each) == name {
			return true
		}
	}
	return false
}
