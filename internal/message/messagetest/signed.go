package messagetest

import "encoding/asn1"

var (
	oidSigned    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidEnveloped = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	oidData      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
)

// Signed returns content as a CMS SignedData (RFC 5652) without any signer.
func Signed(content []byte) []byte {
	octets := value(0x04, content)
	data := value(0x30, concat(oid(oidData), value(0xA0, octets)))
	signed := value(0x30, concat([]byte{2, 1, 1}, value(0x31, nil), data, value(0x31, nil)))
	return value(0x30, concat(oid(oidSigned), value(0xA0, signed)))
}

// SignedBER returns the same as streaming signers write it: lengths are
// indefinite, and the content comes in pieces.
func SignedBER(content []byte) []byte {
	var pieces [][]byte
	for len(content) > 0 {
		n := min(len(content), 100)
		pieces = append(pieces, value(0x04, content[:n]))
		content = content[n:]
	}
	octets := indefinite(0x24, concat(pieces...))
	data := indefinite(0x30, concat(oid(oidData), indefinite(0xA0, octets)))
	signed := indefinite(0x30, concat([]byte{2, 1, 1}, value(0x31, nil), data, value(0x31, nil)))
	return indefinite(0x30, concat(oid(oidSigned), indefinite(0xA0, signed)))
}

// Enveloped returns the outside of an encrypted body.
func Enveloped() []byte {
	return value(0x30, concat(oid(oidEnveloped), value(0xA0, value(0x30, []byte{2, 1, 0}))))
}

func oid(o asn1.ObjectIdentifier) []byte {
	b, err := asn1.Marshal(o)
	if err != nil {
		panic(err) // of constants
	}
	return b
}

func value(tag byte, body []byte) []byte {
	n := len(body)
	switch {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x10000:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func indefinite(tag byte, body []byte) []byte {
	return append(append([]byte{tag, 0x80}, body...), 0, 0)
}

func concat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
