package anomaly_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
)

const five = 5 * time.Minute

var (
	begin = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	me    = netip.MustParsePrefix("192.0.2.7/32")
)

// A traffic is one host's interval in short.
type traffic struct {
	peers, flows, failed, tiny int
	answered                   bool // their servers' answers are seen
	clients                    int  // who hold sessions with its server
	sampling                   uint32
	noPort25                   bool
	from                       int // the first peer's number
}

func (x traffic) activity(host netip.Prefix, profile string, start time.Time) *activity.Activity {
	a := &activity.Activity{Host: host, Profile: profile, Start: start, Length: five, Sampling: max(1, x.sampling)}
	flows := uint64(max(x.flows, x.peers))
	packets := flows * 10
	if x.sampling > 1 {
		packets = flows * uint64(x.sampling) // a packet of each was looked at
	}
	a.Series[activity.Out] = activity.Counts{Flows: flows, Packets: packets, Bytes: packets * 400}
	a.Failed, a.Tiny = uint64(x.failed), uint64(x.tiny)
	a.Established = flows - uint64(x.failed)
	if !x.noPort25 {
		a.Relay = flows
	}
	if x.answered {
		a.Series[activity.Replies] = activity.Counts{Flows: a.Established, Packets: a.Established * 8, Bytes: a.Established * 900}
	}
	r := rand.New(rand.NewPCG(uint64(x.from), 9))
	for range x.peers {
		a.Peers.Add(r.Uint32())
	}
	for range x.clients {
		a.Clients.Add(r.Uint32())
	}
	if n := uint64(x.clients); n > 0 {
		a.Series[activity.In] = activity.Counts{Flows: n, Packets: n * 20, Bytes: n * 20 * 600}
		a.Series[activity.Answers] = activity.Counts{Flows: n, Packets: n * 15, Bytes: n * 900}
	}
	return a
}

// A run plays intervals into a Judge.
type run struct {
	t     *testing.T
	j     *anomaly.Judge
	now   time.Time
	cover activity.Coverage
}

func newRun(t *testing.T, change ...func(*anomaly.Config)) *run {
	c := anomaly.DefaultConfig()
	for _, f := range change {
		f(&c)
	}
	return &run{t: t, j: anomaly.NewJudge(c, activityProfiles()), now: begin, cover: activity.Coverage{Out: 100, Replies: 100}}
}

func activityProfiles() (list []activity.Profile) {
	for _, p := range activity.Known() {
		list = append(list, p.Fill())
	}
	return list
}

func (r *run) play(list ...*activity.Activity) []anomaly.Change {
	r.j.Begin(r.now, five, map[string]activity.Coverage{"smtp": r.cover})
	for _, a := range list {
		r.j.Host(a)
	}
	r.now = r.now.Add(five)
	return r.j.End()
}

func (r *run) host(x traffic) []anomaly.Change { return r.play(x.activity(me, "smtp", r.now)) }

// listed is the entry of the one host, or nil.
func (r *run) listed() *anomaly.Anomaly {
	if l := r.j.List(); len(l) > 0 {
		return &l[0]
	}
	return nil
}

func codes(a *anomaly.Anomaly) string {
	var list []string
	for _, reason := range a.Reasons {
		if reason.Text == "" {
			list = append(list, "(no text)")
		}
		list = append(list, reason.Code)
	}
	return strings.Join(list, " ")
}

func TestIntensive(t *testing.T) {
	r := newRun(t)
	for range 12 {
		r.play() // an hour without inbound mail means something
	}
	changes := r.host(traffic{peers: 60, failed: 20, tiny: 40, answered: true})
	e := r.listed()
	if e == nil || len(changes) != 1 || !changes[0].Entered {
		t.Fatalf("not listed; changes %+v", changes)
	}
	if e.Kind != anomaly.Intensive || !e.Proven || !strings.HasPrefix(codes(e), "fan-out no-inbound failed tiny") {
		t.Errorf("kind %s, proven %v, reasons %s", e.Kind, e.Proven, codes(e))
	}
}

