package netflowtest

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// A Class is what a simulated host truly is.
type Class string

const (
	User        Class = "user"        // a mail program with one to three accounts
	Webmail     Class = "webmail"     // many connections to one hub
	NAT         Class = "nat"         // forty users behind one address
	Exchanger   Class = "exchanger"   // takes mail in and sends some out
	Hub         Class = "hub"         // the customers' outgoing server
	Newsletter  Class = "newsletter"  // bursts to hundreds of servers; bounces come back
	Office      Class = "office"      // a small server that only sends
	OneWayMX    Class = "one-way-mx"  // an exchanger of which only the outgoing half is seen
	Backscatter Class = "backscatter" // its address was forged by others: answers without questions

	CGNAT    Class = "cgnat"     // four hundred users behind one address
	Camera   Class = "camera"    // cameras and printers that mail alerts through one server
	BackupMX Class = "backup-mx" // takes mail in when the first is away, and hands it on there

	Campus   Class = "campus"    // three thousand users behind one address, of two hundred providers
	ListHost Class = "list-host" // mailing lists: a post goes to hundreds of servers at once; bounces and posts come in
	Callout  Class = "callout"   // an exchanger that tries each sender's server before it takes a mail
	Shop     Class = "shop"      // a web shop that hands all mail to one smarthost
	Outbound Class = "outbound"  // a hub that only sends: mail comes in by another address. Must be configured
	Monitor  Class = "monitor"   // tries the same forty mail servers again and again. Must be allowed
	HubIPv6  Class = "hub-ipv6"  // a hub of IPv6
	Notes    Class = "notes"     // a server of short notices (alerts, tickets) to a few dozen servers, never answered by mail

	BotFast   Class = "bot-fast"
	BotSlow   Class = "bot-slow"
	Snowshoe  Class = "snowshoe"    // many addresses, each little, nearly all delivered
	NATBot    Class = "nat-bot"     // forty users and one bot behind one address
	OneWayBot Class = "one-way-bot" // a fast bot of which only the outgoing half is seen
	OpenRelay Class = "open-relay"  // a hub that strangers send through
	Stolen    Class = "stolen"      // a hub through which a stolen account sends
	Scanner   Class = "scanner"     // looks for open port 25; sends SYN and nothing else

	BotNight  Class = "bot-night"  // a fast bot that sends for two hours at a time, and rests for four
	BotGiants Class = "bot-giants" // a bot that sends to the forty servers of the largest providers alone
	BotIPv6   Class = "bot-ipv6"   // a fast bot that takes another address of its /64 each hour
	Guesser   Class = "guesser"    // tries passwords at submission servers everywhere
)

// Bad tells whether a host of the class ought to be listed once it has begun.
func (c Class) Bad() bool {
	switch c {
	case BotFast, BotSlow, Snowshoe, NATBot, OneWayBot, OpenRelay, Stolen, Scanner, BotNight, BotGiants, BotIPv6, Guesser:
		return true
	}
	return false
}

// A Host is a simulated host of ours with the truth about it.
type Host struct {
	Addr   netip.Addr
	Class  Class
	Begins time.Time // when it turns bad; zero if never
	rate   float64   // its size, about 1
	clean  bool      // a bot whose mail is mostly accepted
	homes  []netip.Addr
}

// A Simulation is seeded traffic with its ground truth.
type Simulation struct {
	Start    time.Time
	Interval time.Duration
	Hosts    []Host
	r        *rand.Rand
	more     *rand.Rand // of the classes that came later
	out      []Record
}

// Ours are the networks of the simulated hosts; their peers are in 198.18.0.0/15 (RFC 2544) and 2001:db8:8000::/33.
func Ours() []netip.Prefix {
	return append(ours4(), netip.MustParsePrefix("2001:db8::/33"))
}

func ours4() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24")}
}

// Calm is how long a simulation runs before any host turns bad: mail servers have a past by then.
const Calm = 26 * time.Hour

// A Group is so many hosts of a class.
type Group struct {
	Class Class
	N     int
}

// Connections is how many connections an hour a bot makes to servers that it does not know, on average while it sends; 0 of
// other classes.
func (h Host) Connections() float64 {
	return h.rate * map[Class]float64{BotFast: 12 * fast, BotSlow: 12 * slow, Snowshoe: 12 * snow}[h.Class]
}

// Connections in five minutes.
const (
	fast = 60
	slow = 2
	snow = 5
)

