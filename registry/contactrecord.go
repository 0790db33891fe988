package registry

import (
	"fmt"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// contactFields maps every accepted field name, as columnName writes it, to the field.
var contactFields = map[string]string{
	"ipnetwork": "prefix", "prefix": "prefix", "network": "prefix",
	"nexthop": "nexthop", "interface": "interface",
	"organisation": "organisation", "organization": "organisation",
	"orgname": "org", "org": "org",
	"admincontact": "admin", "admin": "admin", "techcontact": "tech", "tech": "tech",
	"abusecontact": "abuse", "abuse": "abuse",
	"address": "address", "streetaddress": "address", "city": "city", "countrycode": "country", "country": "country",
	"tel": "tel", "phone": "tel", "language": "language", "lang": "language",
	"timezone": "zone", "zone": "zone",
	"updatedby": "updatedby", "updated": "updated", "created": "created",
	"assignment": "assignment", "since": "since", "until": "until",
	"digest": "digest", "digestevery": "every", "xarf": "xarf", "optout": "optout",
}

const knownFields = "known are IP-Network, Next-Hop, Interface, Organisation (keys), Org-Name, Admin-Contact, Tech-Contact, " +
	"Abuse-Contact, Address, City, Country-Code, Tel, Language, Time-Zone, Assignment, Digest, Digest-Every, XARF, Opt-Out, Created, Updated-By, Updated, Since, Until"

// record turns the entries of one record into a Contact for each of its keys. before is
// how many mistakes there were before the record: with more, nothing is made of it.
func (p *contactParser) record(line int, entries []entry, before int) {
	c := Contact{Source: fmt.Sprintf("%s:%d", p.file, line)}
	var keys []Key
	given := map[string]bool{}
	for _, e := range entries {
		if e.name == "" {
			continue
		}
		if given[e.name] {
			p.add(e.line, e.given, "given twice", "keep one of them")
		}
		given[e.name] = true
		if key, isKey := p.keysOf(e); isKey {
			keys = append(keys, key...)
			if e.name == "organisation" && c.Org == "" && len(e.values) == 1 {
				c.Org = clean(e.values[0])
			}
		} else {
			p.set(&c, e)
		}
	}
	if len(keys) == 0 && len(p.all) == before {
		if c.Org == "" {
			p.add(line, "", "the record has no key", "give IP-Network, Next-Hop, Interface or Organisation")
			return
		}
		keys = []Key{{Kind: KeyOrganisation, Org: orgKey(c.Org)}}
	}
	if !c.Since.IsZero() && !c.Until.IsZero() && !c.Since.Before(c.Until) {
		p.add(line, "Until", "is not after Since", "")
	}
	for _, k := range keys {
		if first, dup := p.seen[k]; dup && c.Since.IsZero() && c.Until.IsZero() {
			p.add(line, "", fmt.Sprintf("%s already has a record on line %d", k, first), "keep one, or give Since and Until")
			continue
		}
		p.seen[k] = line
		if len(p.all) == before {
			p.contacts = append(p.contacts, keyed(c, k))
		}
	}
}

func keyed(c Contact, k Key) Contact {
	c.Key = k
	return c
}

// keysOf reads a field that says what the record is about.
func (p *contactParser) keysOf(e entry) (keys []Key, isKey bool) {
	for _, v := range e.values {
		v = strings.TrimSpace(v)
		switch e.name {
		case "prefix":
			prefix, err := parsePrefix(v)
			if host, _, _ := strings.Cut(v, "/"); err == nil {
				if a, _ := netip.ParseAddr(host); a.Unmap() != prefix.Addr() {
					err = fmt.Errorf("%q has host bits", v)
				}
			}
			if err != nil {
				p.add(e.line, e.given, err.Error(), writePrefix)
				continue
			}
			keys = append(keys, Key{Kind: KeyPrefix, Prefix: prefix})
		case "nexthop":
			a, err := netip.ParseAddr(v)
			if err != nil {
				p.add(e.line, e.given, fmt.Sprintf("%q is no IP address", v), "write it like 192.0.2.1")
				continue
			}
			keys = append(keys, Key{Kind: KeyNextHop, NextHop: a.Unmap().WithZone("")})
		case "interface":
			router, iface, found := strings.Cut(v, "/")
			if !found || router == "" || iface == "" {
				p.add(e.line, e.given, fmt.Sprintf("%q does not name router and interface", v), "write it like r1/ge-0/0/1, or */ge-0/0/1 for any router")
				continue
			}
			if router == "*" {
				router = ""
			}
			keys = append(keys, Key{Kind: KeyInterface, Router: router, Interface: iface})
		case "organisation":
			keys = append(keys, Key{Kind: KeyOrganisation, Org: orgKey(v)})
		}
	}
	return keys, slices.Contains([]string{"prefix", "nexthop", "interface", "organisation"}, e.name)
}

// set reads a field that is no key.
func (p *contactParser) set(c *Contact, e entry) {
	text := ""
	if len(e.values) > 0 {
		text = clean(e.values[0])
	}
	switch e.name {
	case "org":
		c.Org = text
	case "admin":
		c.Admin = p.mailboxes(e, false)
	case "tech":
		c.Tech = p.mailboxes(e, false)
	case "abuse":
		c.Abuse = p.mailboxes(e, true)
	case "address":
		c.Address = clean(strings.Join(e.values, ", "))
	case "city":
		c.City = text
	case "country":
		c.Country = strings.ToUpper(text)
		if len(c.Country) != 2 {
			p.add(e.line, e.given, fmt.Sprintf("%q is no country code", text), "write two letters, as in ISO 3166: TW")
		}
	case "tel":
		c.Tel = text
	case "language":
		c.Language = p.language(e, text)
	case "zone":
		c.Zone = p.zone(e, text)
	case "updatedby":
		c.UpdatedBy = text
	case "updated":
		c.Updated = p.day(e, text)
	case "created":
		c.Created = p.day(e, text)
	case "since":
		c.Since = p.day(e, text)
	case "until":
		c.Until = p.day(e, text)
	case "assignment":
		c.Assignment = p.assignment(e, text)
	case "digest":
		c.Prefer.Digest = p.yes(e, text)
	case "every":
		c.Prefer.Every = p.every(e, text)
	case "xarf":
		c.Prefer.XARF = p.yes(e, text)
	case "optout":
		c.Prefer.OptOut = e.values
	}
}

// clean makes one line of a value: a contact's text is written into answers of
// line-based protocols.
func clean(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 }), " ")
}

