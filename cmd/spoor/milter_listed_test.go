package main

import (
	"io"
	"net/http"
	"net/netip"
	"testing"

	"spoor/cmd/spoor/control"
)

// A milter in a process of its own knows the daemon's list, customers' whole prefixes of IPv6 included.
func TestRemoteList(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /flows/anomalies", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"host":"192.0.2.7","reasons":[{"text":"sent to 400 hosts"}]}
{"host":"2001:db8:0:7::/64","reasons":[{"text":"sent to 900 hosts"}]}
{"host":"192.0.2.8","allowed":"a newsletter","reasons":[{"text":"sent to 400 hosts"}]}
{"host":"192.0.2.9","until":"2026-05-01T10:00:00Z","reasons":[{"text":"sent to 400 hosts"}]}
`)
	})
	r := &remoteListed{main: control.Local(mux)}
	if _, listed := r.Listed(netip.MustParseAddr("192.0.2.7")); listed {
		t.Error("listed before the daemon was asked")
	}
	hosts, err := r.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.hosts.Store(hosts)
	for addr, want := range map[string]string{
		"192.0.2.7": "sent to 400 hosts", "::ffff:192.0.2.7": "sent to 400 hosts", "2001:db8:0:7:1::9": "sent to 900 hosts",
		"192.0.2.8": "", "192.0.2.9": "", "2001:db8:0:8::9": "", "192.0.2.70": "",
	} {
		if why, listed := r.Listed(netip.MustParseAddr(addr)); why != want || listed != (want != "") {
			t.Errorf("%s: %q, listed %v, want %q", addr, why, listed, want)
		}
	}
}
