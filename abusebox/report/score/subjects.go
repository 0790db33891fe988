package main

import (
	"net/netip"
	"sort"
)

// Subjects is a set of accused, each with a mark. Addresses stand in it as
// their bytes, for a table may have a million of them.
type subjects struct {
	ips   map[[16]byte]bool
	names map[string]bool // URLs, domains, prefixes
}

// put adds a subject, or changes its mark.
func (s *subjects) put(subject string, mark bool) {
	if ip, err := netip.ParseAddr(subject); err == nil {
		s.putIP(ip, mark)
		return
	}
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[subject] = mark
}

func (s *subjects) putIP(ip netip.Addr, mark bool) {
	if s.ips == nil {
		s.ips = map[[16]byte]bool{}
	}
	s.ips[ip.As16()] = mark
}

// mark marks a subject that is there, and tells whether it is.
func (s *subjects) mark(subject string) bool {
	if _, ok := s.names[subject]; !ok {
		return false
	}
	s.names[subject] = true
	return true
}

func (s *subjects) markIP(ip netip.Addr) bool {
	key := ip.As16()
	if _, ok := s.ips[key]; !ok {
		return false
	}
	s.ips[key] = true
	return true
}

// most is how many subjects of one mail are named.
const most = 100

// having returns how many subjects bear the mark, and the first of their names in order.
func (s *subjects) having(mark bool) (n int, names []string) {
	for name, m := range s.names {
		if m == mark {
			n++
			names = keep(names, name)
		}
	}
	for ip, m := range s.ips {
		if m == mark {
			n++
			names = keep(names, netip.AddrFrom16(ip).Unmap().String())
		}
	}
	sort.Strings(names)
	return n, names[:min(len(names), most)]
}

// keep adds a name to the first ones; of many only those are held that may be named.
func keep(names []string, name string) []string {
	if names = append(names, name); len(names) >= 4*most {
		sort.Strings(names)
		names = names[:most]
	}
	return names
}
