package incident

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A Span is a stretch of time; both ends belong to it.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Overlaps reports whether s and o share an instant.
func (s Span) Overlaps(o Span) bool { return !s.From.After(o.To) && !o.From.After(s.To) }

func (s Span) shift(d time.Duration) Span { return Span{s.From.Add(d), s.To.Add(d)} }

func (s Span) widen(d time.Duration) Span { return Span{s.From.Add(-d), s.To.Add(d)} }

// distance is how far o lies from s, and zero where they overlap.
func (s Span) distance(o Span) time.Duration {
	switch {
	case o.To.Before(s.From):
		return o.To.Sub(s.From)
	case o.From.After(s.To):
		return o.From.Sub(s.To)
	}
	return 0
}

// Reach is how far to either side of an event a source should answer, so that a wrong zone can be seen:
// offsets run from -1200 to +1400, and reporters' clocks are a little off besides.
const Reach = 15 * time.Hour

// slack is how far two honest clocks may differ.
const slack = 5 * time.Minute

// A Question asks a source of our own what it saw of an address.
type Question struct {
	Addr     netip.Addr
	Port     uint16
	Category string // XARF v4
	Type     string
	Window   Span      // the event's time, widened by Reach
	Arrived  time.Time // when the complaint came in: what our lists said then; zero where there is none
}

// Ask is the question that e poses.
func Ask(e Evidence) Question {
	return Question{e.Addr, e.Port, e.Category, e.Type, Span{e.When(), e.Until()}.widen(Reach), e.Received}
}

// A Sighting is something a source saw an address do.
type Sighting struct {
	Span
	Count int    `json:"count"`
	What  string `json:"what"` // "214 connections to port 25 at 180 hosts"
}

// Testimony is what one source says of an address. Coverage comes first: where it is not proven, silence
// means nothing.
type Testimony struct {
	Source  Kind
	Covered []Span     // when the source provably saw this address's traffic
	Seen    []Sighting // what it saw of the alleged kind
	Listed  []Span     // when the address was on a list of ours; open ends reach to the question's end
	Share   float64    // share of our hosts that were listed then: what chance alone would hit
	Note    string     // why there is no coverage, if there is none

	Standings  []Standing    // what each of our lists said when the complaint came in
	Restricted []Restriction // blocks of the address in or near that time
}

// A Finding is what a Testimony means for one complaint.
type Finding struct {
	Part
	Strong  bool          // good enough to stand as a ground of its own
	Nearest time.Duration // how far away the nearest activity is, when none fits
	Fits    []string      // zones of the reporter's clock in which it would fit
}

// Weigh holds a complaint against one source.
func Weigh(e Evidence, t Testimony) Finding {
	event := Span{e.When(), e.Until()}.widen(slack + e.Uncertainty)
	if len(t.Restricted) > 0 {
		return weighRestrictions(e, t, event)
	}
	if seen := seenIn(t.Seen, event); len(seen) > 0 {
		return agree(t, event, seen)
	}
	if slices.ContainsFunc(t.Listed, event.Overlaps) {
		return Finding{Part: Part{string(t.Source), For, pointsListed, "the address was on our list at that time"}, Strong: true}
	}
	if !covers(t.Covered, event) {
		why := "not visible to us"
		if t.Note != "" {
			why += ": " + t.Note
		}
		return Finding{Part: Part{string(t.Source), Silent, 0, why}}
	}
	return contradict(e, t, event)
}

func seenIn(all []Sighting, within Span) (in []Sighting) {
	for _, s := range all {
		if s.Overlaps(within) {
			in = append(in, s)
		}
	}
	return in
}

