package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
)

// Bounds on asking the DNS about reporters: a name server that is slow or away must not hold the desk up.
const (
	dnsTimeout   = 2 * time.Second
	dnsKeep      = 10 * time.Minute // answers, and that there is none
	dnsEntries   = 20_000
	dnsFailures  = 3 // different domains in a row without an answer, after which nobody asks for dnsPause
	dnsPause     = 30 * time.Second
	dnsParallel  = 16
	dnsSlotLimit = 500 * time.Millisecond // how long to wait for one of the parallel questions to end
)

// errNoDNS says that a question was not asked, since the name servers do not answer at the moment.
var errNoDNS = errors.New("the name servers do not answer at the moment")

// A resolver asks the DNS what the report room wants to know, remembers the answers, and gives up for a while when
// the name servers do not answer. Its errors are temporary unless they are a *net.DNSError that says otherwise.
type resolver struct {
	dns   *net.Resolver
	now   func() time.Time
	slots chan struct{}

	mu      sync.Mutex
	answers map[string]dnsAnswer
	failing map[string]bool // registrable domains that gave no answer since the last one that did
	resume  time.Time
}

// A dnsAnswer is what was answered to one question.
type dnsAnswer struct {
	value any
	err   error
	until time.Time
}

func newResolver(dns *net.Resolver, now func() time.Time) *resolver {
	return &resolver{dns: dns, now: now, slots: make(chan struct{}, dnsParallel), answers: map[string]dnsAnswer{}, failing: map[string]bool{}}
}

// LookupTXT implements report.Resolver.
func (r *resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return recall(ctx, r, "TXT "+name, func(ctx context.Context) ([]string, error) { return r.dns.LookupTXT(ctx, name) })
}

// LookupMX implements report.Resolver.
func (r *resolver) LookupMX(ctx context.Context, name string) ([]string, error) {
	return recall(ctx, r, "MX "+name, func(ctx context.Context) (hosts []string, err error) {
		list, err := r.dns.LookupMX(ctx, name)
		for _, mx := range list {
			hosts = append(hosts, mx.Host)
		}
		return hosts, err
	})
}

// LookupAddr implements report.Resolver, and report.SiteResolver.
func (r *resolver) LookupAddr(ctx context.Context, name string) ([]netip.Addr, error) {
	return recall(ctx, r, "A "+name, func(ctx context.Context) ([]netip.Addr, error) {
		list, err := r.dns.LookupNetIP(ctx, "ip", name)
		for i := range list {
			list[i] = list[i].Unmap()
		}
		return list, err
	})
}

// recall answers from memory, or asks.
func recall[T any](ctx context.Context, r *resolver, key string, ask func(context.Context) (T, error)) (T, error) {
	var none T
	if a, ok := r.remembered(key); ok {
		if a.err != nil {
			return none, a.err
		}
		return a.value.(T), nil
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-time.After(dnsSlotLimit):
		return none, errNoDNS
	case <-ctx.Done():
		return none, ctx.Err()
	}
	value, err := ask(ctx)
	r.learn(key, value, err)
	return value, err
}

// remembered returns what is known, or that nobody is to ask now.
func (r *resolver) remembered(key string) (dnsAnswer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if a, ok := r.answers[key]; ok && now.Before(a.until) {
		return a, true
	}
	if now.Before(r.resume) {
		return dnsAnswer{err: errNoDNS}, true
	}
	return dnsAnswer{}, false
}

// learn keeps an answer, and counts failures: "there is no such name" is an answer, silence is none. One domain whose
// servers are silent, by fault or by malice, is left alone by itself and stops no questions about others.
func (r *resolver) learn(key string, value any, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	var dnsErr *net.DNSError
	if err != nil && !(errors.As(err, &dnsErr) && dnsErr.IsNotFound) {
		r.failing[registrable(key)] = true
		if len(r.failing) >= dnsFailures {
			clear(r.failing)
			r.resume = now.Add(dnsPause)
		}
		r.keep(key, dnsAnswer{nil, errNoDNS, now.Add(dnsPause)})
		return
	}
	clear(r.failing)
	r.keep(key, dnsAnswer{value, err, now.Add(dnsKeep)})
}

// registrable is the domain whose owner runs the name servers of a question.
func registrable(key string) string {
	_, name, _ := strings.Cut(key, " ")
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if domain, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return domain
	}
	return name
}

// keep remembers an answer.
func (r *resolver) keep(key string, a dnsAnswer) {
	if len(r.answers) >= dnsEntries { // a full memory is begun anew: keeping the order would cost more than asking
		clear(r.answers)
	}
	r.answers[key] = a
}
