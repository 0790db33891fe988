package registry

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	contacts := mustContacts(t, `
[[contact]]
Next-Hop = "203.71.2.209"
Abuse-Contact = "abuse@example.org"
[[contact]]
Next-Hop = "203.71.2.1"
Abuse-Contact = "abuse@example.com"
[[contact]]
IP-Network = "10.1.0.0/16"
Abuse-Contact = "abuse@example.net"
[[contact]]
Interface = "r1/ge-2"
Org-Name = "Lab"
`)
	contacts = append(contacts, mustContacts(t, `
[[contact]]
Next-Hop = "203.71.2.209"
Org-Name = "Another"
Abuse-Contact = "abuse@another.example.org"
`)...)
	table := mustBuild(t, Input{Routes: RoutesOf(mustRoutes(t, sampleRoutes)), Contacts: contacts})
	var got []string
	for _, p := range Check(table) {
		got = append(got, string(p.Kind)+" "+p.Key)
	}
	want := []string{
		"contact_without_mail interface r1/ge-2",
		"contact_without_route next hop 203.71.2.1",
		"contact_without_route prefix 10.1.0.0/16",
		"next_hop_without_contact 203.72.244.226",
		"next_hop_without_contact 203.72.244.230",
		"overlapping_claims next hop 203.71.2.209",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
