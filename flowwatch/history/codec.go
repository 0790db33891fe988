package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"spoor/flowwatch/activity"
)

// A block is the stored form of some hosts' Activity in one span, in the order of their addresses:
// for each the host's 17 bytes, then numbers as varints, then the three sketches. Most numbers of
// most hosts are 0 or small, and take a byte.
const blockHosts = 256

var errBlock = errors.New("history: damaged block")

// hostKey is a host's 17 bytes: the address as 16, IPv4 mapped, and how many of its bits count.
type hostKey [17]byte

func keyOf(p netip.Prefix) (k hostKey) {
	a := p.Addr().As16()
	copy(k[:], a[:])
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	k[16] = byte(bits)
	return k
}

func (k hostKey) prefix() netip.Prefix {
	a := netip.AddrFrom16([16]byte(k[:16]))
	if a.Is4In6() {
		return netip.PrefixFrom(a.Unmap(), int(k[16])-96)
	}
	return netip.PrefixFrom(a, int(k[16]))
}

func appendActivity(b []byte, a *activity.Activity) []byte {
	k := keyOf(a.Host)
	b = append(b, k[:]...)
	b = binary.AppendVarint(b, seconds(a.First, a.Start))
	b = binary.AppendVarint(b, seconds(a.Last, a.Start))
	for _, s := range a.Series {
		b = binary.AppendUvarint(b, s.Flows)
		if s.Flows > 0 {
			b = binary.AppendUvarint(binary.AppendUvarint(b, s.Packets), s.Bytes)
		}
	}
	sampling := uint64(a.Sampling) << 1
	if a.Packets {
		sampling |= 1
	}
	for _, n := range [...]uint64{a.Relay, a.Failed, a.SYNOnly, a.Tiny, a.Established, a.Forged, sampling, uint64(a.Active)} {
		b = binary.AppendUvarint(b, n)
	}
	b = a.Peers.Append(b)
	b = a.Replied.Append(b)
	return a.Clients.Append(b)
}

func seconds(t, from time.Time) int64 { return t.Unix() - from.Unix() }

// A reader walks the Activities of a block.
type reader struct {
	b     []byte
	start time.Time
	err   error
}

// next reads into a; false is the end, or an error in r.err. The sketches are views of the block.
func (r *reader) next(a *activity.Activity) bool {
	if len(r.b) == 0 || r.err != nil {
		return false
	}
	if len(r.b) < len(hostKey{}) {
		r.err = errBlock
		return false
	}
	a.Host = hostKey(r.b[:17]).prefix()
	r.b = r.b[17:]
	base := r.start.Unix()
	a.First, a.Last = time.Unix(base+r.signed(), 0).UTC(), time.Unix(base+r.signed(), 0).UTC()
	for i := range a.Series {
		s := activity.Counts{Flows: r.number()}
		if s.Flows > 0 {
			s.Packets, s.Bytes = r.number(), r.number()
		}
		a.Series[i] = s
	}
	a.Relay, a.Failed, a.SYNOnly, a.Tiny = r.number(), r.number(), r.number(), r.number()
	a.Established, a.Forged = r.number(), r.number()
	sampling := r.number()
	a.Sampling, a.Packets, a.Active = uint32(sampling>>1), sampling&1 != 0, uint32(r.number())
	r.sketch(&a.Peers)
	r.sketch(&a.Replied)
	r.sketch(&a.Clients)
	return r.err == nil
}

func (r *reader) number() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := r.b[0]
		r.b = r.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.err, r.b = errBlock, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.err, r.b = errBlock, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) sketch(s *activity.Sketch) {
	rest := s.View(r.b)
	if rest == nil {
		r.err = errBlock
	}
	r.b = rest
}

// A Writer gathers the blocks of one profile's interval, outside any transaction. Activities must
// come in the order of their hosts.
type Writer struct {
	blocks []block
	open   []byte
	first  hostKey
	inOpen int
	last   hostKey
	hosts  int
	bars   activity.Histogram
}

type block struct {
	first hostKey
	data  []byte
}

// Add takes one host's Activity.
func (w *Writer) Add(a *activity.Activity) {
	k := keyOf(a.Host)
	if w.inOpen == 0 {
		w.first = k
	}
	w.open = appendActivity(w.open, a)
	w.last = k
	w.hosts++
	if a.Single() {
		w.bars.Add(a.Series[activity.Out])
	}
	if w.inOpen++; w.inOpen == blockHosts {
		w.flush()
	}
}

func (w *Writer) flush() {
	if w.inOpen > 0 {
		w.blocks = append(w.blocks, block{w.first, bytes.Clone(w.open)})
		w.open, w.inOpen = w.open[:0], 0
	}
}