func (p *contactParser) mailboxes(e entry, mustMail bool) []Mailbox {
	var found []Mailbox
	for _, v := range e.values {
		v = clean(v)
		if !strings.Contains(v, "@") {
			if mustMail {
				p.add(e.line, e.given, fmt.Sprintf("%q is no mail address", v), `write "abuse@example.net" or "Name <abuse@example.net>"`)
			} else if v != "" {
				found = append(found, Mailbox{Name: v})
			}
			continue
		}
		list, err := mail.ParseAddressList(strings.ReplaceAll(v, ";", ","))
		if err != nil {
			p.add(e.line, e.given, fmt.Sprintf("%q is no mail address", v), `write "abuse@example.net" or "Name <abuse@example.net>"`)
			continue
		}
		for _, a := range list {
			if problem := mailProblem(a.Address); problem != "" {
				p.add(e.line, e.given, fmt.Sprintf("%q %s", a.Address, problem), "give an address that takes mail")
				continue
			}
			found = append(found, Mailbox{Name: clean(a.Name), Mail: a.Address})
		}
	}
	return found
}

// mailProblem looks for what net/mail lets pass and no mail server takes.
func mailProblem(a string) string {
	at := strings.LastIndexByte(a, '@')
	local, domain := a[:at], a[at+1:]
	switch {
	case len(a) > 254 || len(local) > 64:
		return "is too long" // RFC 5321 §4.5.3.1
	case strings.ContainsAny(a, "\r\n\x00 <>"):
		return "holds characters that no address has"
	case strings.HasPrefix(domain, "["):
		return ""
	case !strings.Contains(domain, "."):
		return "has no full domain name"
	case strings.Contains(domain, "..") || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, "."):
		return "has an empty label in its domain"
	}
	return ""
}

func (p *contactParser) language(e entry, text string) string {
	for _, r := range text {
		if !(r == '-' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9') {
			p.add(e.line, e.given, fmt.Sprintf("%q is no language", text), "write it as in BCP 47: en, zh-TW")
			return ""
		}
	}
	return text
}

// zone takes the name of a time zone. "Local" would be the zone of whichever machine reads the file.
func (p *contactParser) zone(e entry, text string) string {
	if _, err := time.LoadLocation(text); err != nil || text == "" || text == "Local" {
		p.add(e.line, e.given, fmt.Sprintf("%q is no time zone", text), "write its IANA name: Asia/Taipei, Europe/Vienna, UTC")
		return ""
	}
	return text
}

func (p *contactParser) day(e entry, text string) time.Time {
	for _, layout := range []string{"2006-01-02", "20060102", "2006/01/02", "2006-01-02 15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	p.add(e.line, e.given, fmt.Sprintf("%q is no date", text), "write it like 2026-10-01")
	return time.Time{}
}

func (p *contactParser) assignment(e entry, text string) Assignment {
	a := Assignment(strings.ToLower(text))
	if a != AssignStatic && a != AssignDynamic && a != AssignShared {
		p.add(e.line, e.given, fmt.Sprintf("unknown assignment %q", text), "write static, dynamic or shared")
		return AssignUnknown
	}
	return a
}

// leastEvery keeps a slip of the pen from making a flood of mails.
const leastEvery = Duration(time.Hour)

func (p *contactParser) every(e entry, text string) (d Duration) {
	if err := d.UnmarshalText([]byte(text)); err != nil || d < leastEvery {
		p.add(e.line, e.given, fmt.Sprintf("%q is no time between two mails", text), `write "12h", "1d" or "7d", at least "1h"`)
		return 0
	}
	return d
}

func (p *contactParser) yes(e entry, text string) *bool {
	var v bool
	switch strings.ToLower(text) {
	case "true", "yes":
		v = true
	case "false", "no":
	default:
		p.add(e.line, e.given, fmt.Sprintf("%q is neither true nor false", text), "write true or false")
	}
	return &v
}