// Population is a network of its ordinary mixture.
func Population() []Group {
	return []Group{
		{User, 200}, {Webmail, 4}, {NAT, 10}, {Exchanger, 14}, {Hub, 4}, {Newsletter, 5}, {Office, 10}, {OneWayMX, 5},
		{Backscatter, 6}, {BotFast, 30}, {BotSlow, 20}, {Snowshoe, 15}, {NATBot, 6}, {OneWayBot, 6}, {OpenRelay, 3},
		{Stolen, 3}, {Scanner, 5},
		{CGNAT, 4}, {Camera, 20}, {BackupMX, 4},
	}
}

// Strangers are hosts that the weights were not chosen on: a network of other kinds and sizes.
func Strangers() []Group {
	return []Group{
		{User, 60}, {Campus, 3}, {ListHost, 5}, {Callout, 5}, {Shop, 10}, {Outbound, 3}, {Monitor, 2}, {HubIPv6, 4}, {Notes, 5}, {BackupMX, 5},
		{Exchanger, 30}, {Office, 30}, {Newsletter, 3},
		{BotNight, 10}, {BotGiants, 10}, {BotIPv6, 10}, {Guesser, 10}, {BotSlow, 10}, {BotFast, 5},
	}
}

// later tells whether a class was added after the weights had been chosen. Such hosts draw from randomness of their own,
// so that the traffic of the others stays what it was.
func (c Class) later() bool {
	switch c {
	case CGNAT, Camera, BackupMX, Campus, ListHost, Callout, Shop, Outbound, Monitor, HubIPv6, Notes, BotNight, BotGiants, BotIPv6, Guesser:
		return true
	}
	return false
}

func (c Class) ipv6() bool { return c == HubIPv6 || c == BotIPv6 }

// NewSimulation makes up the hosts of groups, by default those of Population; equal seeds give equal traffic.
func NewSimulation(seed uint64, start time.Time, groups ...Group) *Simulation {
	if len(groups) == 0 {
		groups = Population()
	}
	s := &Simulation{Start: start, Interval: 5 * time.Minute, r: rand.New(rand.NewPCG(seed, 2003)), more: rand.New(rand.NewPCG(seed, 2004))}
	first := s.r
	n := 0
	for _, p := range groups {
		if p.Class.later() {
			s.r = s.more
		} else {
			s.r = first
		}
		for i := range p.N {
			h := Host{Addr: address(n, p.Class.ipv6()), Class: p.Class, rate: math.Exp(s.r.NormFloat64() * 0.4), clean: i%3 == 0}
			n++
			if p.Class.Bad() {
				h.Begins = start.Add(Calm + time.Duration(s.r.Int64N(int64(2*time.Hour))))
			}
			for range 1 + s.r.IntN(3) {
				h.homes = append(h.homes, s.remote())
			}
			s.Hosts = append(s.Hosts, h)
		}
	}
	s.r = first
	return s
}

// address is that of the n-th host; of IPv6 each has a /64 of its own.
func address(n int, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, byte(n >> 8), byte(n), 15: 1})
	}
	nets := ours4()
	b := nets[n%len(nets)].Addr().As4()
	b[3] = byte(1 + n/len(nets))
	return netip.AddrFrom4(b)
}

// remote is any of the world's mail servers; few of them take most mail.
func (s *Simulation) remote() netip.Addr {
	n := int(math.Pow(s.r.Float64(), 2) * (1 << 17))
	return netip.AddrFrom4([4]byte{198, byte(18 + n>>16), byte(n >> 8), byte(n)})
}

// remoteOf is a mail server of the family of one of our addresses.
func (s *Simulation) remoteOf(ours netip.Addr) netip.Addr {
	a := s.remote()
	if ours.Is4() {
		return a
	}
	b := a.As4()
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0x80, 12: b[0], 13: b[1], 14: b[2], 15: b[3]})
}

// Records are the conversations that end in the n-th interval, in the order of their ends. It must
// be called for n = 0, 1, 2 …
func (s *Simulation) Records(n int) []Record {
	s.out = nil
	at := s.Start.Add(time.Duration(n) * s.Interval)
	first := s.r
	for i := range s.Hosts {
		if s.Hosts[i].Class.later() {
			s.r = s.more
		}
		s.act(&s.Hosts[i], at)
	}
	s.r = first
	slices.SortFunc(s.out, func(a, b Record) int { return a.End.Compare(b.End) })
	return s.out
}

