package rdap

import (
	"net/netip"
	"strings"
	"time"

	"spoor/registry"
)

// network is an "ip network" object (RFC 9083 §5.4).
type network struct {
	Conformance  []string `json:"rdapConformance"`
	Class        string   `json:"objectClassName"`
	Handle       string   `json:"handle"`
	StartAddress string   `json:"startAddress"`
	EndAddress   string   `json:"endAddress"`
	IPVersion    string   `json:"ipVersion"`
	Name         string   `json:"name,omitempty"`
	Type         string   `json:"type,omitempty"`
	Country      string   `json:"country,omitempty"`
	ParentHandle string   `json:"parentHandle,omitempty"`
	Status       []string `json:"status"`
	CIDR         []cidr   `json:"cidr0_cidrs"`
	Events       []event  `json:"events,omitempty"`
	Entities     []entity `json:"entities,omitempty"`
	Remarks      []notice `json:"remarks,omitempty"`
	Links        []link   `json:"links"`
	Notices      []notice `json:"notices,omitempty"`
	Port43       string   `json:"port43,omitempty"`
}

// cidr is an element of the cidr0 extension.
type cidr struct {
	V4     string `json:"v4prefix,omitempty"`
	V6     string `json:"v6prefix,omitempty"`
	Length int    `json:"length"`
}

type event struct {
	Action string `json:"eventAction"`
	Actor  string `json:"eventActor,omitempty"`
	Date   string `json:"eventDate"`
}

// entity is a holder or one of its roles (RFC 9083 §5.1), with a jCard (RFC 7095).
type entity struct {
	Class    string   `json:"objectClassName"`
	Handle   string   `json:"handle,omitempty"`
	Roles    []string `json:"roles"`
	VCard    []any    `json:"vcardArray"`
	Entities []entity `json:"entities,omitempty"`
	Lang     string   `json:"lang,omitempty"`
}

type link struct {
	Value string `json:"value"`
	Rel   string `json:"rel"`
	Href  string `json:"href"`
	Type  string `json:"type"`
}

type notice struct {
	Title       string   `json:"title,omitempty"`
	Description []string `json:"description"`
}

type helpAnswer struct {
	Conformance []string `json:"rdapConformance"`
	Notices     []notice `json:"notices"`
}

type errorAnswer struct {
	Conformance []string `json:"rdapConformance"`
	Code        int      `json:"errorCode"`
	Title       string   `json:"title"`
	Description []string `json:"description,omitempty"`
}

func handle(p netip.Prefix) string { return "NET-" + strings.ReplaceAll(p.String(), "/", "-") }

func networkAnswer(n registry.Network, base string, personal bool) network {
	p := n.Prefix
	self := base + "/ip/" + p.String()
	out := network{Conformance: conformance, Class: "ip network", Handle: handle(p), StartAddress: p.Addr().String(),
		EndAddress: registry.LastAddr(p).String(), IPVersion: "v4", Type: "ASSIGNED", Status: []string{"active"},
		CIDR: []cidr{{V4: p.Addr().String(), Length: p.Bits()}}, Links: []link{{self, "self", self, contentType[0]}}}
	if p.Addr().Is6() {
		out.IPVersion, out.CIDR = "v6", []cidr{{V6: p.Addr().String(), Length: p.Bits()}}
	}
	if n.Parent.IsValid() {
		out.ParentHandle = handle(n.Parent)
		out.Links = append(out.Links, link{self, "up", base + "/ip/" + n.Parent.String(), contentType[0]})
	}
	if n.Assignment == registry.AssignDynamic || n.Assignment == registry.AssignShared {
		out.Remarks = []notice{{Title: "assignment", Description: []string{"addresses are " + string(n.Assignment)}}}
	}
	if c := n.Contact; c != nil {
		out.Name, out.Country = c.Org, c.Country
		out.Events = events(c)
		out.Entities = []entity{registrant(c, personal)}
	}
	if !personal {
		out.Notices = []notice{{Title: "Privacy", Description: []string{"Telephone numbers and street addresses are left out for the public."}}}
	}
	return out
}

func events(c *registry.Contact) []event {
	var all []event
	if !c.Created.IsZero() {
		all = append(all, event{"registration", "", c.Created.Format(time.RFC3339)})
	}
	if !c.Updated.IsZero() {
		all = append(all, event{"last changed", c.UpdatedBy, c.Updated.Format(time.RFC3339)})
	}
	return all
}

// registrant shows the holder, and in it its roles.
func registrant(c *registry.Contact, personal bool) entity {
	name := c.Org
	if name == "" {
		name = c.ID()
	}
	card := jCard(name, "org")
	if personal && c.Address != "" {
		card.add("adr", map[string]string{"label": c.Address}, "text", []string{"", "", "", c.City, "", "", c.Country})
	} else if c.City != "" || c.Country != "" {
		card.add("adr", map[string]string{}, "text", []string{"", "", "", c.City, "", "", c.Country})
	}
	if personal && c.Tel != "" {
		card.add("tel", map[string]string{"type": "voice"}, "text", c.Tel)
	}
	e := entity{Class: "entity", Handle: "HOLDER-" + c.ID(), Roles: []string{"registrant"}, VCard: card.array(), Lang: c.Language}
	roles := []struct {
		role string
		list []registry.Mailbox
	}{{"abuse", c.Abuse}, {"administrative", c.Admin}, {"technical", c.Tech}}
	answers := map[string]bool{} // where notices go, whichever role that is
	for _, m := range c.Mails() {
		answers[m] = len(c.Abuse) == 0
	}
	for _, r := range roles {
		for _, m := range r.list {
			sub := mailboxEntity(m, r.role)
			if answers[m.Mail] {
				sub.Roles = append(sub.Roles, "abuse")
			}
			e.Entities = append(e.Entities, sub)
		}
	}
	return e
}

func mailboxEntity(m registry.Mailbox, role string) entity {
	name, kind := m.Name, "individual"
	if role == "abuse" || name == "" {
		kind = "group"
	}
	if name == "" {
		name = m.Mail
	}
	card := jCard(name, kind)
	if m.Mail != "" {
		card.add("email", map[string]string{}, "text", m.Mail)
	}
	return entity{Class: "entity", Handle: name, Roles: []string{role}, VCard: card.array()}
}

// card is the properties of a jCard: version first, then fn (RFC 7095 §3.3).
type card [][]any

func jCard(name, kind string) *card {
	c := &card{}
	c.add("version", map[string]string{}, "text", "4.0")
	c.add("fn", map[string]string{}, "text", name)
	c.add("kind", map[string]string{}, "text", kind)
	return c
}

func (c *card) add(name string, parameters map[string]string, kind string, value any) {
	*c = append(*c, []any{name, parameters, kind, value})
}

func (c *card) array() []any { return []any{"vcard", [][]any(*c)} }