// agree weighs activity at the right time by how rare it is: a host that always sends mail fits any complaint,
// so that its flows prove nothing. Logs and the milter name messages and stand for themselves.
func agree(t Testimony, event Span, seen []Sighting) Finding {
	points, why := pointsOwnEvidence, seen[0].What
	if t.Source == FromLog || t.Source == FromTrace {
		return Finding{Part: Part{string(t.Source), For, points, why}, Strong: true}
	}
	share := activeShare(t)
	points = int(float64(points) * (1 - share))
	if share > 0.5 {
		why += fmt.Sprintf("; but it was active %.0f %% of the time we saw, so this alone proves little", share*100)
	}
	return Finding{Part: Part{string(t.Source), For, points, why}, Strong: share <= 0.5 && len(t.Covered) > 0}
}

// activeShare is the part of the covered time in which the address was active, 1 where nothing is covered.
func activeShare(t Testimony) float64 {
	covered := total(t.Covered)
	if covered <= 0 {
		return 1
	}
	spans := make([]Span, 0, len(t.Seen))
	for _, s := range t.Seen {
		spans = append(spans, s.Span)
	}
	return min(float64(total(spans))/float64(covered), 1)
}

// total is the time that spans cover together, counted once where they overlap.
func total(spans []Span) (sum time.Duration) {
	for _, s := range union(spans) {
		sum += s.To.Sub(s.From)
	}
	return sum
}

// union joins spans that overlap or touch within a second, since sources end one interval just before the next.
func union(spans []Span) (joined []Span) {
	sorted := slices.SortedFunc(slices.Values(spans), func(a, b Span) int { return a.From.Compare(b.From) })
	for _, s := range sorted {
		if n := len(joined); n > 0 && !s.From.After(joined[n-1].To.Add(time.Second)) {
			if s.To.After(joined[n-1].To) {
				joined[n-1].To = s.To
			}
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

func covers(spans []Span, event Span) bool {
	return slices.ContainsFunc(union(spans), func(s Span) bool {
		return !s.From.After(event.From) && !s.To.Before(event.To)
	})
}

func contradict(e Evidence, t Testimony, event Span) Finding {
	f := Finding{Part: Part{Name: string(t.Source), Side: Against, Points: pointsContradicted}}
	says := []string{fmt.Sprintf("we saw this address all the time from %s to %s and nothing of the kind: wrong zone, spoofed, forged or behind NAT",
		event.From.UTC().Format(time.DateTime), event.To.UTC().Format(time.DateTime))}
	if near, ok := nearest(t.Seen, Span{e.When(), e.Until()}); ok {
		f.Nearest = near
		says = append(says, fmt.Sprintf("the nearest activity is %s", distanceText(near)))
		f.Fits = fittingZones(t.Seen, event)
		if len(f.Fits) > 0 {
			says = append(says, "it fits if the reporter's times are "+strings.Join(f.Fits, " or "))
		}
	}
	if len(f.Fits) > 0 && !e.ZoneKnown {
		f.Side, f.Points = Silent, 0 // the reporter named no zone: one that fits is no contradiction
	}
	f.Why = strings.Join(says, "; ")
	return f
}

func nearest(all []Sighting, event Span) (best time.Duration, ok bool) {
	for _, s := range all {
		if d := event.distance(s.Span); !ok || d.Abs() < best.Abs() {
			best, ok = d, true
		}
	}
	return best, ok
}

func distanceText(d time.Duration) string {
	if d < 0 {
		return d.Abs().Round(time.Minute).String() + " earlier"
	}
	return d.Round(time.Minute).String() + " later"
}

// maxFits bounds the zones named: a host active for hours fits many, and then none of them says much.
const maxFits = 3

// fittingZones tries every whole-hour zone for a time that was taken as UTC: in zone +0800 it lies 8 hours earlier.
func fittingZones(seen []Sighting, event Span) (fits []string) {
	for hours := 1; hours <= 14; hours++ {
		for _, offset := range []int{hours, -hours} {
			if offset < -12 || len(seenIn(seen, event.shift(-time.Duration(offset)*time.Hour))) == 0 {
				continue
			}
			fits = append(fits, fmt.Sprintf("%+03d00", offset))
		}
	}
	if len(fits) > maxFits {
		return nil
	}
	return fits
}
