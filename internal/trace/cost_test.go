package trace

import (
	"strings"
	"testing"
	"time"

	"spoor/internal/costtest"
)

// cost returns the least processor time of several runs of f, a microsecond at least.
func cost(f func()) time.Duration {
	return max(costtest.Least(15, f), time.Microsecond)
}

// Hostile lines must not cost more than their length: the same shape, ten times
// as long, may cost fifty times as much at the very most; a quadratic cost would
// be a hundred times as much.
func TestCostIsLinear(t *testing.T) {
	shapes := map[string]func(n int) string{
		"nested comments":     func(n int) string { return "from x " + strings.Repeat("(", n) + strings.Repeat(")", n) + " by y; date" },
		"open comments":       func(n int) string { return "from x " + strings.Repeat("(", n) + " by y; date" },
		"open comments, text": func(n int) string { return "from x " + strings.Repeat("(a ", n) + " by y; date" },
		"closing parentheses": func(n int) string { return "from x " + strings.Repeat(")", n) + " by y; date" },
		"open brackets":       func(n int) string { return "from x " + strings.Repeat("[", n) + " by y; date" },
		"brackets in words":   func(n int) string { return "from x " + strings.Repeat("a[ ", n) + " by y; date" },
		"open angles":         func(n int) string { return "from x " + strings.Repeat("<", n) + " by y; date" },
		"quotes":              func(n int) string { return "from x (" + strings.Repeat("\" ", n) + ") by y; date" },
		"semicolons":          func(n int) string { return "from x by y " + strings.Repeat(";", n) },
		"NULs":                func(n int) string { return "from x " + strings.Repeat("\x00", n) + " by y; date" },
		"one word":            func(n int) string { return "from " + strings.Repeat("x", n) },
		"keywords":            func(n int) string { return "from x " + strings.Repeat("by with id for via ", n/10) },
		"digits":              func(n int) string { return "from x by y; " + strings.Repeat("1", n) },
		"colons": func(n int) string {
			return "from x (" + strings.Repeat("1:", n) + ") by y; 1:" + strings.Repeat("1:", n)
		},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			small, large := shape(1000), shape(10000)
			run := func(s string) func() {
				return func() {
					for range 4 {
						var h Hop
						h.parse(s)
					}
				}
			}
			a, b := cost(run(small)), cost(run(large))
			if ratio := float64(b) / float64(a); ratio > 50 {
				t.Errorf("ten times the length costs %.0f times as much (%v, %v)", ratio, a, b)
			}
		})
	}
}

// A line of a megabyte, or of as many NULs, is read up to its bound: it costs no
// more than a small multiple of a line at the bound.
func TestCostOfLongLines(t *testing.T) {
	for _, unit := range []string{"x", "\x00", "(", "[", "a ", "<"} {
		parse := func(n int) time.Duration {
			s := "from x (y [192.0.2.1]) by z " + strings.Repeat(unit, n)
			return cost(func() {
				var h Hop
				h.parse(s)
			})
		}
		atBound, beyond := parse(maxLine), parse(1<<20)
		if beyond > 10*atBound+10*time.Microsecond {
			t.Errorf("%q: a megabyte costs %v, the bound %v", unit, beyond, atBound)
		}
	}
}

// Nested comments, as deep as a line has room for, are read like flat bytes; of 10,000,
// which reach beyond the bound, what stands before them is read.
func TestNestedComments(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("(", n) + strings.Repeat(")", n) }
	for _, s := range []string{
		"from x " + nested(maxLine/2-100) + " (y [192.0.2.1]) by z.example; Mon, 5 Oct 2026 10:11:12 +0200",
		"from x (y [192.0.2.1]) by z.example " + nested(10_000) + "; Mon, 5 Oct 2026 10:11:12 +0200",
	} {
		h := ParseReceived([]byte(s))
		if addrText(h.IP) != "192.0.2.1" || h.By != "z.example" || h.Time.IsZero() != (len(s) > maxLine) {
			t.Errorf("%d bytes: %s", len(s), describe(&h))
		}
	}
}

// Nothing is allocated for a line but what its zone may need.
func TestLineAllocations(t *testing.T) {
	for _, s := range benchLines(t) {
		n := testing.AllocsPerRun(20, func() {
			var h Hop
			h.parse(s)
		})
		h := ParseReceived([]byte(s))
		if n > 0 && len(h.Zones) == 0 {
			t.Errorf("%v allocations for %s", n, s)
		}
	}
}
