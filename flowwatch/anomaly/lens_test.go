package anomaly

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"spoor/flowwatch/activity"
)

var lenses = []lens{{1, false}, {2, false}, {10, false}, {100, false}, {1000, false}, {10, true}, {1000, true}}

// TestLensInverts checks that the share of bad conversations is found again in what sampling leaves of them.
func TestLensInverts(t *testing.T) {
	for _, l := range lenses {
		for _, o := range []origin{l.failures(0), l.failures(fullAtMost), l.refusals()} {
			for _, want := range []float64{0, 0.1, 0.5, 1} {
				fragments := o.fragments(want)
				if got := o.share(fragments); math.Abs(got-want) > 1e-6 || fragments < 0 || fragments > 1 {
					t.Errorf("%+v: of %.2f bad conversations %.4f fragments look bad, of which %.4f is inferred", l, want, fragments, got)
				}
			}
		}
	}
	if got := (lens{rate: 1}).bad(lens{rate: 1}.failures(0), 3, 12, 2); got != 0.25 {
		t.Errorf("where all is seen, 3 of 12 are %v", got)
	}
}

// TestLensDoubts checks that few fragments prove nothing, and that those of ordinary mail never do.
func TestLensDoubts(t *testing.T) {
	for _, l := range lenses[2:] {
		o := l.failures(0)
		if got := l.bad(o, 2, 3, 1); got > 0.1 {
			t.Errorf("%+v: two of three fragments make %.2f failures", l, got)
		}
		mail := uint64(1000 * l.part() * math.Pow(1-l.part(), ordinaryMail-1) / visible(l.part(), ordinaryMail))
		if got := l.bad(o, mail, 1000, 0); got > 0 {
			t.Errorf("%+v: %d SYN among 1000 fragments of ordinary mail make %.2f failures", l, mail, got)
		}
		if got := l.bad(o, 1000, 1000, 2); got < 0.8 {
			t.Errorf("%+v: a host that sends SYN alone has %.2f failures", l, got)
		}
	}
}

// TestLensOfLongMail checks that mail is not taken for failures by the length that its packets' sizes tell of, whatever its
// length is, and that what is long shows more of the failures among it than what is short.
func TestLensOfLongMail(t *testing.T) {
	for _, l := range lenses[2:] {
		q, last := l.part(), 0.0
		for _, data := range []float64{0, 1, 3, 5, 15, 100} {
			known := full(uint64(100*(shortMail+data)), uint64(100*(shortMail*shortPacket+data*fullPacket)))
			if known > data+0.1 || known > fullAtMost {
				t.Errorf("%v full packets of a mail are taken for %.2f", data, known)
			}
			o := l.failures(known)
			alone := q * math.Pow(1-q, shortMail+data-1) / visible(q, shortMail+data)
			if got := o.share(alone); got > 1e-9 {
				t.Errorf("%+v: of mails of %v full packets %.3f failed, say the SYN that are seen alone", l, data, got)
			}
			if got := o.share(0.2); got < last {
				t.Errorf("%+v: mails of %v full packets hide more failures than shorter ones: %.3f, %.3f", l, data, got, last)
			} else {
				last = got
			}
		}
	}
}

// TestLensPeers checks that peers of sampled conversations stand for others, unless the same are met again and again.
func TestLensPeers(t *testing.T) {
	for _, l := range lenses {
		rate := uint64(l.rate)
		fresh, again := l.peers(40, &window{Flows: 40, Packets: 40 * rate}), l.peers(40, &window{Flows: 4000, Packets: 4000 * rate})
		if fresh < 40 || again < 40 {
			t.Errorf("%+v: fewer than the 40 that were met: %d, %d", l, fresh, again)
		}
		if l.clear() && fresh != 40 {
			t.Errorf("%d peers where all 40 are seen", fresh)
		}
		if !l.packet && again != 40 {
			t.Errorf("%+v: 4000 conversations with 40 hosts are with %d", l, again)
		}
	}
	if got := (lens{rate: 1000}).peers(40, &window{Flows: 40, Packets: 40_000}); got < 150 || got > 1000 {
		t.Errorf("40 hosts met once each, at one packet in 1000, stand for %d", got)
	}
	// A hundred mails that were seen whole, and two of which one packet in 1000 was.
	for _, l := range []lens{{1000, false}, {1000, true}} {
		if got := l.peers(102, &window{Flows: 102, Packets: 100*ordinaryMail + 2000, Failed: 20}); got != 102 {
			t.Errorf("%+v: 102 hosts, nearly all of whose mails were seen, stand for %d", l, got)
		}
	}
}