// day is how busy people are at a time: one fifth at night.
func day(at time.Time) float64 {
	h := float64(at.Hour()) + float64(at.Minute())/60
	return 0.2 + 0.8*math.Exp(-math.Pow((h-13)/5, 2))
}

func (s *Simulation) poisson(mean float64) int {
	if mean > 50 {
		return max(0, int(mean+math.Sqrt(mean)*s.r.NormFloat64()+0.5))
	}
	n, p, limit := 0, 1.0, math.Exp(-mean)
	for {
		if p *= s.r.Float64(); p <= limit {
			return n
		}
		n++
	}
}

func (s *Simulation) act(h *Host, at time.Time) {
	bad := !h.Begins.IsZero() && !at.Before(h.Begins)
	busy := day(at) * h.rate
	switch h.Class {
	case User:
		s.people(h, at, 0.4*busy, 0)
	case Webmail:
		for range s.poisson(60 * busy) {
			s.session(h.Addr, h.homes[0], 25, at, delivered, true)
		}
	case NAT, NATBot:
		s.people(h, at, 14*busy, 12)
		if bad {
			s.bot(h, at, 25*h.rate)
		}
	case CGNAT:
		s.people(h, at, 120*busy, 60)
	case Camera:
		for range s.poisson(2 * h.rate) {
			s.session(h.Addr, h.homes[0], 25, at, delivered, true)
		}
	case BackupMX:
		for range s.poisson(15 * h.rate) {
			s.session(s.remote(), h.Addr, 25, at, delivered, true)
			s.session(h.Addr, h.homes[0], 25, at, delivered, true)
		}
	case Exchanger, OneWayMX:
		s.exchange(h, at, 40*busy, 60*busy, h.Class == Exchanger)
	case Hub, OpenRelay, Stolen:
		s.exchange(h, at, 80*busy, 90*busy, true)
		if bad {
			s.abuse(h, at)
		}
	case Newsletter:
		s.newsletter(h, at)
	case Office:
		for range s.poisson(0.35 * busy) {
			s.send(h.Addr, at, mailMix, true)
		}
	case Backscatter:
		for range s.poisson(30 * h.rate) {
			s.answer(h.Addr, at)
		}
	case BotFast, OneWayBot:
		if bad {
			s.bot(h, at, fast*h.rate)
		}
	case BotSlow:
		if bad {
			s.bot(h, at, slow*h.rate)
		}
	case Snowshoe:
		if bad {
			for range s.poisson(snow * h.rate) {
				s.send(h.Addr, at, snowshoeMix, true)
			}
		}
	case Scanner:
		if bad {
			for range s.poisson(150 * h.rate) {
				s.session(h.Addr, s.any(), 25, at, unanswered, true)
			}
		}
	default:
		s.actStranger(h, at, busy, bad)
	}
}

// people send through their providers' submission servers; extra providers for many people behind one address.
func (s *Simulation) people(h *Host, at time.Time, mean float64, extra int) {
	for len(h.homes) < extra {
		h.homes = append(h.homes, s.remote())
	}
	for range s.poisson(mean) {
		port := [...]uint16{587, 465, 587, 25}[s.r.IntN(4)]
		s.session(h.Addr, h.homes[s.r.IntN(len(h.homes))], port, at, delivered, true)
	}
}

// exchange is a mail server's normal traffic: out to others, in from others.
func (s *Simulation) exchange(h *Host, at time.Time, out, in float64, bothWays bool) {
	for range s.poisson(out) {
		s.send(h.Addr, at, mailMix, bothWays)
	}
	if !bothWays {
		return
	}
	for range s.poisson(in) {
		s.session(s.remoteOf(h.Addr), h.Addr, 25, at, s.pick(inMix), true)
	}
}

// abuse is what strangers or a thief send through a hub beside its customers' mail.
func (s *Simulation) abuse(h *Host, at time.Time) {
	if h.Class == OpenRelay {
		for range s.poisson(20 * h.rate) {
			s.session(h.homes[0], h.Addr, 25, at, delivered, true)
		}
	} else {
		for range s.poisson(10 * h.rate) {
			s.session(h.homes[0], h.Addr, 587, at, delivered, true)
		}
	}
	for range s.poisson(350 * h.rate) {
		s.send(h.Addr, at, relayedMix, true)
	}
}

