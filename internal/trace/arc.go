package trace

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"spoor/internal/message"
)

// maxARCSets is how many sets a chain may have (RFC 8617 §4.2.1), maxARCFields
// how many fields a signature may name.
const (
	maxARCSets   = 50
	maxARCFields = 500
)

// An arcSet is what one forwarder added (RFC 8617 §4.1): what it found, its
// signature over the mail, and its seal over the chain so far.
type arcSet struct {
	results, signature, seal []byte // the whole fields
	sign, sealed             tags
}

// errARCKey marks a chain whose keys could not be had: it is neither good nor bad.
var errARCKey = errors.New("trace: no key")

// CheckMessage is Check for a whole message, whose ARC chain is then verified as well.
func (v *Resolver) CheckMessage(ctx context.Context, r *Result, m *message.Message) {
	v.Check(ctx, r, m.Header)
	if v.DNS != nil && m.Header.Has("ARC-Seal") {
		v.checkARC(ctx, r, m)
	}
}

// checkARC verifies the chain by its sealers' keys. A chain that the origin's own
// organisation sealed last makes the origin a forwarder.
func (v *Resolver) checkARC(ctx context.Context, r *Result, m *message.Message) {
	ctx, cancel := context.WithTimeout(ctx, 3*v.timeout())
	defer cancel()
	sets, err := arcChain(m.Header)
	if err == nil {
		err = v.verifyChain(ctx, sets, m)
	}
	quote := "ARC-Seal: "
	for i := range sets[:min(len(sets), 4)] {
		quote += sets[i].sealed.text("i=", "i") + sets[i].sealed.text(" d=", "d") + sets[i].sealed.text(" s=", "s") + "; "
	}
	quote = strings.TrimRight(quote, "; ")
	switch {
	case errors.Is(err, errARCKey):
		r.add(kDNSARC, -1, quote, "whether the ARC chain verifies could not be found out: %s", arcProblem(err))
		return
	case err != nil:
		r.addAs(kDNSARC, Weak, -1, quote, "the ARC chain does not verify: %s", arcProblem(err))
		return
	}
	sealer := strings.ToLower(sets[len(sets)-1].sealed["d"])
	r.drop(kARCUnproven)
	r.add(kDNSARC, -1, quote, "the ARC chain verifies; %s sealed it last and saw the mail as it is", sealer)
	r.forwardedBy(sealer)
}

func arcProblem(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "trace: "), "no key: ")
}

// forwardedBy makes the origin a forwarder where it is the sealer's host.
func (r *Result) forwardedBy(sealer string) {
	o := r.Origin
	if o == nil || len(r.Sources) == 0 || !sameOrg(sealer, o.RDNS) && !sameOrg(sealer, o.HELO) {
		return
	}
	if s := &r.Sources[0]; s.IP == o.IP && (s.Role == SourceRelay || s.Role == SourceInjector) {
		s.Role = SourceForwarder
	}
}

// drop removes a kind of finding.
func (r *Result) drop(k kind) {
	kept := r.Findings[:0]
	for _, f := range r.Findings {
		if f.Code != kinds[k].Code {
			kept = append(kept, f)
		}
	}
	r.Findings = kept
}

// arcChain collects the sets, the oldest first, and checks their form (RFC 8617 §5.2).
func arcChain(h message.Header) ([]arcSet, error) {
	var sets []arcSet
	for i := range h.Fields {
		f := &h.Fields[i]
		if !hasFoldPrefix(f.Name, "arc-") {
			continue
		}
		t := readTags(f.Value())
		n, err := strconv.Atoi(t["i"])
		if err != nil || n < 1 || n > maxARCSets {
			return nil, fmt.Errorf("trace: %s has no instance between 1 and %d", f.Name, maxARCSets)
		}
		for len(sets) < n {
			sets = append(sets, arcSet{})
		}
		s := &sets[n-1]
		slot := &s.results
		switch {
		case equalFold(f.Name, "arc-seal"):
			slot, s.sealed = &s.seal, t
		case equalFold(f.Name, "arc-message-signature"):
			slot, s.sign = &s.signature, t
		case !equalFold(f.Name, "arc-authentication-results"):
			continue
		}
		if *slot != nil {
			return nil, fmt.Errorf("trace: instance %d has two fields %s", n, f.Name)
		}
		*slot = f.Raw
	}
	for i := range sets {
		s, want := &sets[i], "pass"
		if i == 0 {
			want = "none"
		}
		switch cv := strings.ToLower(s.sealed["cv"]); {
		case s.results == nil || s.signature == nil || s.seal == nil:
			return sets, fmt.Errorf("trace: the set of instance %d is not whole", i+1)
		case cv != want:
			return sets, fmt.Errorf("trace: the seal of instance %d says cv=%s", i+1, cv)
		case s.sealed["h"] != "":
			return sets, fmt.Errorf("trace: the seal of instance %d names fields", i+1)
		}
	}
	return sets, nil
}

// verifyChain verifies the newest signature and every seal, as RFC 8617 §5.2 has it.
func (v *Resolver) verifyChain(ctx context.Context, sets []arcSet, m *message.Message) error {
	if len(sets) == 0 {
		return errors.New("trace: there is no ARC set")
	}
	newest := &sets[len(sets)-1]
	if err := v.verifySignature(ctx, newest, m); err != nil {
		return fmt.Errorf("%w (signature of instance %d)", err, len(sets))
	}
	for n := len(sets); n > 0; n-- {
		if err := v.verify(ctx, sets[n-1].sealed, sealInput(sets[:n])); err != nil {
			return fmt.Errorf("%w (seal of instance %d)", err, n)
		}
	}
	return nil
}

// sealInput is what the newest of the sets seals (RFC 8617 §5.1.1): all sets in
// order, in relaxed form, the last seal without its own signature.
func sealInput(sets []arcSet) []byte {
	var b []byte
	for i := range sets {
		s := &sets[i]
		b = append(relaxedField(b, s.results), "\r\n"...)
		b = append(relaxedField(b, s.signature), "\r\n"...)
		if i < len(sets)-1 {
			b = append(relaxedField(b, s.seal), "\r\n"...)
		}
	}
	return relaxedField(b, withoutSignature(sets[len(sets)-1].seal))
}

// verifySignature verifies an ARC-Message-Signature, which is a DKIM signature
// (RFC 6376 §6.1) but for its name and instance.
func (v *Resolver) verifySignature(ctx context.Context, s *arcSet, m *message.Message) error {
	header, body, _ := strings.Cut(strings.ToLower(s.sign["c"]), "/")
	if hash := bodyHash(m.Part.Raw, body == "relaxed", s.sign["l"]); hash != s.sign.packed("bh") {
		return errors.New("trace: the body was changed")
	}
	if strings.Count(s.sign["h"], ":") > maxARCFields {
		return errors.New("trace: the signature covers too many fields")
	}
	var b []byte
	left := m.Header.Fields
	used := make([]bool, len(left))
	for name := range strings.SplitSeq(s.sign["h"], ":") {
		name = strings.TrimSpace(name)
		if equalFold(name, "arc-seal") {
			return errors.New("trace: the signature covers ARC-Seal")
		}
		for i := len(left) - 1; i >= 0; i-- { // RFC 6376 §5.4.2: from the bottom up
			if !used[i] && strings.EqualFold(left[i].Name, name) {
				used[i] = true
				b = append(canonicalField(b, left[i].Raw, header == "relaxed"), "\r\n"...)
				break
			}
		}
	}
	return v.verify(ctx, s.sign, canonicalField(b, withoutSignature(s.signature), header == "relaxed"))
}
