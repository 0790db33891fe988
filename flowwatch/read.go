package flowwatch

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"spoor/flowwatch/history"
	"spoor/flowwatch/netflow"
)

// A Capture says how capture files are read.
type Capture struct {
	Config Config
	Ours   func(netip.Addr) bool // may be nil: Config.Networks alone
	Store  *history.Store        // where the result goes
	// Each is told the flows, if set, several at once. The slice is good until it returns.
	Each func([]netflow.Flow)
}

// A Reading says what capture files held.
type Reading struct {
	Packets   uint64    `json:"packets"`
	Exports   uint64    `json:"exports"` // datagrams of flow exporters; with any, other packets are left aside
	Flows     uint64    `json:"flows"`
	Unread    uint64    `json:"unread"` // packets that are not IP, or exports that could not be read
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"`
	Truncated bool      `json:"truncated"` // a file ended within a packet
}

// Read takes capture files (pcap, pcapng) into a store: the flow exports in them, or where there are
// none the packets themselves, from which flows are built. It returns a Watcher that answers questions.
func Read(ctx context.Context, c Capture, files []string) (*Watcher, Reading, error) {
	var now time.Time
	c.Config.Listen = nil
	w, err := New(ctx, Deps{Config: c.Config, Ours: c.Ours, Store: c.Store, Now: func() time.Time { return now }})
	if err != nil {
		return nil, Reading{}, err
	}
	d := c.Config.decoder()
	d.AllowAny = true
	w.decoder = netflow.NewDecoder(d)
	r := &capture{w: w, now: &now, length: c.Config.Interval.Std()}
	w.add = func(flows []netflow.Flow) {
		r.result.Flows += uint64(len(flows))
		if c.Each != nil {
			c.Each(flows)
		}
		w.counter.Add(flows)
	}
	for _, file := range files {
		if err := r.file(ctx, file); err != nil {
			return nil, r.result, fmt.Errorf("read %s: %w", file, err)
		}
	}
	return w, r.result, r.close(ctx)
}

// A capture is one reading under way.
type capture struct {
	w      *Watcher
	now    *time.Time
	length time.Duration
	end    time.Time // of the open interval
	flows  builder
	result Reading
}

// probe is how many packets are looked at to find out whether a file is of exports.
const probe = 10000

func (r *capture) file(ctx context.Context, name string) error {
	exports := false
	n := 0
	_, err := walk(name, func(_ time.Time, p netflow.Packet, ok bool) error {
		exports = ok && isExport(p)
		if n++; exports || n >= probe {
			return io.EOF
		}
		return nil
	})
	if err != nil {
		return err
	}
	truncated, err := walk(name, func(at time.Time, p netflow.Packet, ok bool) error { return r.packet(ctx, at.UTC(), p, ok, exports) })
	r.result.Truncated = r.result.Truncated || truncated
	return err
}

func (r *capture) packet(ctx context.Context, at time.Time, p netflow.Packet, ok, exports bool) error {
	r.result.Packets++
	if r.result.From.IsZero() || at.Before(r.result.From) {
		r.result.From = at
	}
	if at.After(r.result.To) {
		r.result.To = at
	}
	if err := r.advance(ctx, at); err != nil {
		return err
	}
	switch {
	case !ok:
		r.result.Unread++
	case !exports:
		r.flows.add(at, p, r.w.add)
	case isExport(p):
		r.result.Exports++
		if err := r.w.Receive(p.Payload, p.Src, at); err != nil {
			r.result.Unread++
		}
	}
	return nil
}

// advance closes intervals that ended before a time.
func (r *capture) advance(ctx context.Context, at time.Time) error {
	if !r.end.IsZero() && at.Before(r.end) {
		return nil
	}
	if err := r.close(ctx); err != nil {
		return err
	}
	start := at.Truncate(r.length)
	r.end = start.Add(r.length)
	*r.now = start
	r.w.counter.SkipTo(start)
	return nil
}

func (r *capture) close(ctx context.Context) error {
	r.flows.flush(r.w.add)
	if r.end.IsZero() {
		return nil
	}
	*r.now = r.end
	return r.w.CloseInterval(ctx, r.end)
}

// A builder makes flows of packets: one for each conversation and direction in an interval.
type builder struct {
	open map[conversation]*netflow.Flow
}

type conversation struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
	proto            uint8
}

// maxOpen bounds the conversations held at once; past it all are handed on, and go on as flows of their own.
const maxOpen = 1 << 20

