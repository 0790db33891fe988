package anomaly

import (
	"fmt"
	"math"
	"time"

	"spoor/flowwatch/activity"
)

// mail judges a host of the SMTP profile: by the interval, by the hours before it, or, where it
// is a mail server with a past, by that past.
func (j *Judge) mail(a *activity.Activity, s *state, f features) verdict {
	tested := s.test(a, f)
	server := j.serverOf(a, s)
	if !s.Past.fits(f.lens) {
		s.Past = past{}
	}
	if server != "" && s.Past.Intervals >= minPast {
		v := j.againstPast(a, s, f)
		v.server = server
		return v
	}
	if server == Configured {
		f.inbound = true // the operator says what it is, even where its mail comes in elsewhere
	}
	v := j.intensive(a, f, tested)
	if slow := j.iterative(a, s, f, tested); slow.score > v.score {
		v = slow
	}
	v.server = server
	if v.score < 1 {
		s.remember(a, f)
	}
	return v
}

// serverOf tells whether the host counts as a mail server, learning it where it has earned that:
// it served mail in many hours of the last day and stood on the list in none.
func (j *Judge) serverOf(a *activity.Activity, s *state) Server {
	if j.config.server(a.Host) {
		return Configured
	}
	if s.Learn == 0 && hours(s.Serving) >= learnHours && hours(s.Listed) == 0 && s.Entry == nil {
		if w := s.recent(); w.Clients.Count() >= learnClients {
			s.Learn = j.end.Unix()
		}
	}
	if s.Learn > 0 && hours(s.Serving) == 0 && j.end.Sub(time.Unix(s.Learn, 0)) > 24*time.Hour && s.Serving == 0 {
		s.Learn = 0 // nobody brings it mail any more
	}
	if s.Learn > 0 {
		return Learnt
	}
	return ""
}

// What earns the status of a mail server, and how many intervals make a past.
const (
	learnHours   = 8
	learnClients = 20
	minPast      = 72 // six hours of five minutes
)

// intensive scores one interval. Fan-out alone lists nobody: newsletters and exchangers have it
// too. It weighs as much as something else is suspicious: no inbound mail, failures, tiny flows.
func (j *Judge) intensive(a *activity.Activity, f features, tested bool) verdict {
	w := j.config.Weights
	b := newScore()
	b.add("fan-out", float64(f.peers), w.FanOut*fan(f.peers, f.relay)*j.suspicion(f),
		"sent to %s hosts in %v, %d %s", figure(f.peers, f.exact), a.Length.Round(time.Second), f.flows, f.lens.unit())
	j.common(b, f, tested)
	b.v.kind, b.v.proven = Intensive, f.proven
	if f.failed > 0.9 && !f.proven {
		b.v.kind = Probing
	}
	return b.verdict(j.config.Enter, f, f.met >= j.config.MinPeers)
}

// suspicion is the share of the fan-out term that counts.
func (j *Judge) suspicion(f features) float64 {
	s := j.config.Weights.Plain + 0.3*f.noInbound()
	s += f.failed + 0.6*f.tinyWeight()*f.tiny
	if !f.seesIn {
		s += 0.5 * (f.failed + f.tiny) // what is left to go by weighs more
	}
	return min(1, s)
}

// common adds the terms that an interval and the hours before it share.
func (j *Judge) common(b *score, f features, tested bool) {
	w := j.config.Weights
	b.add("no-inbound", f.noInbound(), w.NoInbound*f.noInbound(), "no mail comes in that it answers: it is no mail exchanger")
	b.add("failed", f.failed, w.Failed*f.failed, "%.0f %% of its connections failed or were not answered", 100*f.failed)
	b.add("tiny", f.tiny, w.Tiny*f.tinyWeight()*f.tiny, "%.0f %% of its flows carry under 100 bytes a packet: probing, or being refused", 100*f.tiny)
	if tested && f.noInbound() > 0 {
		b.add("sequential-test", 1, w.Tested, "the sequence of failures and successes is that of a host that guesses (sequential test, 1 in 100)")
	}
	if f.perPacket >= 100 {
		b.note("delivering", f.perPacket, "packets of %.0f bytes on average: it delivers", f.perPacket)
	} else if f.perPacket > 0 {
		b.note("refused", f.perPacket, "packets of %.0f bytes on average: it probes, or is refused", f.perPacket)
	}
}

