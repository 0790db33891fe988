package trace

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// checkUsual holds that both readers of a line read the same, and says whether
// the line is a usual one.
func checkUsual(tb testing.TB, s string) bool {
	tb.Helper()
	var r lineReader
	h, g := Hop{RDNSState: RDNSUnknown}, Hop{RDNSState: RDNSUnknown}
	usual := r.readUsual(&h, fieldValue(s))
	if usual {
		r.readAny(&g, fieldValue(s))
	}
	same := cmp.Diff(g, h, cmp.AllowUnexported(Hop{}, Date{}), cmpopts.EquateComparable(netip.Addr{}))
	if same != "" {
		tb.Fatalf("%q is read differently (-by any form, +by the usual form; a line that is not usual must leave no trace):\n%s", s, same)
	}
	return usual
}

// A line in the usual form is read as if it were in any other, and most lines of
// real mail are in that form.
func TestUsual(t *testing.T) {
	for _, s := range benchLines(t) {
		checkUsual(t, s)
	}
	lines, usual := headerLines(t), 0
	for _, s := range lines {
		if checkUsual(t, s) {
			usual++
		}
	}
	if usual < len(lines)*6/10 {
		t.Errorf("only %d of %d lines, which are in the shares of real mail, are usual ones", usual, len(lines))
	}
}

func FuzzUsual(f *testing.F) {
	for _, s := range append(benchLines(f), headerLines(f)...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkUsual(t, s) })
}
