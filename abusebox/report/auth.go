package report

import (
	"bytes"
	"context"
	"strings"
	"time"

	"blitiri.com.ar/go/spf"
	"github.com/emersion/go-msgauth/authres"
	"github.com/emersion/go-msgauth/dkim"

	"spoor/internal/message"
)

// maxSignatures bounds the DKIM signatures of a mail that are verified.
const maxSignatures = 8

// authTimeout bounds the DNS questions of one mail.
const authTimeout = 8 * time.Second

// authenticate says what proves that the mail comes from domain: what our own
// hosts found, a DKIM signature, or SPF at our edge.
func authenticate(ctx context.Context, msg *message.Message, opt *Options, domain string) Authentication {
	if domain == "" {
		return ByNone
	}
	if a := ownResults(msg.Header, opt, domain); a != ByNone {
		return a
	}
	if opt.Resolver == nil {
		return ByNone
	}
	ctx, cancel := context.WithTimeout(ctx, authTimeout)
	defer cancel()
	if signedBy(ctx, msg, opt.Resolver, domain) {
		return ByDKIM
	}
	if permitted(ctx, opt, domain) {
		return BySPF
	}
	return ByNone
}

// authenticateInside says whether a complaint that another forwarded whole, as an
// attachment, still bears the signature of its author. What the forwarder proved
// of himself says nothing about the author.
func authenticateInside(ctx context.Context, raw []byte, opt *Options, domain string) Authentication {
	if domain == "" || opt.Resolver == nil || len(raw) == 0 {
		return ByNone
	}
	ctx, cancel := context.WithTimeout(ctx, authTimeout)
	defer cancel()
	h, _, _ := message.ReadHeader(raw, message.DefaultLimits())
	inside := &message.Message{Part: message.Part{Header: h}, Raw: raw}
	if signedBy(ctx, inside, opt.Resolver, domain) {
		return ByDKIM
	}
	return ByNone
}

// ownResults reads the topmost Authentication-Results (RFC 8601) that bears one
// of our authserv-ids: later writers stand above earlier ones, so what a sender
// forged stands below it. A field below a stranger's Received line is not ours.
func ownResults(h message.Header, opt *Options, domain string) Authentication {
	for _, f := range h.Fields {
		if strings.EqualFold(f.Name, "Received") && !inDomains(byHost(f.Value()), opt.Hosts) {
			return ByNone
		}
		if !strings.EqualFold(f.Name, "Authentication-Results") {
			continue
		}
		id, results, err := authres.Parse(f.Value())
		if err != nil || !isOneOf(strings.Fields(id + " -")[0], opt.AuthservIDs) {
			continue
		}
		return resultFor(results, domain)
	}
	return ByNone
}

func resultFor(results []authres.Result, domain string) Authentication {
	found := ByNone
	for _, r := range results {
		switch r := r.(type) {
		case *authres.DKIMResult:
			if r.Value == authres.ResultPass && aligned(r.Domain, domain) {
				return ByDKIM
			}
		case *authres.SPFResult:
			from := r.From
			if i := strings.LastIndexByte(from, '@'); i >= 0 {
				from = from[i+1:]
			}
			if r.Value == authres.ResultPass && aligned(from, domain) {
				found = BySPF
			}
		}
	}
	return found
}

// aligned compares domains as DMARC does when relaxed (RFC 7489 §3.1).
func aligned(a, b string) bool {
	return a != "" && (strings.EqualFold(a, b) || sameOrganisation(strings.ToLower(a), strings.ToLower(b)))
}

// signedBy verifies the mail's DKIM signatures (RFC 6376).
func signedBy(ctx context.Context, msg *message.Message, res Resolver, domain string) bool {
	if res == nil || !msg.Header.Has("DKIM-Signature") {
		return false
	}
	verifications, err := dkim.VerifyWithOptions(bytes.NewReader(crlf(msg.Raw)), &dkim.VerifyOptions{
		LookupTXT:        func(name string) ([]string, error) { return res.LookupTXT(ctx, name) },
		MaxVerifications: maxSignatures,
	})
	if err != nil && len(verifications) == 0 {
		return false
	}
	for _, v := range verifications {
		if v.Err == nil && aligned(v.Domain, domain) && covers(v.HeaderKeys, msg.Header) {
			return true
		}
	}
	return false
}

// reliedOn are the fields that reading a complaint takes for the reporter's word.
var reliedOn = append([]string{"From", "Subject"}, accusingFields...)

// covers tells whether a signature covers all that is read of a header: whoever
// replays a signed mail may write a new subject over it, add a second one on top
// of it (RFC 6376 §8.15), or a field that names another address.
func covers(keys []string, h message.Header) bool {
	for _, name := range reliedOn {
		n := len(h.All(name))
		if n > 1 || n == 1 && !containsFoldedKey(keys, name) {
			return false
		}
	}
	return true
}

func containsFoldedKey(keys []string, name string) bool {
	for _, k := range keys {
		if strings.EqualFold(strings.TrimSpace(k), name) {
			return true
		}
	}
	return false
}

// crlf writes all line ends as RFC 5322 wants them, which signatures count on.
func crlf(b []byte) []byte {
	if !bytes.Contains(b, []byte("\n")) || bytes.Count(b, []byte("\n")) == bytes.Count(b, []byte("\r\n")) {
		return b
	}
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
}

// permitted checks SPF (RFC 7208) for the envelope that our edge saw.
func permitted(ctx context.Context, opt *Options, domain string) bool {
	e := opt.Envelope
	i := strings.LastIndexByte(e.From, '@')
	if !e.Peer.IsValid() || e.Peer.IsLoopback() || e.Peer.IsPrivate() || opt.isOurs(e.Peer) || i < 0 || !aligned(e.From[i+1:], domain) {
		return false
	}
	result, _ := spf.CheckHostWithSender(e.Peer.AsSlice(), e.Helo, e.From, spf.WithContext(ctx), spf.WithResolver(spfResolver{opt.Resolver}))
	return result == spf.Pass
}