// iterative scores the last six to twelve hours: the slow ones.
func (j *Judge) iterative(a *activity.Activity, s *state, f features, tested bool) verdict {
	r := s.recent()
	met := int(min(uint64(r.Peers.Count()), r.Flows))
	peers := f.lens.peers(met, &r)
	f.relay = share(r.Relay, r.Flows)
	f.sort(&r)
	b := newScore()
	suspicion := j.suspicion(f)
	if f.noInbound() == 0 {
		// Over hours any exchanger and newsletter reaches thousands: numbers alone say even less.
		suspicion -= j.config.Weights.Plain / 2
	}
	fanOut, iteration := j.config.slow(f, peers, suspicion)
	b.add("fan-out-hours", float64(peers), fanOut,
		"sent to %s hosts in the last hours, %d %s", figure(peers, r.Peers.Exact() && f.lens.clear()), r.Flows, f.lens.unit())
	b.add("iteration", float64(f.hours), iteration, "active in %d of the last 24 hours, %.0f new hosts an hour", f.hours, hourly(peers, f.hours))
	j.common(b, f, tested)
	b.v.kind, b.v.proven = Iterative, f.proven
	if f.failed > 0.9 && !f.proven {
		b.v.kind = Probing
	}
	return b.verdict(j.config.enterSlow(f.lens, &r), f, met >= 2*j.config.MinPeers)
}

// slow are the terms of the fan-out over hours, and of these hours. They count as far as each of them brought new hosts: a
// small office's server is busy all day, too.
func (c Config) slow(f features, peers int, suspicion float64) (fanOut, iteration float64) {
	fanOut = c.Weights.FanOut * fan(peers, f.relay) * suspicion
	if f.seesIn {
		rate := hourly(peers, f.hours)
		iteration = c.Weights.Hours * math.Log2(1+float64(f.hours)) * min(1, rate*rate/400) * suspicion
	}
	return fanOut, iteration
}

// hourly is how many new peers an active hour brought.
func hourly(peers, hours int) float64 {
	return float64(peers) / float64(max(1, min(hours, 2*windowHours)))
}

// remember lets an interval that is not suspicious into the host's past.
func (s *state) remember(a *activity.Activity, f features) {
	p := &s.Past
	p.Intervals++
	p.Rate, p.Packet = max(p.Rate, f.lens.rate), p.Packet || f.lens.packet
	p.Peers = max(p.Peers, float64(f.peers))
	p.Flows = max(p.Flows, float64(f.flows))
	r := s.recent() // few flows of an interval may say less than those of hours
	p.Failed = max(p.Failed, cautious(a.Failed, f.flows), cautious(r.Failed, r.Flows))
	p.Tiny = max(p.Tiny, cautious(a.Tiny, f.flows), cautious(r.Tiny, r.Flows))
	if f.flows >= 10 {
		p.Ratio = max(p.Ratio, ratio(a))
	}
}

// cautious is a share that few flows cannot drive far: as if twenty more had been seen, one of them bad.
func cautious(n, of uint64) float64 { return (float64(n) + 1) / (float64(of) + 20) }

func ratio(a *activity.Activity) float64 {
	return float64(a.Series[activity.Out].Flows) / float64(1+a.Series[activity.In].Flows)
}

// maxGrowth is what growth alone can add: a newsletter's first issue grows as a stolen account
// does, but is accepted as its other mail was.
const maxGrowth = 4.5

