// Package outside asks others about addresses that are not ours: RDAP by the bootstrap of
// RFC 9224, RWhois and whois with their referrals, and DNS zones of abuse contacts.
// Answers are kept by the prefix that they are about; private space is never asked about.
package outside

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/registry"
)

// A Finding is what a source said about the network of an address.
type Finding struct {
	Prefix netip.Prefix // that the answer is about
	Org    string
	Abuse  []string  // mail addresses; may be empty though the network is known
	Source string    // which kind of source, and which server
	Asked  time.Time // when
	Stale  bool      // the source did not answer again when it should have
}

// ErrPrivate means that an address is nobody's outside: private, shared, loopback,
// link-local, multicast or reserved space.
var ErrPrivate = errors.New("outside: the address is not in public space")

// ErrNothing means that no source knows the address.
var ErrNothing = errors.New("outside: no source knows the address")

// errBusy means that a server was asked as often as it may be for now.
var errBusy = errors.New("the server was asked as often as it may be, for now")

// Deps are what a Client is made of.
type Deps struct {
	Config  registry.OutsideConfig
	Log     *slog.Logger          // nil: discarded
	Metrics prometheus.Registerer // may be nil
	Now     func() time.Time      // nil: time.Now
}

// A Client asks the configured sources in order. Its methods may be called by many
// goroutines.
type Client struct {
	deps    Deps
	cache   *cache
	pace    *pace
	dialer  dialer
	rdap    *rdapClient
	mu      sync.Mutex
	pending map[netip.Addr]*pending
	asked   *prometheus.CounterVec
}

// pending is a question under way, which others who ask the same wait for.
type pending struct {
	done    chan struct{}
	finding Finding
	err     error
}

// New returns a Client.
func New(deps Deps) *Client {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	c := &Client{deps: deps, cache: newCache(deps.Config, deps.Now), pace: newPace(deps.Config.PerMinute, deps.Now),
		pending: map[netip.Addr]*pending{}, dialer: newDialer(deps.Config),
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spoor_registry_outside_total",
			Help: "Questions to sources outside by source and result."}, []string{"source", "result"})}
	c.rdap = newRDAP(c)
	if deps.Metrics != nil {
		deps.Metrics.MustRegister(c.asked)
	}
	return c
}

// Lookup returns what the first source that knows the address says, from the cache while
// it is fresh, and a stale answer rather than none.
func (c *Client) Lookup(ctx context.Context, addr netip.Addr) (Finding, error) {
	addr = addr.Unmap().WithZone("")
	if !Public(addr) {
		return Finding{}, fmt.Errorf("%w: %s", ErrPrivate, addr)
	}
	found, state := c.cache.get(addr)
	switch state {
	case fresh:
		return found, nil
	case missed:
		return Finding{}, fmt.Errorf("%w: %s, asked a short while ago", ErrNothing, addr)
	}
	return c.once(ctx, addr)
}

// once asks for an address unless somebody else is asking for it already.
func (c *Client) once(ctx context.Context, addr netip.Addr) (Finding, error) {
	c.mu.Lock()
	if p := c.pending[addr]; p != nil {
		c.mu.Unlock()
		select {
		case <-p.done:
			return p.finding, p.err
		case <-ctx.Done():
			return Finding{}, ctx.Err()
		}
	}
	p := &pending{done: make(chan struct{})}
	c.pending[addr] = p
	c.mu.Unlock()
	p.finding, p.err = c.ask(ctx, addr)
	c.mu.Lock()
	delete(c.pending, addr)
	c.mu.Unlock()
	close(p.done)
	return p.finding, p.err
}

// ask asks the sources in order until one knows an abuse contact; without any, a source
// that knows the network at least is taken.
func (c *Client) ask(ctx context.Context, addr netip.Addr) (Finding, error) {
	var best Finding
	var errs []error
	for _, name := range c.deps.Config.Sources {
		limited, cancel := context.WithTimeout(ctx, c.deps.Config.Timeout.Std())
		found, err := c.source(name)(limited, addr)
		cancel()
		result := "ok"
		switch {
		case errors.Is(err, errBusy):
			result = "paced"
		case err != nil:
			result = "failed"
		case len(found.Abuse) == 0:
			result = "no_contact"
		}
		c.asked.WithLabelValues(name, result).Inc()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		found.Asked = c.deps.Now().UTC()
		if best.Source == "" || len(best.Abuse) == 0 {
			best = found
		}
		if len(best.Abuse) > 0 {
			break
		}
	}
	return c.settle(addr, best, errs)
}

func (c *Client) settle(addr netip.Addr, best Finding, errs []error) (Finding, error) {
	if best.Source != "" {
		best.Abuse = slices.Compact(slices.SortedStableFunc(slices.Values(best.Abuse), cmp.Compare[string]))
		c.cache.put(addr, best)
		return best, nil
	}
	if old, ok := c.cache.stale(addr); ok {
		c.deps.Log.Warn("sources outside do not answer, an old answer is given", "addr", addr, "error", errors.Join(errs...))
		return old, nil
	}
	if len(errs) == 0 {
		errs = append(errs, ErrNothing)
	}
	c.cache.miss(addr)
	return Finding{}, fmt.Errorf("asking about %s: %w", addr, errors.Join(errs...))
}

func (c *Client) source(name string) func(context.Context, netip.Addr) (Finding, error) {
	switch name {
	case "rdap":
		return c.rdap.lookup
	case "rwhois":
		return func(ctx context.Context, a netip.Addr) (Finding, error) {
			return c.whoisChain(ctx, a, "rwhois://"+c.deps.Config.RWhoisServer)
		}
	case "whois":
		return func(ctx context.Context, a netip.Addr) (Finding, error) {
			return c.whoisChain(ctx, a, "whois://"+c.deps.Config.WhoisServer)
		}
	case "dns":
		return c.dns
	}
	return func(context.Context, netip.Addr) (Finding, error) {
		return Finding{}, fmt.Errorf("source %q is not known", name)
	}
}

// Public reports whether an address may be somebody's on the Internet. Documentation
// addresses count as public, so that examples work.
func Public(a netip.Addr) bool {
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// reserved is space of the special-purpose registries (RFC 6890) that IsGlobalUnicast
// and IsPrivate let pass.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("5f00::/16"),
}
