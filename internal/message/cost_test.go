package message

import (
	"strings"
	"testing"
	"time"

	"spoor/internal/costtest"
)

// cost returns the least processor time of several reads, texts decoded.
func cost(b []byte) time.Duration {
	return costtest.Least(7, func() {
		m := Read(b, Limits{})
		m.Walk(func(p *Part) bool { p.Text(); return true })
	})
}

// The cost of hostile shapes is compared with that of the same number of bytes
// in a shape that is known to be cheap, or with a tenth of themselves.
func TestCostIsLinear(t *testing.T) {
	shapes := map[string]func(n int) string{
		"nested": nested,
		"parts": func(n int) string {
			return "Content-Type: multipart/mixed; boundary=x\n\n" + strings.Repeat("--x\n\nhi\n", n*10)
		},
		"header lines": func(n int) string { return strings.Repeat("Received: from a by b\n", n*6) + "\nhi" },
		"folds":        func(n int) string { return "A: b\n" + strings.Repeat(" x\n", n*10) + "\nhi" },
		"no colon":     func(n int) string { return strings.Repeat("nothing\n", n*10) },
		"almost delims": func(n int) string {
			return "Content-Type: multipart/mixed; boundary=x\n\n" + strings.Repeat("--xy\n", n*10)
		},
		"equals signs": func(n int) string {
			return "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("= ", n*20)
		},
		"spaces": func(n int) string {
			return "Content-Transfer-Encoding: quoted-printable\n\n=" + strings.Repeat(" ", n*40)
		},
		"mails":  func(n int) string { return strings.Repeat("Content-Type: message/rfc822\n\n", n*3) },
		"params": func(n int) string { return "Content-Type: a/b;" + strings.Repeat(" a=b;", n*8) + "\n\nx" },
		"words":  func(n int) string { return "Subject: " + strings.Repeat("=?utf-8?q?a?= ", n*4) + "\n\nx" },
	}
	const n = 2000
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			small, large := []byte(shape(n)), []byte(shape(n*10))
			bytesRatio := float64(len(large)) / float64(len(small))
			costRatio := leastRatio(large, small, 20*time.Microsecond, 3*bytesRatio)
			if costRatio > 5*bytesRatio {
				t.Errorf("%.1f times the bytes cost %.1f times as much", bytesRatio, costRatio)
			}
		})
	}
}

func TestNestedAgainstFlat(t *testing.T) {
	for name, in := range map[string]string{
		"5,000 deep":          nested(5000),
		"200,000 parts":       "Content-Type: multipart/mixed; boundary=x\n\n" + strings.Repeat("--x\n\nhi\n", 200_000),
		"30,000 header lines": strings.Repeat("Received: from a.example by b.example; today\n", 30_000) + "\nhi",
	} {
		t.Run(name, func(t *testing.T) {
			flat := []byte("Subject: x\n\n" + in)
			ratio := leastRatio([]byte(in), flat, 50*time.Microsecond, 60)
			// Flat text is copied and checked once; a tree of 2,000 parts and 16 levels may cost some passes more.
			if ratio > 100 {
				t.Errorf("costs %.0f times the same bytes flat", ratio)
			}
		})
	}
}

func TestHeaderWordsInOneField(t *testing.T) {
	in := "Subject: " + strings.Repeat("=?utf-8?q?a?= ", 1000) + "\n\n"
	h, _, _ := ReadHeader([]byte(in), Limits{})
	if got := h.Text("Subject"); got != strings.Repeat("a", 1000) {
		t.Errorf("got %d bytes", len(got))
	}
}

// leastRatio compares the costs of two inputs; while the answer is above enough
// it is asked again, since another process may have had the core.
func leastRatio(a, b []byte, grace time.Duration, enough float64) float64 {
	least := 0.0
	for try := range 6 {
		ratio := float64(cost(a)) / float64(cost(b)+grace)
		if try == 0 || ratio < least {
			least = ratio
		}
		if least <= enough {
			break
		}
	}
	return least
}