// TestFirstHour checks that little is made of no mail coming in while the Judge has hardly begun to look: a mailing list's first
// post goes to hundreds. An hour later such a host is listed.
func TestFirstHour(t *testing.T) {
	post := traffic{peers: 400, failed: 8, tiny: 12, answered: true}
	early, late := newRun(t), newRun(t)
	early.host(post)
	if e := early.listed(); e != nil {
		t.Errorf("listed in the first five minutes: %+v", e)
	}
	for range 12 {
		late.play()
	}
	if late.host(post); late.listed() == nil {
		t.Error("not listed after an hour")
	}
}

// TestFirstHourAgain checks that a Judge which saw nothing for half a day knows as little as in its first hour, whether it ran
// meanwhile or not, and that a short pause does it no harm.
func TestFirstHourAgain(t *testing.T) {
	post := traffic{peers: 400, failed: 8, tiny: 12, answered: true}
	for _, restart := range []bool{false, true} {
		for pause, want := range map[time.Duration]bool{time.Hour: true, 13 * time.Hour: false} {
			r := newRun(t)
			for range 12 {
				r.host(traffic{peers: 2, answered: true, noPort25: true})
			}
			if restart {
				r.j = r.successor()
			}
			if r.now = r.now.Add(pause); !restart {
				deaf := *r
				deaf.cover, deaf.now = activity.Coverage{}, r.now.Add(-five)
				deaf.play()
			}
			if r.host(post); (r.listed() != nil) != want {
				t.Errorf("restarted %v, after %v: listed %v", restart, pause, !want)
			}
		}
	}
}

// successor is a Judge that takes up another's memory.
func (r *run) successor() *anomaly.Judge {
	next := anomaly.NewJudge(anomaly.DefaultConfig(), activityProfiles())
	if _, err := r.j.Remember(func(key string, value []byte) {
		if err := next.Load(key, value); err != nil {
			r.t.Error(err)
		}
	}); err != nil {
		r.t.Error(err)
	}
	return next
}

// TestBenign are hosts that must never be listed, each for a day.
func TestBenign(t *testing.T) {
	for name, x := range map[string]traffic{
		"a person":                {peers: 2, answered: true, noPort25: true},
		"forty people":            {peers: 12, flows: 30, answered: true, noPort25: true},
		"a busy webmail":          {peers: 1, flows: 300, answered: true},
		"an exchanger":            {peers: 60, flows: 80, failed: 3, tiny: 5, answered: true, clients: 50},
		"a newsletter's bounces":  {peers: 400, flows: 450, failed: 12, tiny: 30, answered: true, clients: 12},
		"a server seen one way":   {peers: 60, flows: 70, failed: 2, tiny: 4},
		"sender verification":     {peers: 60, flows: 90, failed: 6, tiny: 55, answered: true, clients: 50},
		"few dead hosts, retried": {peers: 2, flows: 60, failed: 60, tiny: 60},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t)
			for i := range 288 {
				x.from = i
				if strings.HasPrefix(name, "a person") || strings.HasPrefix(name, "forty") || strings.HasPrefix(name, "few") || strings.HasPrefix(name, "a busy") {
					x.from = 0 // the same peers all day
				}
				r.host(x)
				if e := r.listed(); e != nil {
					t.Fatalf("listed after %d intervals: %+v", i+1, e)
				}
			}
		})
	}
}

func TestIterative(t *testing.T) {
	r := newRun(t)
	for i := range 72 {
		r.host(traffic{peers: 2, failed: 1, tiny: 1, answered: true, from: i})
		if e := r.listed(); e != nil {
			if e.Kind != anomaly.Iterative || !strings.Contains(codes(e), "iteration") {
				t.Errorf("kind %s, reasons %s", e.Kind, codes(e))
			}
			return
		}
	}
	t.Error("a slow bot is not listed in six hours")
}

func TestHysteresis(t *testing.T) {
	r := newRun(t)
	r.host(traffic{peers: 60, failed: 20, tiny: 40, answered: true})
	for range 2 {
		r.play()
	}
	r.host(traffic{peers: 60, failed: 20, tiny: 40, answered: true, from: 1})
	for i := range 3 {
		if r.listed() == nil {
			t.Fatalf("left after %d quiet intervals", i)
		}
		if changes := r.play(); len(changes) != 1 || changes[0].Left != (i == 2) {
			t.Errorf("quiet interval %d: changes %+v", i+1, changes)
		}
	}
	if r.listed() != nil {
		t.Error("still listed after three quiet intervals")
	}
}