func (b *builder) add(at time.Time, p netflow.Packet, emit func([]netflow.Flow)) {
	stamp := netflow.StampOf(at)
	key := conversation{p.Src, p.Dst, p.SrcPort, p.DstPort, p.Proto}
	f := b.open[key]
	if f == nil {
		if len(b.open) >= maxOpen {
			b.flush(emit)
		}
		if b.open == nil {
			b.open = make(map[conversation]*netflow.Flow)
		}
		f = &netflow.Flow{Src: p.Src, Dst: p.Dst, SrcPort: p.SrcPort, DstPort: p.DstPort, Proto: p.Proto, Sampling: 1, Start: stamp, End: stamp}
		if p.Proto == netflow.ProtoTCP {
			f.Sees = netflow.SeesFlags
		}
		b.open[key] = f
	}
	f.Flags |= p.Flags
	f.Packets++
	f.Bytes += uint64(p.Bytes)
	f.End = max(f.End, stamp)
}

// flush hands on what is open, in the order of the conversations' beginnings.
func (b *builder) flush(emit func([]netflow.Flow)) {
	list := slices.SortedFunc(maps.Values(b.open), func(a, b *netflow.Flow) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), a.Src.Compare(b.Src), a.Dst.Compare(b.Dst),
			cmp.Compare(a.SrcPort, b.SrcPort), cmp.Compare(a.DstPort, b.DstPort))
	})
	var some [64]netflow.Flow
	for part := range slices.Chunk(list, len(some)) {
		for i, f := range part {
			some[i] = *f
		}
		emit(some[:len(part)])
	}
	clear(b.open)
}

// isExport tells whether a packet is a flow exporter's datagram, by its content.
func isExport(p netflow.Packet) bool {
	b := p.Payload
	if p.Proto != netflow.ProtoUDP || len(b) < 16 {
		return false
	}
	be := binary.BigEndian
	switch be.Uint16(b) {
	case 5:
		n := int(be.Uint16(b[2:]))
		return n > 0 && n <= 64 && len(b) >= 24+48*n
	case 9:
		return len(b) >= 24 && setFits(b[20:], 0)
	case 10:
		return int(be.Uint16(b[2:])) == len(b) && (len(b) == 16 || len(b) >= 20 && setFits(b[16:], 2))
	case 0:
		kind := be.Uint32(b[4:])
		return be.Uint32(b) == 5 && (kind == 1 || kind == 2)
	}
	return false
}

// setFits tells whether the first set has an id that its version knows and a length that is there.
func setFits(b []byte, template uint16) bool {
	id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	return (id == template || id == template+1 || id >= 256) && length >= 4 && length <= len(b)
}

// walk calls fn with each packet of a capture file until fn says io.EOF; ok is false for what is not IP.
func walk(name string, fn func(at time.Time, p netflow.Packet, ok bool) error) (truncated bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	next, err := source(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return false, err
	}
	for {
		data, info, link, err := next()
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return true, nil
		case err != nil:
			return false, err
		}
		p, ok := parseLink(link, data, info.Length)
		if err := fn(info.Timestamp, p, ok); errors.Is(err, io.EOF) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
}

type nextPacket func() ([]byte, gopacket.CaptureInfo, layers.LinkType, error)

// source recognises pcapng by its first block (0x0a0d0d0a); all else is taken for pcap.
func source(in *bufio.Reader) (nextPacket, error) {
	head, err := in.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("not a capture file: %w", err)
	}
	if bytes.Equal(head, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		r, err := pcapgo.NewNgReader(in, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, fmt.Errorf("not a capture file: %w", err)
		}
		return func() ([]byte, gopacket.CaptureInfo, layers.LinkType, error) {
			data, info, err := r.ZeroCopyReadPacketData()
			link := r.LinkType()
			if err == nil && len(info.AncillaryData) > 0 {
				if l, ok := info.AncillaryData[0].(layers.LinkType); ok {
					link = l
				}
			}
			return data, info, link, err
		}, nil
	}
	r, err := pcapgo.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("not a capture file: %w", err)
	}
	return func() ([]byte, gopacket.CaptureInfo, layers.LinkType, error) {
		data, info, err := r.ZeroCopyReadPacketData()
		return data, info, r.LinkType(), err
	}, nil
}

func parseLink(link layers.LinkType, b []byte, frame int) (netflow.Packet, bool) {
	skip := func(n int) (netflow.Packet, bool) {
		if len(b) < n {
			return netflow.Packet{}, false
		}
		return netflow.ParseHeader(netflow.LinkIPv4, b[n:], frame-n)
	}
	switch link {
	case layers.LinkTypeEthernet:
		return netflow.ParseHeader(netflow.LinkEthernet, b, frame)
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6, 12, 14:
		return skip(0)
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		return skip(4)
	case layers.LinkTypeLinuxSLL:
		return skip(16)
	case layers.LinkTypeLinuxSLL2:
		return skip(20)
	case layers.LinkTypePPP:
		return netflow.ParseHeader(netflow.LinkPPP, b, frame)
	}
	return netflow.Packet{}, false
}
