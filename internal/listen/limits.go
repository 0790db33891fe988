package listen

import (
	"net/netip"
	"sync"
	"time"
)

// A Reason says why a connection is refused; empty is "welcome". It is also the value of a metric's label.
type Reason string

const (
	Welcome         Reason = ""
	TooMany         Reason = "total"       // as many connections as there may be in all
	TooManyOfClient Reason = "client"      // as many as there may be from one client
	TooFast         Reason = "client_rate" // more new ones a minute than one client may open
	maxRatedClients        = 1 << 16       // clients whose rate is remembered; beyond, new ones are not rated
	sweepEvery             = 5 * time.Second
)

// A Quota says how many connections there may be. Zero is "no limit".
type Quota struct {
	Total     int // open at a time
	PerClient int // open at a time from one client: an IPv4 address or an IPv6 /64
	PerMinute int // new ones a minute from one client; a minute's worth may come at once
}

// Limits count connections, of one listener or of several that share a Quota.
type Limits struct {
	quota Quota

	mu      sync.Mutex
	total   int
	clients map[netip.Prefix]int
	rate    *Rate
}

// NewLimits returns Limits for a quota. now may be nil for time.Now.
func NewLimits(q Quota, now func() time.Time) *Limits {
	return &Limits{quota: q, clients: map[netip.Prefix]int{}, rate: NewRate(q.PerMinute, now)}
}

// Enter counts a connection from client, an invalid address where it is not known (a Unix socket, a proxy's
// connection before it names its client). If the answer is Welcome, leave must be called once when it ends.
func (l *Limits) Enter(client netip.Addr) (leave func(), refused Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.quota.Total > 0 && l.total >= l.quota.Total {
		return nil, TooMany
	}
	if !client.IsValid() {
		l.total++
		return l.leaver(netip.Prefix{}, 1), Welcome
	}
	if refused := l.enterClient(Client(client)); refused != Welcome {
		return nil, refused
	}
	l.total++
	return l.leaver(Client(client), 1), Welcome
}

// EnterClient counts a connection that Enter has counted without an address, now that its client is known.
func (l *Limits) EnterClient(client netip.Addr) (leave func(), refused Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if refused := l.enterClient(Client(client)); refused != Welcome {
		return nil, refused
	}
	return l.leaver(Client(client), 0), Welcome
}

func (l *Limits) enterClient(key netip.Prefix) Reason {
	if l.quota.PerClient > 0 && l.clients[key] >= l.quota.PerClient {
		return TooManyOfClient
	}
	if !l.rate.allow(key) {
		return TooFast
	}
	l.clients[key]++
	return Welcome
}

func (l *Limits) leaver(key netip.Prefix, total int) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.total -= total
			if !key.IsValid() {
				return
			}
			if l.clients[key]--; l.clients[key] == 0 {
				delete(l.clients, key)
			}
		})
	}
}

// Open returns how many connections are open.
func (l *Limits) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// Client is what counts as one client: an IPv4 address, or an IPv6 /64, which one customer commonly has.
func Client(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits) // fails for a zone or too many bits only
	return p
}

// A Rate limits how often each client does something: a bucket of a minute's worth that fills steadily.
type Rate struct {
	perMinute float64
	now       func() time.Time

	mu      sync.Mutex
	buckets map[netip.Prefix]bucket
	swept   time.Time
}

type bucket struct {
	level float64 // used up
	at    time.Time
}

// NewRate returns a Rate; perMinute zero is no limit. now may be nil for time.Now.
func NewRate(perMinute int, now func() time.Time) *Rate {
	if now == nil {
		now = time.Now
	}
	return &Rate{perMinute: float64(perMinute), now: now, buckets: map[netip.Prefix]bucket{}}
}

// Allow counts one deed of client and says whether it may be done.
func (r *Rate) Allow(client netip.Addr) bool { return r.allow(Client(client)) }

func (r *Rate) allow(key netip.Prefix) bool {
	if r.perMinute <= 0 || !key.IsValid() {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	b, known := r.buckets[key]
	if !known && !r.room(now) {
		return true
	}
	level := r.drained(b, now)
	if level+1 > r.perMinute {
		return false
	}
	r.buckets[key] = bucket{level + 1, now}
	return true
}

func (r *Rate) drained(b bucket, now time.Time) float64 {
	return max(0, b.level-max(0, now.Sub(b.at).Minutes())*r.perMinute)
}

// room makes room for one more client by forgetting, now and then, those whose bucket is empty again.
func (r *Rate) room(now time.Time) bool {
	if since := now.Sub(r.swept); since >= 0 && since < sweepEvery {
		return len(r.buckets) < maxRatedClients
	}
	r.swept = now
	for k, b := range r.buckets {
		if r.drained(b, now) == 0 {
			delete(r.buckets, k)
		}
	}
	return len(r.buckets) < maxRatedClients
}