// day lets a mail server work for so many hours.
func (r *run) serve(hours int, x traffic) {
	for i := range hours * 12 {
		x.from = i
		r.host(x)
	}
}

var exchanger = traffic{peers: 40, flows: 50, failed: 2, tiny: 4, answered: true, clients: 40}

func TestLearntServer(t *testing.T) {
	r := newRun(t)
	r.serve(7, exchanger)
	if len(r.j.MailServers()) != 0 {
		t.Fatal("learnt after seven hours")
	}
	r.serve(3, exchanger)
	list := r.j.MailServers()
	if len(list) != 1 || list[0].How != anomaly.Learnt || !list[0].Until.After(r.now) {
		t.Fatalf("mail servers %+v, want the one learnt, with an end", list)
	}
	r.now = r.now.Add(8 * 24 * time.Hour)
	r.play()
	if len(r.j.MailServers()) != 0 {
		t.Error("a server that was not seen for eight days is still known")
	}
}

// TestServerAgainstItsPast checks that a known server is not exempt: a stolen account shows.
func TestServerAgainstItsPast(t *testing.T) {
	for name, change := range map[string]func(*anomaly.Config){
		"learnt":     func(*anomaly.Config) {},
		"configured": func(c *anomaly.Config) { c.MailServers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")} },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, change)
			r.serve(24, exchanger)
			if e := r.listed(); e != nil {
				t.Fatalf("listed in its ordinary day: %+v", e)
			}
			r.host(traffic{peers: 300, flows: 400, failed: 40, tiny: 130, answered: true, clients: 45})
			e := r.listed()
			if e == nil || e.Kind != anomaly.Departure || string(e.Server) != name || !strings.Contains(codes(e), "past-fan-out") {
				t.Fatalf("entry %+v", e)
			}
		})
	}
}

// TestBotEarnsNothing checks that a host cannot become a mail server while it stands on the list, nor by SYN alone.
func TestBotEarnsNothing(t *testing.T) {
	r := newRun(t)
	for i := range 24 * 12 {
		x := traffic{peers: 80, failed: 40, tiny: 60, answered: true, from: i}
		if i >= 12 {
			x.clients = 5 // friends that pretend to send it mail
		}
		r.host(x)
	}
	if list := r.j.MailServers(); len(list) != 0 {
		t.Errorf("mail servers %+v", list)
	}
	if r.listed() == nil {
		t.Error("no longer listed")
	}
}

// watched has looked for a day, so that no inbound mail means something.
func watched(t *testing.T, change ...func(*anomaly.Config)) *run {
	r := newRun(t, change...)
	for range 24 {
		r.play()
		r.now = r.now.Add(time.Hour - five)
	}
	return r
}

// TestBlind checks that features that need what is not seen switch off, and say so.
func TestBlind(t *testing.T) {
	r := watched(t)
	r.host(traffic{peers: 300, failed: 15, tiny: 120, answered: true, sampling: 1000}) // as of ordinary mail
	if e := r.listed(); e == nil || strings.Contains(codes(e), "failed") || strings.Contains(codes(e), "tiny") ||
		len(e.Blind) == 0 || !strings.Contains(e.Blind[0], "one packet in 1000") || !strings.Contains(e.Blind[0], "connections an hour is not seen") {
		t.Errorf("sampled one in 1000: %+v", e)
	}
	r = watched(t)
	r.host(traffic{peers: 30, failed: 30, tiny: 30, sampling: 1000})
	if e := r.listed(); e == nil || !strings.Contains(codes(e), "failed") {
		t.Errorf("SYN alone, sampled one in 1000: %+v", e)
	}
	r = watched(t)
	sampled := traffic{peers: 300, answered: true}.activity(me, "smtp", r.now)
	sampled.Packets = true
	r.play(sampled)
	if e := r.listed(); e == nil || len(e.Blind) == 0 || !strings.Contains(e.Blind[0], "sFlow") {
		t.Errorf("packets of sFlow: %+v", e)
	}
	r = newRun(t)
	r.host(traffic{peers: 100, failed: 50, tiny: 80})
	if e := r.listed(); e == nil || strings.Contains(codes(e), "no-inbound") || len(e.Blind) == 0 || !e.Proven {
		t.Errorf("one direction: %+v", e)
	}
}

