package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"spoor/registry"
)

// The milter learns from memory whose an address is, and of shared or dynamic addresses only that they are ours.
func TestMilterHolders(t *testing.T) {
	dir := t.TempDir()
	contacts := `[[contact]]
IP-Network    = "192.0.2.0/25"
Org-Name      = "Example School"
Abuse-Contact = "it@school.example"

[[contact]]
IP-Network    = "192.0.2.128/25"
Org-Name      = "Example Dormitory"
Abuse-Contact = "dorm@university.example"
Assignment    = "dynamic"
`
	if err := os.WriteFile(filepath.Join(dir, "contacts.toml"), []byte(contacts), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := registry.DefaultConfig()
	cfg.Contacts = []string{"contacts.toml"}
	reg, err := registry.New(t.Context(), registry.Deps{Config: cfg, Dir: dir, Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]struct {
		name string
		ours bool
	}{
		"192.0.2.7":        {"Example School", true},
		"::ffff:192.0.2.7": {"Example School", true},
		"192.0.2.200":      {"", true},
		"198.51.100.1":     {"", true},
		"203.0.113.9":      {"", false},
		"127.0.0.1":        {"", false},
	} {
		name, ours := milterHolders{reg}.Holder(netip.MustParseAddr(addr))
		if name != want.name || ours != want.ours {
			t.Errorf("%s: %q, ours %v, want %+v", addr, name, ours, want)
		}
		if answer := reg.Holder(registry.Query{Addr: netip.MustParseAddr(addr)}); answer.Ours != ours {
			t.Errorf("%s: the registry's full answer is ours %v", addr, answer.Ours)
		}
	}
}

// BenchmarkMilterHolders is what the milter asks of the registry for one address.
func BenchmarkMilterHolders(b *testing.B) {
	reg, err := registry.New(b.Context(), registry.Deps{Config: registry.DefaultConfig(), Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("192.0.2.7")
	b.ReportAllocs()
	for b.Loop() {
		milterHolders{reg}.Holder(addr)
	}
}
