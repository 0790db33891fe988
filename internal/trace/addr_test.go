package trace

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// parseAddr agrees with net/netip on every string that netip reads, and reads
// none that netip does not, but for what headers add: brackets, prefix, scope.
func TestParseAddr(t *testing.T) {
	check := func(s string) {
		t.Helper()
		want, err := netip.ParseAddr(s)
		got, ok := parseIPv6(s)
		if want.Is4() {
			got, ok = parseIPv4(s)
		}
		if ok != (err == nil) || ok && got != want.Unmap() {
			t.Fatalf("%q: %v %v, netip says %v %v", s, got, ok, want, err)
		}
	}
	for _, s := range []string{"::", "::1", "1::", ":", ":::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9",
		"::ffff:192.0.2.1", "1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:7:192.0.2.1", "::192.0.2.1:1", "12345::", "2001:db8::1::", "2001:db8:", "2001:DB8::A", "1:2", ""} {
		check(s)
	}
	r := rand.New(rand.NewPCG(4, 4))
	parts := []string{":", "::", "0", "1", "fe80", "a", "ffff", "192.0.2.1", "256", ".", "2001", "db8", "g"}
	for range 200_000 {
		s := ""
		for range r.IntN(17) {
			s += parts[r.IntN(len(parts))]
		}
		if _, v4 := parseIPv4(s); !v4 {
			check(s)
		}
	}
	for range 10_000 {
		var b [16]byte
		for i := range b {
			b[i] = byte(r.UintN(256)) * byte(r.UintN(2))
		}
		check(netip.AddrFrom16(b).String())
	}
	for _, s := range []string{"[2001:db8::1]", "IPv6:2001:db8::1", "2001:db8::1%eth0", "[IPv6:2001:db8::1]"} {
		if a, ok := parseAddr(s); !ok || a != netip.MustParseAddr("2001:db8::1") {
			t.Errorf("%s: %v %v", s, a, ok)
		}
	}
}
