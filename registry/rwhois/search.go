package rwhois

import (
	"bytes"
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"spoor/registry"
)

// query answers a query: objects, referrals, and %ok or an error.
func (n *session) query(ctx context.Context, line string) {
	q, bad := parseQuery(line)
	if bad != nil {
		n.fail(bad)
		return
	}
	if p, ok := q.address(); ok && q.class != "contact" {
		n.network(p)
		return
	}
	index, bad := n.s.scan(ctx)
	if bad != nil {
		n.fail(bad)
		return
	}
	defer n.s.doneScanning()
	found := 0
	for i := range index.objects {
		if !q.matches(&index.objects[i], n.personal) {
			continue
		}
		if found++; found > n.limit {
			n.fail(fail(330, ""))
			return
		}
		n.put(index.objects[i])
	}
	if found == 0 {
		n.fail(fail(230, ""))
		return
	}
	n.ok()
}

// address returns the network that a query is about if that is all that it says.
func (q query) address() (netip.Prefix, bool) {
	if len(q.alternatives) != 1 || len(q.alternatives[0]) != 1 {
		return netip.Prefix{}, false
	}
	t := q.alternatives[0][0]
	return t.network, t.isNetwork
}

// network answers for an address or prefix: the most specific network and every
// enclosing one, a referral where another server knows more, and one to the root for
// space that is not ours.
func (n *session) network(p netip.Prefix) {
	referred := false
	for _, d := range n.s.deps.Config.Delegated {
		if d.Network.Bits() <= p.Bits() && d.Network.Contains(p.Addr()) {
			n.w.WriteString("%referral " + strings.TrimSuffix(d.Server, "/") + "/auth-area=" + d.Network.String() + "\r\n")
			referred = true
		}
	}
	variant := strconv.Itoa(n.limit)
	if n.personal {
		variant += " personal"
	}
	t := n.s.deps.Table()
	text, _ := n.s.answers.Get(t, p, variant, func() []byte { return n.networks(t, p) })
	switch {
	case len(text) > 0:
		n.w.Write(text)
	case referred:
		n.ok()
	case n.s.deps.Config.Root != "":
		n.w.WriteString("%referral " + n.s.deps.Config.Root + "\r\n")
		n.ok()
	default:
		n.fail(fail(230, ""))
	}
}

// networks writes the networks that enclose a prefix and how the answer ends; nothing
// where none of ours does.
func (n *session) networks(t *registry.Table, p netip.Prefix) []byte {
	var b bytes.Buffer
	for i, net := range t.Networks(p, time.Time{}) {
		if i == n.limit {
			b.WriteString(fail(330, "").line())
			return b.Bytes()
		}
		o := networkObject(net, n.s.area)
		o.write(&b, n.personal)
	}
	if b.Len() > 0 {
		b.WriteString("%ok\r\n")
	}
	return b.Bytes()
}

// matches reports whether an object fulfils one of the alternatives. What a client may
// not see it may not search either.
func (q query) matches(o *object, personal bool) bool {
	if q.class != "" && q.class != o.class {
		return false
	}
	for _, all := range q.alternatives {
		ok := true
		for _, t := range all {
			ok = ok && t.matches(o, personal)
		}
		if ok {
			return true
		}
	}
	return false
}

func (t term) matches(o *object, personal bool) bool {
	for _, a := range o.attrs {
		if a.personal && !personal || t.attribute != "" && !strings.EqualFold(t.attribute, a.name) {
			continue
		}
		if t.isNetwork && a.name == "IP-Network" {
			if p, err := netip.ParsePrefix(a.value); err == nil && p.Bits() <= t.network.Bits() && p.Contains(t.network.Addr()) {
				return true
			}
			continue
		}
		value := strings.ToLower(a.value)
		if value == t.value || t.prefix && strings.HasPrefix(value, t.value) {
			return true
		}
	}
	return false
}

// textIndex is every object of one table, for look-ups by text.
type textIndex struct {
	of      *registry.Table
	objects []object
	partial bool
}

// maxObjects bounds the objects that look-ups by text search.
const maxObjects = 200_000

// scan waits for its turn and returns the objects of the newest table.
func (s *Server) scan(ctx context.Context) (*textIndex, *failure) {
	wait, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	select {
	case s.scans <- struct{}{}:
	case <-wait.Done():
		return nil, fail(501, "too many queries, try again")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.deps.Table(); s.text == nil || s.text.of != t {
		s.text = newTextIndex(t, s.area)
	}
	if s.text.partial {
		s.doneScanning()
		return nil, fail(351, "there are too many networks to search by text, ask for an address")
	}
	return s.text, nil
}

func (s *Server) doneScanning() { <-s.scans }

func newTextIndex(t *registry.Table, area areas) *textIndex {
	x := &textIndex{of: t}
	seen := map[string]bool{}
	for n := range t.AllNetworks(time.Time{}) {
		if len(x.objects) >= maxObjects {
			x.objects, x.partial = nil, true
			return x
		}
		x.objects = append(x.objects, networkObject(n, area))
		if n.Contact == nil {
			continue
		}
		for _, o := range contactsOf(n.Contact, area.of(n.Prefix)) {
			if id := o.attrs[1].value; !seen[id] {
				seen[id] = true
				x.objects = append(x.objects, o)
			}
		}
	}
	return x
}

// contactsOf shows every mailbox of a contact once.
func contactsOf(c *registry.Contact, area string) []object {
	var all []object
	seen := map[string]bool{}
	for _, role := range [][]registry.Mailbox{c.Abuse, c.Admin, c.Tech} {
		for _, m := range role {
			if id := contactID(m); id != "" && !seen[id] {
				seen[id] = true
				all = append(all, contactObject(m, c, area))
			}
		}
	}
	return all
}