// TestMixedSampling checks that a host of which every packet was seen is judged by what was seen, however coarsely
// other exporters sample.
func TestMixedSampling(t *testing.T) {
	for name, x := range map[string]traffic{
		"a small office":       {peers: 25, failed: 1, tiny: 3, answered: true},
		"a bot":                {peers: 60, failed: 20, tiny: 40, answered: true},
		"an exchanger":         {peers: 60, flows: 80, failed: 3, tiny: 5, answered: true, clients: 50},
		"few servers, retried": {peers: 12, flows: 80, failed: 20, tiny: 20, answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			alone, among := watched(t), watched(t)
			for i := range 12 {
				x.from = i
				alone.host(x)
				among.cover.Sampling = 4096
				among.host(x)
				if a, b := alone.listed(), among.listed(); (a == nil) != (b == nil) || a != nil && (a.Score != b.Score || codes(a) != codes(b)) {
					t.Fatalf("interval %d: %+v, among sampled ones %+v", i, a, b)
				}
			}
		})
	}
}

// TestTwoWays checks that peers who were all seen do not stand for others when some of the host's mail leaves by a router
// that samples.
func TestTwoWays(t *testing.T) {
	r := watched(t)
	for i := range 36 {
		office := traffic{peers: 3, answered: true, from: i}
		if i%6 == 5 {
			office.peers, office.sampling = 1, 1000
		}
		if r.host(office); r.listed() != nil {
			t.Fatalf("interval %d: %+v", i, r.listed())
		}
	}
}

// TestNotYetWatched checks that a host is not listed for taking no mail in when there was no time to see any.
func TestNotYetWatched(t *testing.T) {
	lists := traffic{peers: 130, failed: 4, tiny: 8, answered: true}
	r := newRun(t)
	if r.host(lists); r.listed() != nil {
		t.Errorf("listed in the first interval of all: %+v", r.listed())
	}
	r = watched(t)
	if r.host(lists); r.listed() == nil {
		t.Error("not listed though no mail came in for a day")
	}
}

// TestConfiguredSender checks that a server whose mail comes in elsewhere is listed for that only until it is configured, and
// also that it is not exempt.
func TestConfiguredSender(t *testing.T) {
	sender := traffic{peers: 150, flows: 170, failed: 6, tiny: 12, answered: true}
	r := watched(t)
	if r.host(sender); r.listed() == nil {
		t.Error("a host that only sends, to 150 others in five minutes, is not listed")
	}
	r = watched(t, func(c *anomaly.Config) { c.MailServers = []netip.Prefix{me} })
	for i := range 288 {
		sender.from = i
		if r.host(sender); r.listed() != nil {
			t.Fatalf("configured, and listed after %d intervals: %+v", i+1, r.listed())
		}
	}
	sender.failed, sender.tiny = 40, 110
	if r.host(sender); r.listed() == nil {
		t.Error("configured, and not listed though its mail is refused")
	}
}

// TestOtherSampling checks that a mail server is not judged against what was seen of it when more was looked at.
func TestOtherSampling(t *testing.T) {
	r := newRun(t)
	r.serve(24, exchanger)
	sampled := exchanger // what one packet in 50 leaves of it: single packets, most of them short
	sampled.peers, sampled.flows, sampled.failed, sampled.tiny, sampled.clients, sampled.sampling = 18, 20, 1, 9, 16, 50
	for i := range 144 {
		sampled.from = i
		if r.host(sampled); r.listed() != nil {
			t.Fatalf("listed %d intervals after its router began to sample: %+v", i+1, r.listed())
		}
	}
	if list := r.j.MailServers(); len(list) != 1 {
		t.Errorf("mail servers %+v, want it to remain one", list)
	}
}

func TestThresholds(t *testing.T) {
	r := newRun(t, func(c *anomaly.Config) { c.Mode, c.Flows = anomaly.ModeThresholds, 30 })
	r.host(traffic{peers: 2, flows: 30, answered: true})
	if r.listed() != nil {
		t.Error("30 flows are not over 30")
	}
	r.host(traffic{peers: 2, flows: 31, answered: true})
	if e := r.listed(); e == nil || e.Kind != anomaly.Threshold || e.Score != 31 {
		t.Errorf("entry %+v", e)
	}
}

