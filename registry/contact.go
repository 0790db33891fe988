package registry

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A Contact is where notices to a Holder go, and why we believe so: one record of the
// operator's contact files, or several merged, the more specific first.
type Contact struct {
	Key        Key
	Org        string    // Org-Name
	Admin      []Mailbox // Admin-Contact: a mail address, a name, or both
	Tech       []Mailbox // Tech-Contact
	Abuse      []Mailbox // Abuse-Contact: always with a mail address
	Address    string    // Street-Address; personal data
	City       string
	Country    string // two letters, ISO 3166
	Tel        string // personal data
	Language   string // of notices, as in BCP 47: "zh-TW"; "" is the site's
	Zone       string // of times in notices, an IANA name: "Asia/Taipei"; "" is the site's
	Prefer     Preferences
	Assignment Assignment
	UpdatedBy  string
	Updated    time.Time // a day; zero if not given
	Created    time.Time // a day; zero if not given
	Since      time.Time // when the record began to hold; zero: as long as we know
	Until      time.Time // when another holder followed; zero: it still holds
	Source     string    // file and line: "contacts.toml:12"
}

// A Mailbox is one person or role: a name, a mail address, or both.
type Mailbox struct {
	Name string `json:"name,omitempty"`
	Mail string `json:"mail,omitempty"`
}

// String writes "Name <mail>", or the part that there is.
func (m Mailbox) String() string {
	switch {
	case m.Name == "":
		return m.Mail
	case m.Mail == "":
		return m.Name
	}
	return m.Name + " <" + m.Mail + ">"
}

// Preferences are what a contact asked for about notices.
type Preferences struct {
	Digest *bool    `json:"digest,omitempty"` // one mail for many incidents; nil: the site's default
	Every  Duration `json:"every,omitempty"`  // how often later reports are told; 0: the site's default
	XARF   *bool    `json:"xarf,omitempty"`   // XARF attached; nil: the site's default
	OptOut []string `json:"opt_out,omitempty"`
}

// An Assignment says whether an address alone names its holder.
type Assignment string

// Assignments. The most specific record that gives one decides.
const (
	AssignUnknown Assignment = ""
	AssignStatic  Assignment = "static"  // one holder at a time
	AssignDynamic Assignment = "dynamic" // changes hands: a lease or session log is needed
	AssignShared  Assignment = "shared"  // many at once (NAT): the source port is needed too
)

// A KeyKind says what a Contact is keyed by.
type KeyKind string

// The kinds of key, in their order of precedence at equal prefix length.
const (
	KeyPrefix       KeyKind = "prefix"
	KeyInterface    KeyKind = "interface"
	KeyNextHop      KeyKind = "nexthop"
	KeyOrganisation KeyKind = "organisation"
)

// A Key is what a Contact record is about.
type Key struct {
	Kind      KeyKind
	Prefix    netip.Prefix // of KeyPrefix
	NextHop   netip.Addr   // of KeyNextHop
	Router    string       // of KeyInterface; "" is any router
	Interface string       // of KeyInterface
	Org       string       // of KeyOrganisation, in lower case
}

// String writes the key as "prefix 192.0.2.0/24", "next hop 192.0.2.1" …
func (k Key) String() string {
	switch k.Kind {
	case KeyPrefix:
		return "prefix " + k.Prefix.String()
	case KeyNextHop:
		return "next hop " + k.NextHop.String()
	case KeyInterface:
		return "interface " + k.InterfaceName()
	case KeyOrganisation:
		return "organisation " + k.Org
	}
	return "nothing"
}

// InterfaceName writes the router and interface of the key as "r1/ge-0/0/1", any router
// as "*"; it is empty for other kinds.
func (k Key) InterfaceName() string {
	switch {
	case k.Kind != KeyInterface:
		return ""
	case k.Router == "":
		return "*/" + k.Interface
	}
	return k.Router + "/" + k.Interface
}

func compareKeys(a, b Key) int {
	return cmp.Or(
		cmp.Compare(a.Kind, b.Kind),
		ComparePrefixes(a.Prefix, b.Prefix),
		a.NextHop.Compare(b.NextHop),
		cmp.Compare(a.Router, b.Router),
		cmp.Compare(a.Interface, b.Interface),
		cmp.Compare(a.Org, b.Org),
	)
}

// CompareContacts orders contacts by key, then by the time from which they hold.
func CompareContacts(a, b Contact) int {
	return cmp.Or(compareKeys(a.Key, b.Key), a.Since.Compare(b.Since))
}

