package snmp

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxSubIDs bounds an object identifier (RFC 3416 §4.1).
const maxSubIDs = 128

// oid is an object identifier.
type oid []uint32

func mustOID(s string) oid {
	o, err := parseOID(s)
	if err != nil {
		panic(err)
	}
	return o
}

func parseOID(s string) (oid, error) {
	s = strings.TrimPrefix(s, ".")
	if s == "" {
		return nil, errors.New("empty object identifier")
	}
	out := make(oid, 0, 1+strings.Count(s, "."))
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("object identifier %q: %w", s, err)
		}
		if len(out) == maxSubIDs {
			return nil, fmt.Errorf("object identifier of more than %d parts", maxSubIDs)
		}
		out = append(out, uint32(n))
	}
	return out, nil
}

func (o oid) String() string {
	var b strings.Builder
	for _, n := range o {
		b.WriteByte('.')
		b.WriteString(strconv.FormatUint(uint64(n), 10))
	}
	return b.String()
}

// under returns what follows root, or false if o does not lie below it.
func (o oid) under(root oid) (oid, bool) {
	if len(o) <= len(root) || !slices.Equal(o[:len(root)], root) {
		return nil, false
	}
	return o[len(root):], true
}

func compareOID(a, b oid) int { return slices.CompareFunc(a, b, cmp.Compare[uint32]) }