// TestOtherProfiles checks each set of rules at its limit and below, and that none of them proves anything.
func TestOtherProfiles(t *testing.T) {
	for _, p := range activityProfiles() {
		if p.Judge == activity.JudgeMail {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			loud := traffic{flows: int(max(p.Flows, 10))}.activity(me, p.Name, begin)
			if p.Judge == activity.JudgeReflect {
				loud.Series[activity.Answers] = activity.Counts{Flows: 1, Packets: 1, Bytes: p.Bytes}
				loud.Series[activity.In] = activity.Counts{Flows: 1, Packets: 1, Bytes: p.Bytes / 50}
			}
			low := *loud
			for d := range low.Series {
				low.Series[d].Flows, low.Series[d].Bytes = low.Series[d].Flows*8/10, low.Series[d].Bytes*8/10
			}
			r := newRun(t)
			if r.play(&low); r.listed() != nil {
				t.Error("listed below its limit")
			}
			r.play(loud)
			if e := r.listed(); e == nil || e.Proven || len(e.Reasons) == 0 {
				t.Errorf("at its limit: %+v", e)
			}
		})
	}
}

// TestSampledScan checks that SYN alone, which sampling makes of anybody's sessions, counts for no more hosts than were met.
func TestSampledScan(t *testing.T) {
	for peers, want := range map[int]bool{100: false, 250: true} {
		r := newRun(t)
		r.play(traffic{peers: peers, failed: peers, sampling: 1000}.activity(me, "syn", begin))
		if e := r.listed(); (e != nil) != want || e != nil && (e.Peers != peers || len(e.Blind) == 0) {
			t.Errorf("%d hosts met, one packet in 1000: %+v", peers, e)
		}
	}
}

// TestMemory checks that a Judge that takes up another's memory goes on as that would.
func TestMemory(t *testing.T) {
	a := newRun(t)
	a.serve(10, exchanger)
	bot := netip.MustParsePrefix("192.0.2.66/32")
	loud := traffic{peers: 60, failed: 20, tiny: 40, answered: true}
	kept := map[string][]byte{}
	for range 2 {
		a.play(exchanger.activity(me, "smtp", a.now), loud.activity(bot, "smtp", a.now))
	}
	if _, err := a.j.Remember(func(key string, value []byte) { kept[key] = value }); err != nil {
		t.Fatal(err)
	}
	b := newRun(t)
	b.now = a.now
	for key, value := range kept {
		if err := b.j.Load(key, value); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		x, y := a.play(exchanger.activity(me, "smtp", a.now)), b.play(exchanger.activity(me, "smtp", b.now))
		if fmt.Sprint(x) != fmt.Sprint(y) {
			t.Errorf("the first says\n%+v\nthe second\n%+v", x, y)
		}
	}
	if fmt.Sprint(a.j.MailServers()) != fmt.Sprint(b.j.MailServers()) || len(b.j.MailServers()) != 1 {
		t.Errorf("mail servers %v and %v", a.j.MailServers(), b.j.MailServers())
	}
	if n := 0; true {
		if _, err := a.j.Remember(func(string, []byte) { n++ }); err != nil || n > 2 {
			t.Errorf("%d pasts changed, error %v; want those of the two hosts at most", n, err)
		}
	}
	for key, value := range map[string]string{"smtp": "{}", "smtp|x": "{}", "smtp|192.0.2.1/32": "no", "smtp|192.0.2.2/32": `{"w":[{"b":"/w=="},{}]}`} {
		if err := b.j.Load(key, []byte(value)); err == nil {
			t.Errorf("%s %s is taken", key, value)
		}
	}
}

// TestBound checks that the number of hosts remembered is bounded, and that what is refused is counted.
func TestBound(t *testing.T) {
	r := newRun(t, func(c *anomaly.Config) { c.MaxHosts = 10 })
	var list []*activity.Activity
	for i := range 50 {
		host := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32)
		list = append(list, traffic{peers: 1}.activity(host, "smtp", r.now))
	}
	r.play(list...)
	if r.j.Hosts() != 10 || r.j.Refused() != 40 {
		t.Errorf("%d hosts, %d refused; want 10, 40", r.j.Hosts(), r.j.Refused())
	}
	r.now = r.now.Add(26 * time.Hour)
	r.play()
	if r.j.Hosts() != 0 {
		t.Errorf("%d hosts are remembered a day after they were last seen", r.j.Hosts())
	}
}