// TestUnseen checks by the probability itself: so many connections go by unseen one time in twenty.
func TestUnseen(t *testing.T) {
	for _, rate := range []uint32{2, 10, 100, 1000, 4096} {
		n := Unseen(rate)
		chance := func(n int) float64 { return math.Pow(1-1/float64(rate), senderMean*float64(n)) }
		if chance(n) > 0.05 || chance(n-1) < 0.05 {
			t.Errorf("one packet in %d: %d connections go unseen with a chance of %.3f", rate, n, chance(n))
		}
	}
	if Unseen(1) != 0 || Unseen(0) != 0 {
		t.Error("where every packet is looked at, nothing goes unseen")
	}
}

// sampledSender plays six hours of a host that makes so many connections an hour, each to another server, and tells whether it is listed.
func sampledSender(l lens, perHour float64) bool {
	j := NewJudge(DefaultConfig(), []activity.Profile{activity.SMTP()})
	start, five, host := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC), 5*time.Minute, netip.MustParsePrefix("192.0.2.7/32")
	j.began, j.saw = start.Add(-24*time.Hour), start
	seen, hash := 0.0, uint32(0)
	for n := range windowHours * 12 {
		a := activity.Activity{Host: host, Profile: "smtp", Start: start.Add(time.Duration(n) * five), Length: five, Sampling: l.rate}
		for seen += perHour / 12 * l.seen(senderMean); seen >= 1; seen-- {
			hash += 0x9e3779b1
			a.Peers.Add(hash)
			a.Series[activity.Out].Add(activity.Counts{Flows: 1, Packets: uint64(l.rate), Bytes: 400 * uint64(l.rate)})
			a.Relay++
			a.Established++
		}
		a.Series[activity.Replies] = a.Series[activity.Out]
		j.Begin(a.Start, five, map[string]activity.Coverage{"smtp": {Out: 100, Replies: 100, Sampling: l.rate}})
		j.Host(&a)
		j.End()
		if len(j.List()) > 0 {
			return true
		}
	}
	return false
}

// TestReach checks the promise of Reach on the Judge itself: who sends a fifth more than that is listed within six hours, and
// who sends a fifth less is not.
func TestReach(t *testing.T) {
	last := 0
	for _, rate := range []uint32{1, 10, 100, 1000} {
		reach := DefaultConfig().Reach(rate)
		if reach <= last || reach >= maxReach {
			t.Errorf("one packet in %d reaches %d connections an hour, a finer one %d", rate, reach, last)
		}
		last = reach
		l := lens{rate: rate}
		if !sampledSender(l, 1.2*float64(reach)) {
			t.Errorf("one packet in %d: not listed in six hours with a fifth more than %d connections an hour", rate, reach)
		}
		if sampledSender(l, 0.8*float64(reach)) {
			t.Errorf("one packet in %d: listed with a fifth less than %d connections an hour", rate, reach)
		}
	}
}

// TestManyRates checks that an exporter that samples otherwise each time takes no memory.
func TestManyRates(t *testing.T) {
	j := NewJudge(DefaultConfig(), nil)
	for rate := range uint32(10 * maxReaches) {
		l := lens{rate: 1 + rate}
		if j.reach(l) != j.config.reach(l) || len(j.reaches) > maxReaches {
			t.Fatalf("%+v: reach %d, want %d; %d are remembered", l, j.reach(l), j.config.reach(l), len(j.reaches))
		}
	}
	for _, rate := range []uint32{1 << 20, 1<<32 - 1} {
		if reach := j.reach(lens{rate: rate}); reach < 100_000 {
			t.Errorf("one packet in %d reaches %d connections an hour", rate, reach)
		}
	}
}