// againstPast compares a mail server with its busiest intervals of the last days: each doubling of
// fan-out, volume or outgoing-to-incoming weighs, and so do failures and refusals above what it had.
func (j *Judge) againstPast(a *activity.Activity, s *state, f features) verdict {
	b := newScore()
	p := s.Past
	growth := func(code string, now, peak, least, weight float64, text string) {
		peak = max(peak, least)
		if room := maxGrowth - b.v.shown; now > peak && room > 0 {
			b.add(code, now/peak, min(room, weight*math.Log2(now/peak)), text+": %s, at most %s in its past", plain(now), plain(peak))
		}
	}
	growth("past-fan-out", float64(f.peers), p.Peers, 20, 2, f.estimated("distinct hosts sent to"))
	growth("past-volume", float64(f.flows), p.Flows, 30, 1.5, "outgoing flows")
	if f.flows >= 30 {
		growth("past-ratio", ratio(a), p.Ratio, 1, 1, "outgoing for each incoming flow")
	}
	worse := func(code string, now, peak, weight float64, text string) {
		if n := float64(f.flows) + someSeen; !f.lens.clear() {
			now -= math.Sqrt(now * (1 - now) / n) // what was sampled may be chance
		}
		if over := now - max(peak, 0.1); over > 0 {
			b.add(code, now, weight*over, text+": %.0f %%, at most %.0f %% in its past", 100*now, 100*peak)
		}
	}
	worse("past-failed", cautious(a.Failed, f.flows), p.Failed, 20, "its connections that failed")
	worse("past-tiny", cautious(a.Tiny, f.flows), p.Tiny, 15, "its flows that were refused or only probed")
	b.v.kind, b.v.proven = Departure, f.proven
	v := b.verdict(j.config.EnterPast, f, true)
	if v.score < 0.8 {
		s.remember(a, f)
	}
	return v
}

// threshold is the method of 2003: so many flows in an interval.
func (j *Judge) threshold(f features) verdict {
	b := newScore()
	b.add("flows", float64(f.flows), float64(f.flows), "%d flows, the threshold is %d", f.flows, j.config.Flows)
	b.v.kind, b.v.proven = Threshold, f.proven
	return b.verdict(float64(j.config.Flows)+1, f, true)
}

// limits judges the other profiles, whose limits stand in the profile.
func limits(p activity.Profile, a *activity.Activity, f features) verdict {
	b := newScore()
	at := func(code string, value, limit float64, text string) {
		if limit > 0 && value > b.v.shown {
			b.v.shown = max(b.v.shown, value/limit)
		}
		if limit > 0 && value >= limit {
			b.note(code, value, text+": %s in %v, the limit is %s", plain(value), a.Length.Round(time.Second), plain(limit))
		}
	}
	out := a.Series[activity.Out]
	switch p.Judge {
	case activity.JudgeScan:
		b.v.kind = Scan
		at("peers", float64(f.peers), float64(p.Peers), f.estimated("hosts tried"))
		at("flows", float64(out.Flows), float64(p.Flows), "connection attempts")
	case activity.JudgeReflect:
		b.v.kind = Reflection
		in, answers := a.Series[activity.In], a.Series[activity.Answers]
		if float64(answers.Bytes) >= p.Factor*float64(in.Bytes) {
			at("bytes", float64(answers.Bytes), float64(p.Bytes), "bytes answered, far more than were asked with")
		}
	default:
		b.v.kind = Rate
		at("flows", float64(out.Flows), float64(p.Flows), "flows")
		at("bytes", float64(out.Bytes), float64(p.Bytes), "bytes")
	}
	b.v.score, b.v.blind = b.v.shown, f.blind
	// SYN, UDP and ICMP prove no source address: b.v.proven stays false.
	return b.v
}

// A score adds up the terms of a verdict.
type score struct{ v verdict }

func newScore() *score { return &score{} }

// add gives a term its weight, and a reason if it matters.
func (b *score) add(code string, value, weight float64, format string, args ...any) {
	b.v.shown += weight
	if weight >= 0.2 {
		b.v.reasons = append(b.v.reasons, Reason{code, round(value), round(weight), fmt.Sprintf(format, args...)})
	}
}

// note says something that weighs nothing.
func (b *score) note(code string, value float64, format string, args ...any) {
	b.v.reasons = append(b.v.reasons, Reason{code, round(value), 0, fmt.Sprintf(format, args...)})
}

func round(v float64) float64 { return math.Round(v*100) / 100 }

// verdict measures the sum against the entering score.
func (b *score) verdict(enter float64, f features, enough bool) verdict {
	b.v.shown = round(b.v.shown)
	b.v.score, b.v.blind = b.v.shown/enter, f.blind
	if !enough {
		b.v.score = min(b.v.score, 0.99)
	}
	return b.v
}
