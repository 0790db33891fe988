package incident

import (
	"fmt"
	"slices"
)

// A Level is how well something is founded, in one word.
type Level string

// The levels, lowest first.
const (
	None   Level = "none"
	Low    Level = "low"
	Medium Level = "medium"
	High   Level = "high"
)

var levelOrder = []Level{None, Low, Medium, High}

// AtLeast reports whether l is floor or better; an unknown level is the lowest.
func (l Level) AtLeast(floor Level) bool {
	return max(slices.Index(levelOrder, l), 0) >= slices.Index(levelOrder, floor)
}

// A Ground is a reason that may lift an allegation above the confidence floor.
type Ground string

// The grounds that `[incident] auto` may name.
const (
	Authenticated Ground = "authenticated" // the reporter's domain is proven by DKIM or SPF, and it states the address
	Structured    Ground = "structured"    // a format read by its structure, about an address of ours
	OwnEvidence   Ground = "evidence"      // what our own network saw agrees
)

// Grounds lists every ground.
func Grounds() []Ground { return []Ground{Authenticated, Structured, OwnEvidence} }

// A Part is one contribution to a Confidence, and why it counts.
type Part struct {
	Name   string `json:"name"`
	Side   Side   `json:"side"`
	Points int    `json:"points"`
	Why    string `json:"why"`
}

// Confidence is how well an allegation is founded, with all its parts.
type Confidence struct {
	Level        Level    `json:"level"`
	Score        int      `json:"score"` // 0 to 100
	Grounds      []Ground `json:"grounds,omitempty"`
	Contradicted bool     `json:"contradicted,omitempty"` // our proven coverage shows otherwise
	Parts        []Part   `json:"parts,omitempty"`
}

// Has reports whether c stands on one of the grounds.
func (c Confidence) Has(grounds []Ground) bool {
	return slices.ContainsFunc(c.Grounds, func(g Ground) bool { return slices.Contains(grounds, g) })
}

// Points of each part. They order allegations for people; what goes out by itself is decided by grounds alone.
const (
	pointsAuthenticated = 40
	pointsStructured    = 25
	pointsKnownReporter = 20
	pointsFallback      = 5
	pointsOwnEvidence   = 40
	pointsListed        = 15
	pointsEarlier       = 10
	pointsContradicted  = -60
	scoreHigh           = 60
	scoreMedium         = 25
)

// Assess weighs one complaint with what our own sources say about it and what came before at this address.
func Assess(e Evidence, testimonies []Testimony, earlier []Incident) Confidence {
	var c Confidence
	c.add(reporterPart(e))
	if e.Reporter.Proven() && !e.Claimed && e.Level.AtLeast(Medium) { // whom we only guess, no signature accuses
		c.Grounds = append(c.Grounds, Authenticated)
	}
	c.add(formatPart(e))
	if e.madeForMachines() && e.Level.AtLeast(Medium) && !e.Claimed {
		c.Grounds = append(c.Grounds, Structured)
	}
	for _, t := range testimonies {
		finding := Weigh(e, t)
		c.add(finding.Part)
		switch {
		case finding.Side == Against:
			c.Contradicted = true
		case finding.Strong && !e.Claimed && !slices.Contains(c.Grounds, OwnEvidence):
			c.Grounds = append(c.Grounds, OwnEvidence)
		}
	}
	if n := confirmed(earlier); n > 0 {
		c.add(Part{Name: "earlier", Side: For, Points: pointsEarlier, Why: fmt.Sprintf("%d earlier incidents here were confirmed", n)})
	}
	if slices.Contains(c.Grounds, OwnEvidence) {
		c.Contradicted = false // one source that saw it outweighs another that did not
	}
	return c.settle()
}

func reporterPart(e Evidence) Part {
	if e.Reporter.Proven() {
		return Part{"reporter", For, pointsAuthenticated, fmt.Sprintf("%s is authenticated by %s", e.Reporter.Domain, e.Reporter.Authenticated)}
	}
	return Part{"reporter", Silent, 0, "the reporter is not authenticated"}
}

func formatPart(e Evidence) Part {
	why := e.Why
	if why == "" {
		why = "as the complaint says"
	}
	if e.Claimed {
		return Part{"format", For, pointsFallback, "claimed: " + why}
	}
	switch e.Step {
	case "structure":
		return Part{"format", For, pointsStructured, why}
	case "reporter":
		return Part{"format", For, pointsKnownReporter, why}
	default:
		return Part{"format", For, pointsFallback, why}
	}
}

func confirmed(earlier []Incident) (n int) {
	for _, i := range earlier {
		if i.Verdict == Confirmed {
			n++
		}
	}
	return n
}

func (c *Confidence) add(p Part) { c.Parts = append(c.Parts, p) }

// settle sums the parts into a score within bounds and a level.
func (c Confidence) settle() Confidence {
	c.Score = 0
	for _, p := range c.Parts {
		c.Score += p.Points
	}
	c.Score = min(max(c.Score, 0), 100)
	switch {
	case c.Contradicted:
		c.Level = Low
	case c.Score >= scoreHigh:
		c.Level = High
	case c.Score >= scoreMedium:
		c.Level = Medium
	case c.Score > 0:
		c.Level = Low
	default:
		c.Level = None
	}
	return c
}

// better returns the better founded of two: an uncontradicted one before a contradicted one, then by grounds and score.
func better(a, b Confidence) Confidence {
	switch {
	case len(b.Parts) == 0:
		return a
	case len(a.Parts) == 0 || a.Contradicted && !b.Contradicted:
		return b
	case b.Contradicted && !a.Contradicted:
		return a
	case len(b.Grounds) > len(a.Grounds) || len(b.Grounds) == len(a.Grounds) && b.Score > a.Score:
		return b
	}
	return a
}
