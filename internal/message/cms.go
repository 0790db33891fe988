package message

import "bytes"

// oids of CMS (RFC 5652), as they are encoded.
var (
	oidSignedData    = []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02")
	oidEnvelopedData = []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03")
)

// SignedContent returns what an opaque-signed S/MIME body (RFC 8551 §3.5.2)
// encloses, without looking at the signature: it is read, not believed.
// encrypted tells an enveloped body, of which nothing can be read.
func SignedContent(b []byte) (content []byte, encrypted, ok bool) {
	info, _, ok := readBER(b, 0)
	if !ok || info.tag != 0x30 {
		return nil, false, false
	}
	parts := info.children()
	if len(parts) < 2 || parts[0].tag != 0x06 {
		return nil, false, false
	}
	if bytes.Equal(parts[0].body, oidEnvelopedData) {
		return nil, true, false
	}
	if !bytes.Equal(parts[0].body, oidSignedData) {
		return nil, false, false
	}
	signed := parts[1].only()
	fields := signed.children()
	if len(fields) < 3 {
		return nil, false, false
	}
	encap := fields[2].children()
	if len(encap) < 2 {
		return nil, false, false // detached
	}
	content = encap[1].only().octets(nil, 0)
	return content, false, len(content) > 0
}

// A ber is one value of the Basic Encoding Rules (X.690 §8).
type ber struct {
	tag  byte
	body []byte
}

// maxBERDepth bounds constructed values within constructed values.
const maxBERDepth = 16

// readBER reads one value; n is how many bytes it takes.
func readBER(b []byte, depth int) (v ber, n int, ok bool) {
	if len(b) < 2 || depth > maxBERDepth || b[0]&0x1f == 0x1f {
		return ber{}, 0, false
	}
	v.tag = b[0]
	size, head, ok := berLength(b)
	if !ok {
		return ber{}, 0, false
	}
	if size >= 0 {
		size = min(size, len(b)-head) // QUIRK: cut by a forwarder; what is there is read
		v.body = b[head : head+size]
		return v, head + size, true
	}
	for n = head; n+2 <= len(b); {
		if b[n] == 0 && b[n+1] == 0 {
			v.body = b[head:n]
			return v, n + 2, true
		}
		_, used, ok := readBER(b[n:], depth+1)
		if !ok {
			break
		}
		n += used
	}
	v.body = b[head:n]
	return v, len(b), v.tag&0x20 != 0
}

// berLength reads the length octets; size is -1 for the indefinite form.
func berLength(b []byte) (size, head int, ok bool) {
	l := b[1]
	switch {
	case l < 0x80:
		return int(l), 2, true
	case l == 0x80:
		return -1, 2, true
	}
	n := int(l & 0x7f)
	if n > 4 || len(b) < 2+n {
		return 0, 0, false
	}
	for _, c := range b[2 : 2+n] {
		size = size<<8 | int(c)
	}
	return size, 2 + n, true
}

// maxBERChildren bounds the values within one.
const maxBERChildren = 1 << 16

// children returns the values within a constructed one.
func (v ber) children() []ber {
	if v.tag&0x20 == 0 {
		return nil
	}
	var out []ber
	for b := v.body; len(b) > 0 && len(out) < maxBERChildren; {
		c, n, ok := readBER(b, 0)
		if !ok || n == 0 {
			break
		}
		out = append(out, c)
		b = b[n:]
	}
	return out
}

// only returns the first value within an explicit tag.
func (v ber) only() ber {
	if c := v.children(); len(c) > 0 {
		return c[0]
	}
	return ber{}
}

// octets joins an octet string that may be given in pieces (X.690 §8.7).
func (v ber) octets(out []byte, depth int) []byte {
	if v.tag&0x20 == 0 || depth > maxBERDepth {
		return append(out, v.body...)
	}
	for _, c := range v.children() {
		out = c.octets(out, depth+1)
	}
	return out
}
