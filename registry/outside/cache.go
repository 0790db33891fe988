package outside

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/gaissmai/bart"

	"spoor/registry"
)

// cacheState says what the cache has for an address.
type cacheState int

const (
	absent cacheState = iota
	fresh
	old
	missed
)

// cached is one answer, or the lack of one.
type cached struct {
	prefix  netip.Prefix
	finding Finding
	miss    bool
	until   time.Time
}

// cache keeps answers by the prefix that they are about, up to a number; the one longest
// unused goes first.
type cache struct {
	mu     sync.Mutex
	config registry.OutsideConfig
	now    func() time.Time
	table  *bart.Table[*list.Element]
	recent *list.List // of *cached, newest use first
}

func newCache(c registry.OutsideConfig, now func() time.Time) *cache {
	return &cache{config: c, now: now, table: new(bart.Table[*list.Element]), recent: list.New()}
}

func (c *cache) get(addr netip.Addr) (Finding, cacheState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.table.Lookup(addr)
	if !ok {
		return Finding{}, absent
	}
	c.recent.MoveToFront(e)
	entry := e.Value.(*cached)
	switch {
	case !c.now().Before(entry.until):
		return entry.finding, old
	case entry.miss:
		return Finding{}, missed
	}
	return entry.finding, fresh
}

// stale returns an answer whose time is over.
func (c *cache) stale(addr netip.Addr) (Finding, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.table.Lookup(addr)
	if !ok || e.Value.(*cached).miss {
		return Finding{}, false
	}
	found := e.Value.(*cached).finding
	found.Stale = true
	return found, true
}

// put keeps an answer for its prefix. An answer about a prefix that does not hold the
// address, or about the whole Internet, is kept for the address alone.
func (c *cache) put(addr netip.Addr, f Finding) {
	p := f.Prefix
	if !p.IsValid() || !p.Contains(addr) || p.Bits() < 8 {
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	c.set(&cached{prefix: p.Masked(), finding: f, until: c.now().Add(c.config.CacheFor.Std())})
}

func (c *cache) miss(addr netip.Addr) {
	c.set(&cached{prefix: netip.PrefixFrom(addr, addr.BitLen()), miss: true, until: c.now().Add(c.config.CacheMissFor.Std())})
}

func (c *cache) set(entry *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.table.Get(entry.prefix); ok {
		e.Value = entry
		c.recent.MoveToFront(e)
		return
	}
	c.table.Insert(entry.prefix, c.recent.PushFront(entry))
	for c.recent.Len() > c.config.CacheSize {
		last := c.recent.Back()
		c.recent.Remove(last)
		c.table.Delete(last.Value.(*cached).prefix)
	}
}

// maxPaced bounds the servers whose pace is remembered.
const maxPaced = 1000

// pace is a token bucket for each server.
type pace struct {
	mu        sync.Mutex
	perMinute float64
	now       func() time.Time
	servers   map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newPace(perMinute int, now func() time.Time) *pace {
	return &pace{perMinute: float64(perMinute), now: now, servers: map[string]*bucket{}}
}

// take reports whether a server may be asked now.
func (p *pace) take(server string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	b := p.servers[server]
	if b == nil {
		if len(p.servers) >= maxPaced {
			clear(p.servers) // rather a burst too many than a map without a bound
		}
		b = &bucket{tokens: p.perMinute, at: now}
		p.servers[server] = b
	}
	b.tokens = min(p.perMinute, b.tokens+now.Sub(b.at).Minutes()*p.perMinute)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