// Mails returns the mail addresses for notices: of the abuse role, or where it has none
// of the admin role, or of the tech role. The result is empty when no role has one.
func (c *Contact) Mails() []string {
	for _, role := range [][]Mailbox{c.Abuse, c.Admin, c.Tech} {
		if mails := mailsOf(role); len(mails) > 0 {
			return mails
		}
	}
	return nil
}

// hasMail reports whether Mails has any.
func (c *Contact) hasMail() bool { return anyMail(c.Abuse) || anyMail(c.Admin) || anyMail(c.Tech) }

func anyMail(role []Mailbox) bool {
	return slices.ContainsFunc(role, func(m Mailbox) bool { return m.Mail != "" })
}

func mailsOf(role []Mailbox) []string {
	var mails []string
	for _, m := range role {
		if m.Mail != "" {
			mails = append(mails, m.Mail)
		}
	}
	return mails
}

// ID names the holder stably across its records: the organisation in lower case, or the
// first mail address, or the key.
func (c *Contact) ID() string {
	if c.Org != "" {
		return orgKey(c.Org)
	}
	if mails := c.Mails(); len(mails) > 0 {
		return strings.ToLower(mails[0])
	}
	return c.Key.String()
}

func orgKey(org string) string { return strings.ToLower(strings.Join(strings.Fields(org), " ")) }

// holdsAt reports whether the record held at some moment of the window.
func (c *Contact) holdsAt(from, to time.Time) bool {
	return (c.Since.IsZero() || !to.Before(c.Since)) && (c.Until.IsZero() || from.Before(c.Until))
}

// inherit fills what c leaves open from a less specific record. Mail addresses are
// inherited from another holder only as a whole: a record with any address of its own
// keeps to it, so that a customer's notices never go to the upstream's desk because only
// that one has an Abuse-Contact. It reports the fields that it took.
func (c *Contact) inherit(from *Contact) []string {
	var took []string
	str := func(name string, dst *string, src string) {
		if *dst == "" && src != "" {
			*dst, took = src, append(took, name)
		}
	}
	same := c.Org != "" && orgKey(c.Org) == orgKey(from.Org)
	if from.hasMail() && (same || !c.hasMail()) {
		before := len(c.Abuse) + len(c.Admin) + len(c.Tech)
		c.Abuse, c.Admin, c.Tech = orElse(c.Abuse, from.Abuse), orElse(c.Admin, from.Admin), orElse(c.Tech, from.Tech)
		if len(c.Abuse)+len(c.Admin)+len(c.Tech) != before {
			took = append(took, "mail addresses")
		}
	}
	if c.Org == "" || same {
		str("Address", &c.Address, from.Address)
		str("City", &c.City, from.City)
		str("Country-Code", &c.Country, from.Country)
		str("Tel", &c.Tel, from.Tel)
		str("Updated-By", &c.UpdatedBy, from.UpdatedBy)
		if c.Updated.IsZero() {
			c.Updated = from.Updated
		}
		if c.Created.IsZero() {
			c.Created = from.Created
		}
	}
	str("Org-Name", &c.Org, from.Org)
	str("Language", &c.Language, from.Language)
	str("Time-Zone", &c.Zone, from.Zone)
	c.Prefer.Digest = cmp.Or(c.Prefer.Digest, from.Prefer.Digest)
	c.Prefer.Every = cmp.Or(c.Prefer.Every, from.Prefer.Every)
	c.Prefer.XARF = cmp.Or(c.Prefer.XARF, from.Prefer.XARF)
	if c.Prefer.OptOut == nil {
		c.Prefer.OptOut = from.Prefer.OptOut
	}
	return took
}

func orElse(own, other []Mailbox) []Mailbox {
	if anyMail(own) {
		return own
	}
	return other
}

// EqualContacts reports whether two records say the same, wherever they come from.
func EqualContacts(a, b Contact) bool {
	eqBool := func(x, y *bool) bool { return x == y || x != nil && y != nil && *x == *y }
	return a.Key == b.Key && a.Org == b.Org && slices.Equal(a.Admin, b.Admin) &&
		slices.Equal(a.Tech, b.Tech) && slices.Equal(a.Abuse, b.Abuse) &&
		a.Address == b.Address && a.City == b.City && a.Country == b.Country && a.Tel == b.Tel &&
		a.Language == b.Language && a.Zone == b.Zone && eqBool(a.Prefer.Digest, b.Prefer.Digest) &&
		a.Prefer.Every == b.Prefer.Every && eqBool(a.Prefer.XARF, b.Prefer.XARF) && slices.Equal(a.Prefer.OptOut, b.Prefer.OptOut) &&
		a.Assignment == b.Assignment && a.UpdatedBy == b.UpdatedBy && a.Updated.Equal(b.Updated) &&
		a.Created.Equal(b.Created)
}
