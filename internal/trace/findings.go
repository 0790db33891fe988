package trace

import "fmt"

// maxFindings bounds the findings of one message.
const maxFindings = 64

// add appends a finding of the given kind. Strength and benign causes are the
// kind's own; hop is -1 where it is about no Received line.
func (r *Result) add(k kind, hop int, quote, format string, args ...any) {
	r.addAs(k, kinds[k].Strength, hop, quote, format, args...)
}

// addAs is add with a strength that depends on the measure.
func (r *Result) addAs(k kind, s Strength, hop int, quote, format string, args ...any) {
	if len(r.Findings) >= maxFindings {
		return
	}
	r.Findings = append(r.Findings, Finding{
		Code: kinds[k].Code, Strength: s, Hop: hop, Quote: clip(quote), Explain: fmt.Sprintf(format, args...), Benign: kinds[k].Benign,
	})
}

// clip bounds a quotation.
func clip(s string) string {
	const most = 200
	s = trimSpace(s)
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// findings looks for every signal that the header shows.
func (r *Result) findings(c *facts) {
	r.dateFindings(c)
	r.orderFindings(c)
	r.delayFindings()
	for i := range r.Hops {
		r.hopFindings(c, i)
	}
	r.chainFindings()
	r.idFindings(c)
	r.authFindings(c)
	r.claimFindings()
	r.markForged()
}

// markForged calls a claimed line forged where a strong finding is about it.
func (r *Result) markForged() {
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Strength == Strong && f.Hop >= 0 && r.Hops[f.Hop].Trust == TrustClaimed {
			r.Hops[f.Hop].Trust = TrustForged
		}
	}
}

// A kind is one of the signals.
type kind int

const (
	kOffsetAbsurd kind = iota
	kWeekdayWrong
	kTimeBackwards
	kImpossibleIP
	kHELOLiteral
	kDateAfter
	kDateBefore
	kReceivedBelow
	kZoneName
	kHopGap
	kDotZero
	kMessageIDDomain
	kHELORDNS
	kChainBreak
	kHELOOurs
	kTimeNoZone
	kZoneFitsNone
	kDateForeign
	kUnknownLine
	kOwnHostClaimed
	kManyHops
	kMessageIDImpossible
	kMessageIDReceiver
	kMessageIDMissing
	kMessageIDSoftware
	kDateMissing
	kDateUnreadable
	kAuthFail
	kAuthPass
	kARCUnproven
	kClaimDiffers
	kDNSHELO
	kDNSReverse
	kDNSDomain
	kDNSSender
	kDNSHolder
	kDNSARC
	nKinds
)

// A Kind documents one signal: what its finding is called, how strong it is by
// itself, what it shows and what may cause it without any ill intent.
type Kind struct {
	Code     string
	Strength Strength
	Shows    string
	Benign   string
}

// Kinds returns the documentation of every signal, in the order of docs/findings.md.
func Kinds() []Kind { return append([]Kind(nil), kinds[:]...) }