// newsletter goes out twice a day for an hour, and some mail at all times; bounces come back.
func (s *Simulation) newsletter(h *Host, at time.Time) {
	mean := 2.0
	if hour := at.Hour(); hour == 8 || hour == 16 {
		mean = 400 * h.rate
	}
	for range s.poisson(mean) {
		s.send(h.Addr, at, newsMix, true)
	}
	for range s.poisson(2 + mean/25) {
		s.session(s.remote(), h.Addr, 25, at, delivered, true)
	}
}

func (s *Simulation) bot(h *Host, at time.Time, mean float64) {
	mix := botMix
	if h.clean {
		mix = cleanBotMix
	}
	for range s.poisson(mean) {
		s.send(h.Addr, at, mix, h.Class != OneWayBot)
	}
}

// An outcome is how an SMTP connection ends.
type outcome int

const (
	delivered  outcome = iota
	rejected           // 5xx before DATA
	refused            // RST
	unanswered         // nothing came back
	brief              // delivered, in few lines
)

// A mix is the cumulative share of delivered, rejected and refused; the rest is unanswered.
type mix [3]float64

var (
	mailMix     = mix{0.90, 0.96, 0.98}
	inMix       = mix{0.55, 0.97, 0.98}
	newsMix     = mix{0.91, 0.97, 0.98}
	botMix      = mix{0.22, 0.66, 0.78}
	cleanBotMix = mix{0.70, 0.90, 0.94}
	snowshoeMix = mix{0.92, 0.98, 0.99}
	relayedMix  = mix{0.60, 0.90, 0.94}
)

func (s *Simulation) pick(m mix) outcome {
	p := s.r.Float64()
	for i, limit := range m {
		if p < limit {
			return outcome(i)
		}
	}
	return unanswered
}

func (s *Simulation) send(from netip.Addr, at time.Time, m mix, bothWays bool) {
	s.session(from, s.remoteOf(from), 25, at, s.pick(m), bothWays)
}

// any is any address at all: a scanner does not know who has a mail server.
func (s *Simulation) any() netip.Addr {
	n := s.r.IntN(1 << 17)
	return netip.AddrFrom4([4]byte{198, byte(18 + n>>16), byte(n >> 8), byte(n)})
}

// session adds both halves of a connection, or its first alone.
func (s *Simulation) session(client, server netip.Addr, port uint16, at time.Time, o outcome, bothWays bool) {
	end := at.Add(time.Duration(s.r.Int64N(int64(s.Interval))))
	start := end.Add(-time.Duration(1+s.r.Int64N(30)) * time.Second)
	r := Record{
		Src: client, Dst: server, SrcPort: uint16(1024 + s.r.IntN(60000)), DstPort: port, Proto: 6, In: 1, Out: 2,
		Start: start, End: end,
	}
	back := r
	back.Src, back.Dst, back.SrcPort, back.DstPort, back.In, back.Out = server, client, port, r.SrcPort, 2, 1
	switch o {
	case delivered, brief:
		data := uint64(1500 + s.r.ExpFloat64()*20000)
		if o == brief {
			data = uint64(600 + s.r.ExpFloat64()*1200)
		}
		r.Flags, r.Packets, r.Bytes = 0x1b, 9+data/1400, 9*62+data+data/1400*40
		back.Flags, back.Packets, back.Bytes = 0x1b, 9+data/2800, 900+data/2800*40
	case rejected:
		n := uint64(7 + s.r.IntN(4))
		r.Flags, r.Packets, r.Bytes = 0x1b, n, n*64
		back.Flags, back.Packets, back.Bytes = 0x1b, n-1, n*80
	case refused:
		r.Flags, r.Packets, r.Bytes = 0x02, 1, 60
		back.Flags, back.Packets, back.Bytes = 0x14, 1, 40
	case unanswered:
		n := uint64(1 + s.r.IntN(3))
		r.Flags, r.Packets, r.Bytes = 0x02, n, n*60
		bothWays = false
	}
	s.out = append(s.out, r)
	if bothWays {
		s.out = append(s.out, back)
	}
}

// answer is a reply to a connection that the host never made.
func (s *Simulation) answer(to netip.Addr, at time.Time) {
	end := at.Add(time.Duration(s.r.Int64N(int64(s.Interval))))
	flags := [...]uint8{0x12, 0x14}[s.r.IntN(2)]
	s.out = append(s.out, Record{
		Src: s.remote(), Dst: to, SrcPort: 25, DstPort: uint16(1024 + s.r.IntN(60000)), Proto: 6, Flags: flags,
		Packets: 1, Bytes: 44, In: 2, Out: 1, Start: end, End: end,
	})
}
