package flowwatch

import (
	"net/netip"
	"strings"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
)

// A listing is the list as it stands, never changed once it is published.
type listing struct {
	hosts   map[netip.Prefix]string // why each is listed
	entries []anomaly.Anomaly
	bits    []int // lengths of IPv6 prefixes in hosts
}

// publish makes the Judge's list the one that Listed answers from. The caller holds closing, or is New.
func (w *Watcher) publish() {
	l := &listing{hosts: make(map[netip.Prefix]string), entries: w.judge.List()}
	seen := map[int]bool{}
	for _, a := range l.entries {
		if a.Allowed != "" {
			continue
		}
		l.hosts[a.Host] = why(a)
		if bits := a.Host.Bits(); a.Host.Addr().Is6() && !seen[bits] {
			seen[bits] = true
			l.bits = append(l.bits, bits)
		}
	}
	w.listed.Store(l)
}

// why is an Anomaly in one line.
func why(a anomaly.Anomaly) string {
	texts := []string{string(a.Kind)}
	for _, r := range a.Reasons {
		if len(texts) > 3 {
			break
		}
		texts = append(texts, r.Text)
	}
	return strings.Join(texts, "; ")
}

// Listed tells whether an address stands on the list now, and why. It never blocks and never allocates.
func (w *Watcher) Listed(addr netip.Addr) (reason string, listed bool) {
	l := w.listed.Load()
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		reason, listed = l.hosts[netip.PrefixFrom(addr, 32)]
		return reason, listed
	}
	for _, bits := range l.bits {
		p, err := addr.Prefix(bits)
		if err != nil {
			continue
		}
		if reason, listed = l.hosts[p]; listed {
			return reason, true
		}
	}
	return "", false
}

// List is all entries as they stood at the end of the last interval, the highest score first.
func (w *Watcher) List() []anomaly.Anomaly { return w.listed.Load().entries }

// MailServers are the hosts that count as mail servers, configured or learnt.
func (w *Watcher) MailServers() []anomaly.MailServer {
	w.closing.Lock()
	defer w.closing.Unlock()
	return w.judge.MailServers()
}

// openHost returns what one host did in the interval that is open.
func (w *Watcher) openHost(profile string, host netip.Prefix) (a activity.Activity, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, p := range w.profiles {
		if p.Name == profile {
			return w.counter.Host(i, host, w.now().UTC())
		}
	}
	return a, false
}
