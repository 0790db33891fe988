package maillog

import "net/netip"

// A factKind says what was found out about a relay or an account.
type factKind uint8

const (
	aMessage  factKind = iota // it handed us a message
	aRefusal                  // we refused it
	aDelivery                 // handing its message on did not work out
	aVirus                    // a scanner found something in its message
	aBadLogin                 // it failed to log in
)

// A fact is one thing that the logs say of a relay, an account or both, with the time in UTC. Its slices live as
// long as the line does: who keeps them copies.
type fact struct {
	kind    factKind
	outcome outcome
	forged  bool
	null    bool // the sender is <>
	at      int64
	addr    netip.Addr // invalid for local mail
	name    []byte
	account string
	sender  []byte
	detail  []byte
	size    int64
	count   int // recipients or repetitions
	raw     []byte
}

// domain is the part of the sender behind the last @, as it stands.
func (f *fact) domain() []byte {
	for i := len(f.sender) - 1; i >= 0; i-- {
		if f.sender[i] == '@' {
			return f.sender[i+1:]
		}
	}
	return nil
}