var kinds = [nKinds]Kind{
	kOffsetAbsurd: {"date-offset-absurd", Strong, "an offset of more than 14 hours, or no quarter of an hour, which no zone has",
		"a program with a broken clock or zone table"},
	kWeekdayWrong: {"weekday-wrong", Strong, "the weekday is not that of the date: a program put the date together from parts",
		"a badly written mailer or script"},
	kTimeBackwards: {"time-backwards", Strong, "a line is dated after the newer one above it: strong over 24 hours, medium over 2, weak over 5 minutes",
		"a clock that is wrong, or a time written without regard to its zone"},
	kImpossibleIP: {"impossible-ip", Strong, "what stands in the peer's place is an address that no host can have, or no address at all",
		"a misconfigured host behind a proxy or with a broken resolver"},
	kHELOLiteral: {"helo-literal-mismatch", Medium, "the client called itself by a public address of another network than its own",
		"address translation, or a host with several addresses"},
	kDateAfter: {"date-after-receipt", Medium, "Date is more than 2 hours after the first line was written; strong before 2010, when spam tools did so",
		"the sender's clock or zone is set wrong"},
	kDateBefore: {"date-long-before-receipt", Weak, "Date is more than 24 hours before the first line was written",
		"the mail was written offline or waited in a queue; a clock set wrong"},
	kReceivedBelow: {"received-below-headers", Medium, "a Received line stands below From, To or Subject, where a program and no server put it",
		"Exchange and fetchmail change the order of fields; so do archives"},
	kZoneName: {"tz-name-offset", Medium, "the zone's name and its offset contradict each other in every real zone of that name",
		"a misconfigured zone on the host"},
	kHopGap: {"hop-gap", Weak, "more than 4 days lie between two lines",
		"a queue behind a dead server, moderation of a list, mail fetched late"},
	kDotZero: {"ip-dot-zero", Note, "the address ends in .0; that is no proof of forgery, such hosts exist",
		"a host in a network larger than a /24, or numbered so"},
	kMessageIDDomain: {"message-id-domain", Note, "the Message-ID's domain is none of those that the message shows",
		"mail sent through a provider or a mailing service"},
	kHELORDNS: {"helo-rdns-differ", Note, "the client's name for itself and its name in the DNS are of different organisations; noise by itself",
		"usual: a quarter of all mail"},
	kChainBreak: {"chain-break", Note, "the host that a claimed line says it was written by is not the one that handed the mail on, by name or address",
		"usual: internal names, clusters, address translation"},
	kHELOOurs: {"helo-impersonates-receiver", Medium, "a stranger called itself by the receiving host's own name or address",
		"a misconfigured host of the receiver's own, coming in from outside"},
	kTimeNoZone: {"time-without-zone", Weak, "a time without zone can be meant in many ways; the zones that fit are named",
		"old or small software"},
	kZoneFitsNone: {"zone-fits-none", Medium, "a time without zone fits no whole-hour zone between the times around it",
		"a clock that is wrong"},
	kDateForeign: {"date-not-english", Medium, "the date is written in the language of the host, which no mail server does (RFC 5322 §3.3)",
		"a home-made script or web form"},
	kUnknownLine: {"line-of-no-known-form", Weak, "a claimed line has the form of no known server",
		"rare or home-made software"},
	kOwnHostClaimed: {"trusted-host-claimed", Weak, "a line below the boundary says that a trusted host wrote it",
		"mail that left us and came back by a list or a forwarder"},
	kManyHops: {"many-hops", Weak, "50 lines or more: a loop, or lines added to hide the origin",
		"nested lists and forwarders"},
	kMessageIDImpossible: {"message-id-impossible", Medium, "the Message-ID holds a date or time that cannot be, such as 17:93:43",
		"digits that were no time"},
	kMessageIDReceiver: {"message-id-by-receiver", Note, "the Message-ID holds the receiving host's own queue id: the client sent none",
		"scripts and simple programs leave it to the server"},
	kMessageIDMissing: {"message-id-missing", Note, "there is no Message-ID, which every mailer writes (RFC 5322 §3.6.4)",
		"scripts; a list or archive that removed it"},
	kMessageIDSoftware: {"message-id-software", Weak, "the Message-ID has not the form that the claimed software writes",
		"a server or filter that wrote the Message-ID anew"},
	kDateMissing: {"date-missing", Note, "there is no Date (RFC 5322 §3.6 demands one)",
		"scripts; an archive that removed it"},
	kDateUnreadable: {"date-unreadable", Weak, "Date cannot be read as a date",
		"home-made software"},
	kAuthFail: {"authentication-failed", Medium, "a trusted host found that SPF, DKIM or DMARC fail (RFC 8601)",
		"forwarding and lists break SPF and DKIM"},
	kAuthPass: {"authentication-passed", Note, "a trusted host found that the domain shown vouches for the mail (RFC 8601)",
		"that is the usual case; spammers authenticate too"},
	kARCUnproven: {"arc-unproven", Note, "there is an ARC chain (RFC 8617), but no trusted host says that it verifies: it proves nothing here",
		"usual behind forwarders and lists"},
	kClaimDiffers: {"claimed-ip-differs", Note, "a field names another address as the client's than the origin",
		"webmail and relays name their own client"},
	kDNSHELO: {"dns-helo", Note, "whether the HELO name leads to the peer's address",
		"many honest hosts use a name that does not"},
	kDNSReverse: {"dns-reverse", Note, "whether the address has a name that leads back to it",
		"many honest hosts have none"},
	kDNSDomain: {"dns-domain", Weak, "whether the domains of Message-ID and From exist and take mail; medium where From's does not exist",
		"a domain that has lapsed since; a name that is used inside only"},
	kDNSSender: {"dns-sender", Note, "whether the A, MX or SPF records of From's domain cover the origin",
		"forwarding, lists, and records that changed since"},
	kDNSHolder: {"dns-holder", Note, "whose the origin's address is",
		"addresses change hands"},
	kDNSARC: {"dns-arc", Note, "whether the ARC chain (RFC 8617) verifies by its sealers' keys; weak where it does not",
		"a list, a virus scanner or a mail store that changed what was sealed; keys that were withdrawn since"},
}
