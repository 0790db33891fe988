package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"spoor/cmd/spoor/control"
	"spoor/internal/trace"
)

// maxOrgs bounds the answers of the registry that a batch remembers.
const maxOrgs = 1 << 16

// A traceRegistry asks the registry whose an address is, and remembers the
// answer: a batch asks for the same few addresses again and again.
type traceRegistry struct {
	client  *control.Client
	mu      sync.Mutex
	answers map[orgKey]orgAnswer
}

// An orgKey is one question: responsibility is looked up by the day.
type orgKey struct {
	ip  netip.Addr
	day string
}

// An orgAnswer is what the registry said.
type orgAnswer struct {
	ours bool
	name string
}

// ask looks an address up as of a time; the zero time is now.
func (g *traceRegistry) ask(ctx context.Context, ip netip.Addr, at time.Time) (orgAnswer, error) {
	key := orgKey{ip: ip}
	q := url.Values{"ip": {ip.String()}, "within": {"0s"}}
	if !at.IsZero() {
		key.day = at.Format(time.DateOnly)
		q.Set("at", at.Format(time.RFC3339))
	}
	g.mu.Lock()
	a, ok := g.answers[key]
	g.mu.Unlock()
	if ok {
		return a, nil
	}
	err := g.client.Get(ctx, "/registry/lookup", q, func(line json.RawMessage) error {
		var l control.Lookup
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		a.ours = l.Ours
		if l.Holder != nil {
			a.name = holderName(*l.Holder)
		}
		return nil
	})
	if err != nil {
		return orgAnswer{}, fmt.Errorf("ask the registry about %s: %w", ip, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.answers) >= maxOrgs {
		clear(g.answers)
	}
	g.answers[key] = a
	return a, nil
}

// ours tells the tracer which addresses the registry knows as ours.
func (g *traceRegistry) ours(ctx context.Context) func(netip.Addr) bool {
	return func(ip netip.Addr) bool {
		a, err := g.ask(ctx, ip, time.Time{})
		return err == nil && a.ours
	}
}

// maxHopOrgs bounds the questions about one message: a header may name hundreds
// of addresses.
const maxHopOrgs = 32

// organisations fills in who answers for the peers of a result, as of the time
// that their line tells; a claimed line's time is a claim, the origin's counts there.
func (t *traceCmd) organisations(ctx context.Context, r *trace.Result) {
	if t.registry == nil {
		return
	}
	asked := map[orgKey]string{}
	for i := range r.Hops {
		h := &r.Hops[i]
		at := h.Time
		if (h.Trust == trace.TrustClaimed || h.Trust == trace.TrustForged) && r.Origin != nil {
			at = r.Origin.Time
		}
		if !h.IP.IsGlobalUnicast() || h.IP.IsPrivate() {
			continue
		}
		if !at.Known() {
			at = trace.Stamp{}
		}
		key := orgKey{ip: h.IP, day: at.Format(time.DateOnly)}
		name, known := asked[key]
		if !known && len(asked) < maxHopOrgs {
			a, err := t.registry.ask(ctx, h.IP, at.Time)
			if err == nil {
				name = a.name
			}
			asked[key] = name
		}
		h.Organisation = name
	}
}

// holder answers the question of --dns whose an address is; nil where no
// registry is configured.
func (t *traceCmd) holder() func(context.Context, netip.Addr) (string, error) {
	if t.registry == nil {
		return nil
	}
	return func(ctx context.Context, ip netip.Addr) (string, error) {
		a, err := t.registry.ask(ctx, ip, time.Time{})
		return a.name, err
	}
}
