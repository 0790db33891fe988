package trace

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// ErrNotCached is the answer of a Cache that may not ask.
var ErrNotCached = errors.New("trace: not in the cache")

// A Cache is a Lookup that remembers answers. Where Offline is set it answers
// from memory alone, as in the milter and the desk, and leaves the asking to
// whoever fills it.
type Cache struct {
	Offline bool

	next Lookup
	size int
	ttl  time.Duration
	now  func() time.Time

	mu      sync.Mutex
	answers map[string]cached
}

// A cached is one answer.
type cached struct {
	value any
	err   error
	until time.Time
}

// NewCache returns a Cache of at most size answers, each kept for ttl; now is
// the clock, time.Now where it is nil.
func NewCache(next Lookup, size int, ttl time.Duration, now func() time.Time) *Cache {
	if now == nil {
		now = time.Now
	}
	return &Cache{next: next, size: max(size, 1), ttl: ttl, now: now, answers: map[string]cached{}}
}

// LookupAddr asks for the names of an address.
func (c *Cache) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	return recall(c, "PTR "+addr, func() ([]string, error) { return c.next.LookupAddr(ctx, addr) })
}

// LookupIPAddr asks for the addresses of a host.
func (c *Cache) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	return recall(c, "A "+host, func() ([]net.IPAddr, error) { return c.next.LookupIPAddr(ctx, host) })
}

// LookupMX asks for the mail hosts of a domain.
func (c *Cache) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	return recall(c, "MX "+name, func() ([]*net.MX, error) { return c.next.LookupMX(ctx, name) })
}

// LookupTXT asks for the texts of a name.
func (c *Cache) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return recall(c, "TXT "+name, func() ([]string, error) { return c.next.LookupTXT(ctx, name) })
}

// recall answers from memory, or asks and remembers. Errors other than "there is
// none" are not remembered.
func recall[T any](c *Cache, key string, ask func() (T, error)) (T, error) {
	c.mu.Lock()
	a, ok := c.answers[key]
	c.mu.Unlock()
	if ok && c.now().Before(a.until) {
		return a.value.(T), a.err
	}
	if c.Offline {
		var none T
		return none, ErrNotCached
	}
	v, err := ask()
	if err != nil && !absent(err) {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answers) >= c.size {
		c.evict()
	}
	c.answers[key] = cached{v, err, c.now().Add(c.ttl)}
	return v, err
}

// evict drops what has expired, and an arbitrary answer if nothing has.
func (c *Cache) evict() {
	now := c.now()
	for k, a := range c.answers {
		if !now.Before(a.until) {
			delete(c.answers, k)
		}
	}
	for k := range c.answers {
		if len(c.answers) < c.size {
			return
		}
		delete(c.answers, k)
	}
}
