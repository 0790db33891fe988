package report

import (
	"fmt"
	"strings"
	"testing"
)

// The cost of hostile letters stays in step with their length where rules look
// at the lines and words around an address, or at the subject's.
func TestCostOfContextIsLinear(t *testing.T) {
	shapes := map[string]func(n int) (subject, body string){
		"spaced dots": func(n int) (string, string) { return "attack", strings.Repeat(" .", n*6) },
		"spaced quads": func(n int) (string, string) {
			return "attack", strings.Repeat("203 .0 .113 .7 ", n)
		},
		"digits":       func(n int) (string, string) { return "attack", strings.Repeat("1", n*12) + " .2 .3 .4" },
		"last numbers": func(n int) (string, string) { return "attack", "203.0.113.7" + strings.Repeat(", .8 ", n*3) },
		"wide digits":  func(n int) (string, string) { return "attack", strings.Repeat("２０３．", n) },
		"broken lines": func(n int) (string, string) {
			return "attack", repeated(n, func(i int) string {
				return "and then the attacker went on from his host " + numbered(i) + " with\n"
			})
		},
		"clauses": func(n int) (string, string) {
			return "attack", repeated(n, func(i int) string { return "thanks.a.b.c " + numbered(i) })
		},
		"lists of the subject's": func(n int) (string, string) {
			m := min(n, 5000) / 5
			return repeated(m, func(i int) string { return numbered(i) + " " }), repeated(n, func(i int) string { return numbered(i%m) + ": host\n" })
		},
		"handed on": func(n int) (string, string) {
			return "Fwd: complaint", strings.Repeat("complaint\nFrom: a@b\nTo: d@e\nSubject: c\nDate: Thu, 01 Oct 2026 12:00:00 +0000\n\n08:14:00 from 203.0.113.7\n", n/4)
		},
		"quoted": func(n int) (string, string) {
			return "Re: attack", "from 203.0.113.7\nOn Thu, a wrote:\n" + repeated(n, func(i int) string { return "> from " + numbered(i) + "\n" })
		},
		"objects": func(n int) (string, string) { return "attack", strings.Repeat("{\"a\":\n}\n", n*2) },
		"unknown language": func(n int) (string, string) {
			return "x", "qwe rty uio asd fgh jkl 203.0.113.7 zxc vbn\n" + repeated(n, func(i int) string { return fmt.Sprintf("qwe 12.%d.%d.0/24\n", i>>8&255, i&255) })
		},
	}
	const n = 200
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			mail := func(n int) []byte {
				subject, body := shape(n)
				return []byte(strings.Replace(head, "abuse report", subject, 1) + "\n" + body)
			}
			isLinear(t, mail(n), mail(n*10))
		})
	}
}
