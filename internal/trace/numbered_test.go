package trace

import (
	"net/netip"
	"testing"
)

func TestNumberedAfter(t *testing.T) {
	for _, tc := range []struct {
		name, ip string
		want     bool
	}{
		{"dsl-203-0-113-9.isp.example", "203.0.113.9", true},
		{"9.113.0.203.dyn.isp.example", "203.0.113.9", true},
		{"c-203-0-113-9.hsd1.isp.example", "203.0.113.9", true},
		{"pool203-000-113-009.isp.example", "203.0.113.9", true},
		{"p203000113009.isp.example", "203.0.113.9", true},
		{"pCB007109.dip0.isp.example", "203.0.113.9", true},
		{"static.9.113.0.203.clients.hoster.example", "203.0.113.9", true},
		{"out203-0-113-9.mail.isp.example", "203.0.113.9", false},
		{"mail-203-0-113-9.isp.example", "203.0.113.9", false},
		{"dsl-203-0-113-10.isp.example", "203.0.113.9", false},
		{"host1203-0-113-9.isp.example", "203.0.113.9", false},
		{"web9.isp.example", "203.0.113.9", false},
		{"isp.example", "203.0.113.9", false},
		{"203-0-113-9.example", "203.0.113.9", false}, // an organisation's own name
		{"v6.isp.example", "2001:db8::9", false},
	} {
		if got := numberedAfter(tc.name, netip.MustParseAddr(tc.ip)); got != tc.want {
			t.Errorf("%s %s: %v", tc.name, tc.ip, got)
		}
	}
}
