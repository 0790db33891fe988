// Package registrytest builds the small tables that the tests of the registry's servers answer from.
package registrytest

import (
	"strings"
	"testing"

	"spoor/registry"
)

// First is a contact by next hop 192.0.2.1, with personal data.
const First = `
[[contact]]
Next-Hop = "192.0.2.1"
Org-Name = "First University"
Admin-Contact = "Ann Admin <ann@first.example.edu>"
Abuse-Contact = "abuse@first.example.edu"
Address = "1 Main Street"
City = "Hsinchu"
Country-Code = "TW"
Tel = "+886 3 000"
Updated-By = "house"
Updated = "2003-11-30"
`

// Physics is a contact of the network 198.51.100.0/24, without its mailbox and assignment.
const Physics = `
[[contact]]
IP-Network = "198.51.100.0/24"
Org-Name = "Physics"
`

// Table builds a table of routes (CSV with a head) and contacts (TOML).
func Table(t testing.TB, routes, contacts string) *registry.Table {
	t.Helper()
	read, err := registry.ReadRoutes("routes", strings.NewReader(routes))
	if err != nil {
		t.Fatal(err)
	}
	known, err := registry.ReadContacts("contacts.toml", strings.NewReader(contacts))
	if err != nil {
		t.Fatal(err)
	}
	table, err := registry.Build(registry.Input{Routes: registry.RoutesOf(read), Contacts: known})
	if err != nil {
		t.Fatal(err)
	}
	return table
}
