package netflowtest

import (
	"net/netip"
	"time"
)

// actStranger is act for the classes of Strangers.
func (s *Simulation) actStranger(h *Host, at time.Time, busy float64, bad bool) {
	switch h.Class {
	case Campus:
		s.people(h, at, 1000*busy, 200)
	case ListHost:
		s.lists(h, at, busy)
	case Callout:
		s.exchange(h, at, 40*busy, 60*busy, true)
		for range s.poisson(60 * busy) {
			s.send(h.Addr, at, calloutMix, true)
		}
	case Shop:
		for range s.poisson(10 * busy) {
			s.session(h.Addr, h.homes[0], 587, at, delivered, true)
		}
	case Outbound:
		for range s.poisson(80 * busy) {
			s.send(h.Addr, at, mailMix, true)
		}
	case Monitor:
		for _, server := range s.known(h, 40) {
			s.session(h.Addr, server, 25, at, s.pick(monitorMix), true)
		}
	case HubIPv6:
		s.exchange(h, at, 80*busy, 90*busy, true)
	case Notes:
		servers := s.known(h, 30)
		for range s.poisson(4 * busy) {
			s.session(h.Addr, servers[s.r.IntN(len(servers))], 25, at, brief, true)
		}
	default:
		if bad {
			s.actStrangeBot(h, at)
		}
	}
}

func (s *Simulation) actStrangeBot(h *Host, at time.Time) {
	switch h.Class {
	case BotNight:
		if at.Sub(h.Begins)%(6*time.Hour) < 2*time.Hour {
			s.bot(h, at, 60*h.rate)
		}
	case BotGiants:
		servers := s.known(h, 40)
		for range s.poisson(60 * h.rate) {
			s.session(h.Addr, servers[s.r.IntN(len(servers))], 25, at, s.pick(botMix), true)
		}
	case BotIPv6:
		private := *h
		b := h.Addr.As16()
		b[8], b[15] = 2, byte(at.Hour())
		private.Addr = netip.AddrFrom16(b)
		s.bot(&private, at, 60*h.rate)
	case Guesser:
		for range s.poisson(40 * h.rate) {
			s.session(h.Addr, s.any(), [...]uint16{465, 587}[s.r.IntN(2)], at, s.pick(guessMix), true)
		}
	}
}

var (
	calloutMix = mix{0, 0.90, 0.94}
	monitorMix = mix{0, 0.97, 0.98}
	guessMix   = mix{0, 0.60, 0.70}
)

// known are so many servers that a host goes back to.
func (s *Simulation) known(h *Host, n int) []netip.Addr {
	for len(h.homes) < n {
		h.homes = append(h.homes, s.remote())
	}
	return h.homes
}

// lists sends each post to the servers of a list's subscribers, most of them the same each time.
func (s *Simulation) lists(h *Host, at time.Time, busy float64) {
	servers := s.known(h, 600)
	for range s.poisson(0.5 * busy) {
		s.session(s.remote(), h.Addr, 25, at, delivered, true)
		for _, i := range s.r.Perm(len(servers))[:min(len(servers), int(150*h.rate))] {
			s.session(h.Addr, servers[i], 25, at, s.pick(newsMix), true)
		}
	}
	for range s.poisson(4 * busy) {
		s.session(s.remote(), h.Addr, 25, at, s.pick(inMix), true)
	}
}
