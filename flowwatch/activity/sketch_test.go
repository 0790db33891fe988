package activity_test

import (
	"testing"

	"spoor/flowwatch/activity"
)

// FuzzSketch reads sketches that are not what Append wrote, and merges them.
func FuzzSketch(f *testing.F) {
	var s activity.Sketch
	f.Add(s.Append(nil), []byte{0})
	for i := range 30 {
		s.Add(uint32(i) << 20)
	}
	f.Add(s.Append(nil), []byte{255})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var x, y, back activity.Sketch
		if x.Read(a) == nil || y.Read(b) == nil {
			return
		}
		least := max(x.Count(), 0)
		x.Merge(&y)
		if n := x.Count(); n < 0 || x.Exact() && n < least {
			t.Fatalf("%d peers, of which one half had %d", n, least)
		}
		if back.Read(x.Append(nil)) == nil || !back.Equal(x) {
			t.Fatal("what is written is not what is read")
		}
	})
}
