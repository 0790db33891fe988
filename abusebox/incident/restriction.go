package incident

import (
	"fmt"
	"time"
)

// A Restriction is a block of an address while it is or was in force.
type Restriction struct {
	From  time.Time
	To    time.Time // zero while it lasts
	What  string    // what it stops, in a few words: "port 25 outbound"
	Stops bool      // what is alleged would have been stopped by it
}

// covers reports whether the whole of an event lay within the restriction.
func (r Restriction) covers(event Span) bool {
	return !r.From.After(event.From) && (r.To.IsZero() || !r.To.Before(event.To))
}

func (r Restriction) overlaps(event Span) bool {
	return !r.From.After(event.To) && (r.To.IsZero() || !r.To.Before(event.From))
}

func (r Restriction) text() string {
	if r.To.IsZero() {
		return fmt.Sprintf("%s, since %s", r.What, r.From.UTC().Format(time.DateTime))
	}
	return fmt.Sprintf("%s, from %s to %s", r.What, r.From.UTC().Format(time.DateTime), r.To.UTC().Format(time.DateTime))
}

// weighRestrictions holds a complaint against the blocks of its address. One that would have stopped what is alleged,
// all the time, speaks against it; one of another time, set before the complaint came in, shows that the address was
// known to us. Blocks tell of no coverage, so that where there is none nothing follows.
func weighRestrictions(e Evidence, t Testimony, event Span) Finding {
	part := Part{Name: string(t.Source), Side: Silent, Why: "no block of this address tells anything about that time"}
	for _, r := range t.Restricted {
		switch {
		case r.overlaps(event) && (e.Undated || !e.ZoneKnown):
			part.Why = fmt.Sprintf("it was blocked (%s), but when this happened is not certain", r.text())
		case r.Stops && r.covers(event):
			return Finding{Part: Part{part.Name, Against, pointsContradicted,
				fmt.Sprintf("it was blocked at that time (%s), so that this cannot have left through us: wrong time, spoofed, or the block does not work", r.text())}}
		case r.overlaps(event):
			part.Why = fmt.Sprintf("it was blocked for a part of that time, or for something else (%s)", r.text())
		case r.Stops && r.From.Before(e.Received) && part.Side == Silent:
			part.Side, part.Points, part.Why = For, pointsEarlier, fmt.Sprintf("it was blocked for the same at another time (%s)", r.text())
		}
	}
	return Finding{Part: part}
}
