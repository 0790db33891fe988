package history

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"spoor/flowwatch/activity"
)

// FuzzBlock reads blocks that are not what was written: whatever is understood must be the same when it is written and read again.
func FuzzBlock(f *testing.F) {
	start := time.Unix(1790000000, 0).UTC()
	a := activity.Activity{Host: netip.MustParsePrefix("192.0.2.7/32"), Start: start, First: start, Last: start, Sampling: 1}
	a.Series[activity.Out] = activity.Counts{Flows: 3, Packets: 400, Bytes: 70000}
	for i := range 30 {
		a.Peers.Add(uint32(i) << 25)
	}
	one := appendActivity(nil, &a)
	f.Add(one)
	f.Add(append(bytes.Clone(one), one[:20]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		var list []activity.Activity
		r := reader{b: b, start: start}
		for a := (activity.Activity{Start: start}); r.next(&a); {
			list = append(list, a)
		}
		var again []byte
		for i := range list {
			if !list[i].Host.IsValid() {
				return // a length that no address has
			}
			again = appendActivity(again, &list[i])
		}
		r = reader{b: again, start: start}
		back := activity.Activity{Start: start}
		for i := range list {
			if !r.next(&back) || !bytes.Equal(appendActivity(nil, &back), appendActivity(nil, &list[i])) {
				t.Fatalf("read %+v, and of what was written of it %+v (%v)", list[i], back, r.err)
			}
		}
	})
}
