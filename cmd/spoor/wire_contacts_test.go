package main

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/cmd/spoor/config"
)

// What a contact file asks for is what the desk goes by: language, time zone, digest, no XARF, what it is not told, and the
// next wider network's contact for an escalation. What a record leaves open it takes from the wider one.
func TestContactsOfTheDesk(t *testing.T) {
	dir := t.TempDir()
	contacts := `[[contact]]
IP-Network = "192.0.0.0/16"
Org-Name = "Upstream Network"
Abuse-Contact = "noc@upstream.example"
Language = "en"
Time-Zone = "Europe/Vienna"
[[contact]]
IP-Network = "192.0.2.0/24"
Org-Name = "Example School"
Abuse-Contact = "noc@school.example"
Language = "zh-TW"
Time-Zone = "Asia/Taipei"
Digest = true
Digest-Every = "7d"
XARF = false
Opt-Out = ["copyright"]
[[contact]]
IP-Network = "192.0.2.128/25"
Org-Name = "Example School"
Tech-Contact = "lab@school.example"
[[contact]]
IP-Network = "192.0.3.0/24"
Org-Name = "Example Club"
Abuse-Contact = "club@club.example"
`
	for name, text := range map[string]string{"contacts.toml": contacts, "spoor.toml": "[site]\nnetworks = [\"192.0.0.0/16\"]\n[registry]\ncontacts = [\"contacts.toml\"]\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "spoor.toml"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Store.Dir = filepath.Join(dir, "store")
	room, err := openRegistry(t.Context(), cfg, slog.New(slog.DiscardHandler), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer room.Close()
	for _, tc := range []struct {
		ip   string
		want incident.Contact
	}{
		{"192.0.2.25", incident.Contact{Addresses: []string{"noc@school.example"}, Name: "Example School", Language: "zh-TW", Zone: "Asia/Taipei",
			Delivery: "digest", Every: 7 * 24 * time.Hour, NoXARF: true, OptOut: []string{"copyright"}, Upstream: []string{"noc@upstream.example"}}},
		{"192.0.3.25", incident.Contact{Addresses: []string{"club@club.example"}, Name: "Example Club", Language: "en", Zone: "Europe/Vienna",
			Upstream: []string{"noc@upstream.example"}}},
		{"192.0.9.25", incident.Contact{Addresses: []string{"noc@upstream.example"}, Name: "Upstream Network", Language: "en", Zone: "Europe/Vienna"}},
	} {
		a, err := holders{room.Registry}.Holders(t.Context(), abusebox.Whose{Addr: netip.MustParseAddr(tc.ip), At: time.Now()})
		if err != nil || len(a.Holders) != 1 {
			t.Fatalf("%s: %+v, %v", tc.ip, a, err)
		}
		got := a.Holders[0].Contact
		got.Why = ""
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.ip, diff)
		}
	}
	// A part of the same holder's network is no upstream of itself.
	a, err := holders{room.Registry}.Holders(t.Context(), abusebox.Whose{Addr: netip.MustParseAddr("192.0.2.200"), At: time.Now()})
	if err != nil || len(a.Holders) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	if diff := cmp.Diff([]string{"noc@upstream.example"}, a.Holders[0].Contact.Upstream); diff != "" {
		t.Errorf("192.0.2.200 escalates to the wrong people: %s", diff)
	}
}
