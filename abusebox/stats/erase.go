package stats

import "strings"

// Without is e with nobody named who is to be forgotten.
func (e Event) Without(person string) Event {
	for _, name := range []*string{&e.Contact, &e.Reporter} {
		if isNamed(*name, person) {
			*name = ""
		}
	}
	return e
}

// Erase takes a person's address, or a domain, out of the lists of names, and says whether it was there. Counts stay.
func (t *Table) Erase(person string) (found bool) {
	for name := range t.broken {
		if isNamed(name, person) {
			delete(t.broken, name)
			found = true
		}
	}
	for key := range t.judged {
		if key.kind == "reporter" && isNamed(key.name, person) {
			delete(t.judged, key)
			found = true
		}
	}
	for _, tops := range t.tops {
		found = tops.Erase(func(name string) bool { return isNamed(name, person) }) || found
	}
	return found
}

func isNamed(name, person string) bool {
	return person != "" && strings.Contains(strings.ToLower(name), strings.ToLower(person))
}
