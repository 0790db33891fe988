package trace

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// tags are the tag=value pairs of a signature or key (RFC 6376 §3.2).
type tags map[string]string

func readTags(v string) tags {
	t := tags{}
	for part := range strings.SplitSeq(v, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			if name = strings.TrimSpace(name); t[name] == "" {
				t[name] = strings.TrimSpace(value)
			}
		}
	}
	return t
}

// packed is a value without the white space that folding put into it.
func (t tags) packed(name string) string { return strings.Join(strings.Fields(t[name]), "") }

// text is a value behind its label, or "".
func (t tags) text(label, name string) string {
	if t[name] == "" {
		return ""
	}
	return label + t[name]
}

func (v *Resolver) timeout() time.Duration {
	if v.Timeout > 0 {
		return v.Timeout
	}
	return 3 * time.Second
}

// verify verifies a signature over input by the key that its tags name.
func (v *Resolver) verify(ctx context.Context, t tags, input []byte) error {
	if !askable(t["d"]) || !askable(t["s"]+"._domainkey."+t["d"]) {
		return errors.New("trace: no domain and selector")
	}
	signature, err := base64.StdEncoding.DecodeString(t.packed("b"))
	if err != nil {
		return errors.New("trace: the signature is no base64")
	}
	key, err := v.key(ctx, t["s"]+"._domainkey."+t["d"])
	if err != nil {
		return err
	}
	hash := sha256.Sum256(input)
	switch k := key.(type) {
	case *rsa.PublicKey:
		if !equalFold(t["a"], "rsa-sha256") {
			return fmt.Errorf("trace: the algorithm %q is not that of the key", t["a"])
		}
		err = rsa.VerifyPKCS1v15(k, crypto.SHA256, hash[:], signature)
	case ed25519.PublicKey: // RFC 8463
		if !equalFold(t["a"], "ed25519-sha256") {
			return fmt.Errorf("trace: the algorithm %q is not that of the key", t["a"])
		}
		if !ed25519.Verify(k, hash[:], signature) {
			err = errors.New("trace: no match")
		}
	}
	if err != nil {
		return errors.New("trace: the signature is wrong")
	}
	return nil
}

// key asks for a public key (RFC 6376 §3.6).
func (v *Resolver) key(ctx context.Context, name string) (crypto.PublicKey, error) {
	ctx, cancel := v.limit(ctx)
	defer cancel()
	texts, err := v.DNS.LookupTXT(ctx, name+".")
	if err != nil || len(texts) == 0 {
		if absent(err) {
			return nil, fmt.Errorf("%w: %s holds none (any more)", errARCKey, name)
		}
		return nil, fmt.Errorf("%w: no answer about %s", errARCKey, name)
	}
	t := readTags(texts[0])
	der, err := base64.StdEncoding.DecodeString(t.packed("p"))
	if err != nil || len(der) == 0 {
		return nil, fmt.Errorf("%w: the key at %s was withdrawn", errARCKey, name)
	}
	if equalFold(t["k"], "ed25519") {
		if len(der) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: the key at %s cannot be read", errARCKey, name)
		}
		return ed25519.PublicKey(der), nil
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		pub, err = x509.ParsePKCS1PublicKey(der)
	}
	k, ok := pub.(*rsa.PublicKey)
	if err != nil || !ok || k.Size() < 1024/8 || k.Size() > 8192/8 {
		return nil, fmt.Errorf("%w: the key at %s cannot be read or is of no safe size", errARCKey, name)
	}
	return k, nil
}

// withoutSignature empties the tag b of a field (RFC 6376 §3.7).
func withoutSignature(raw []byte) []byte {
	var out []byte
	for i, part := range bytes.Split(raw, []byte(";")) {
		if i > 0 {
			out = append(out, ';')
		}
		name, _, ok := bytes.Cut(part, []byte("="))
		if j := bytes.LastIndexByte(name, ':'); i == 0 && j >= 0 { // the field's name stands before the first tag
			name = name[j+1:]
		}
		if ok && string(bytes.TrimSpace(name)) == "b" {
			part = part[:bytes.IndexByte(part, '=')+1]
		}
		out = append(out, part...)
	}
	return out
}

// canonicalField adds a field to b without its end of line (RFC 6376 §3.4.1, §3.4.2).
func canonicalField(b, raw []byte, relaxed bool) []byte {
	if relaxed {
		return relaxedField(b, raw)
	}
	return append(b, bytes.TrimRight(crlf(raw), "\r\n")...)
}

// relaxedField adds a field in relaxed form: the name in lower case, folding and
// runs of white space made one space.
func relaxedField(b, raw []byte) []byte {
	name, value, _ := bytes.Cut(raw, []byte(":"))
	b = append(b, bytes.ToLower(bytes.TrimSpace(name))...)
	b = append(b, ':')
	for i, word := range bytes.FieldsFunc(value, func(c rune) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }) {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, word...)
	}
	return b
}

// crlf ends every line with CRLF, as it was on the wire.
func crlf(b []byte) []byte {
	if !bytes.Contains(bytes.ReplaceAll(b, []byte("\r\n"), nil), []byte("\n")) {
		return b
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

// bodyHash is the hash of a body in canonical form (RFC 6376 §3.4.3, §3.4.4), of
// its first limit bytes where a limit is given.
func bodyHash(body []byte, relaxed bool, limit string) string {
	body = crlf(body)
	if relaxed {
		body = relaxedBody(body)
	}
	for bytes.HasSuffix(body, []byte("\r\n\r\n")) {
		body = body[:len(body)-2]
	}
	if string(body) == "\r\n" && relaxed {
		body = nil
	}
	if len(body) > 0 && !bytes.HasSuffix(body, []byte("\r\n")) || len(body) == 0 && !relaxed {
		body = append(body[:len(body):len(body)], "\r\n"...)
	}
	if n, err := strconv.Atoi(limit); err == nil && n >= 0 && n < len(body) {
		body = body[:n]
	}
	sum := sha256.Sum256(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// relaxedBody makes runs of white space one space and drops it at ends of lines.
func relaxedBody(body []byte) []byte {
	out := make([]byte, 0, len(body))
	for line := range bytes.Lines(body) {
		ended := bytes.HasSuffix(line, []byte("\r\n"))
		line = bytes.TrimRight(line, " \t\r\n")
		space := false
		for _, c := range line {
			if c == ' ' || c == '\t' {
				space = true
				continue
			}
			if space {
				out, space = append(out, ' '), false
			}
			out = append(out, c)
		}
		if ended {
			out = append(out, "\r\n"...)
		}
	}
	return out
}
