package netflow_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	goflow "github.com/netsampler/goflow2/v2/decoders/netflow"
	legacy "github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"spoor/flowwatch/netflow"
)

// corpus lists the datagrams of many vendors; the test is skipped where they are absent.
func corpus(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.FromSlash("../../../shared/corpus/netflow/*.dat"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no datagrams in ../shared/corpus/netflow")
	}
	return files
}

// vendor is what a data file and the files with its templates have in common.
func vendor(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), ".dat")
	for _, mark := range []string{"_data", "_tpl", "_opttpl", "_dpi"} {
		if i := strings.Index(name, mark); i > 0 {
			return name[:i]
		}
	}
	return name
}

// bearers are the files whose templates the data of file may need, the file itself last.
func bearers(file string, all []string) []string {
	var list []string
	for _, other := range all {
		if other != file && vendor(other) == vendor(file) && strings.Contains(other, "tpl") {
			list = append(list, other)
		}
	}
	return append(list, file)
}

var exporter = netip.MustParseAddr("192.0.2.1")

// everything is a decoder that trusts all times, so that they can be compared.
func everything() *netflow.Decoder {
	return netflow.NewDecoder(netflow.Config{AllowAny: true, MaxSkew: 200 * 365 * 24 * time.Hour})
}

// TestCorpusEqualsGoflow2 compares each record of each fixture with what goflow2 makes of it.
func TestCorpusEqualsGoflow2(t *testing.T) {
	files := corpus(t)
	total := 0
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ours, theirs := everything(), newOracle()
			var got, want []netflow.Flow
			for _, f := range bearers(file, files) {
				b := read(t, f)
				got, want = nil, nil
				err := ours.Decode(b, exporter, time.Unix(1700000000, 0), func(list []netflow.Flow) { got = append(got, list...) })
				flows, oracleErr := theirs.decode(b)
				want = flows
				if oracleErr == nil && err != nil && !errors.Is(err, netflow.ErrTruncated) {
					t.Errorf("%s: we say %v, goflow2 nothing", filepath.Base(f), err)
				}
				if oracleErr != nil {
					t.Logf("%s: goflow2: %v; ours: %v", filepath.Base(f), oracleErr, err)
				}
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("goflow2 (-) and we (+) differ:\n%s", diff)
			}
			total += len(got)
		})
	}
	t.Logf("%d records of %d files compared", total, len(files))
	if total < 300 {
		t.Errorf("only %d records were compared; the corpus holds more", total)
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An oracle is goflow2 with a slow and simple reading of its field values.
type oracle struct {
	templates goflow.NetFlowTemplateSystem
	sampling  uint32
	samplers  map[uint64]uint32
}

func newOracle() *oracle {
	return &oracle{templates: goflow.CreateTemplateSystem(), samplers: map[uint64]uint32{}}
}

func (o *oracle) decode(b []byte) ([]netflow.Flow, error) {
	if binary.BigEndian.Uint16(b) == 5 {
		return o.v5(b)
	}
	if b = bytes.Clone(b); b[1] == 9 {
		// goflow2 stops after as many sets as the header counts records; some vendors count sets, and too few.
		b[2], b[3] = 0xff, 0xff
	}
	var v9 goflow.NFv9Packet
	var ipfix goflow.IPFIXPacket
	err := goflow.DecodeMessageVersion(bytes.NewBuffer(b), o.templates, &v9, &ipfix)
	var list []netflow.Flow
	for _, set := range append(v9.FlowSets, ipfix.FlowSets...) {
		switch s := set.(type) {
		case goflow.DataFlowSet:
			for _, r := range s.Records {
				list = append(list, o.flows(r.Values, &v9, &ipfix)...)
			}
		case goflow.OptionsDataFlowSet:
			for _, r := range s.Records {
				o.options(r)
			}
		}
	}
	return list, err
}

func (o *oracle) v5(b []byte) ([]netflow.Flow, error) {
	var p legacy.PacketNetFlowV5
	err := legacy.DecodeMessageVersion(bytes.NewBuffer(b), &p)
	var list []netflow.Flow
	at := time.Unix(int64(p.UnixSecs), int64(p.UnixNSecs)).UTC()
	rate := max(1, uint64(p.SamplingInterval&0x3fff))
	for i, r := range p.Records {
		if 24+48*(i+1) > len(b) {
			break // goflow2 makes up the records that the header claims and the datagram lacks
		}
		stamp := func(v uint32) netflow.Stamp {
			return netflow.StampOf(at) + netflow.Stamp(int32(v-p.SysUptime))
		}
		f := netflow.Flow{
			Exporter: exporter, Domain: uint32(p.EngineType)<<8 | uint32(p.EngineId),
			Src: ip4(uint32(r.SrcAddr)), Dst: ip4(uint32(r.DstAddr)), SrcPort: r.SrcPort, DstPort: r.DstPort,
			Proto: r.Proto, Flags: r.TCPFlags, Sees: netflow.SeesFlags,
			Packets: uint64(r.DPkts) * rate, Bytes: uint64(r.DOctets) * rate, Sampling: uint32(rate),
			In: uint32(r.Input), Out: uint32(r.Output), Start: stamp(r.First), End: stamp(r.Last),
		}
		list = append(list, plausible(f))
	}
	return list, err
}

func ip4(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

func (o *oracle) options(r goflow.OptionsDataRecord) {
	v := values{}
	for _, f := range r.OptionsValues {
		v.put(f)
	}
	rate := v.num(0, 34, 50)
	if rate == 0 && v.num(0, 305) > 0 {
		rate = (v.num(0, 305) + v.num(0, 306)) / v.num(0, 305)
	}
	if rate == 0 {
		return
	}
	o.sampling = uint32(rate)
	if _, ok := v[element{48, 0}]; ok {
		o.samplers[v.num(0, 48)] = uint32(rate)
	}
}

type element struct {
	id  uint16
	pen uint32
}

// values are a record's fields by element; of the same element twice, the first that is not zero.
type values map[element][]byte

func (v values) put(f goflow.DataField) {
	b, _ := f.Value.([]byte)
	e := element{f.Type, f.Pen}
	if old, ok := v[e]; !ok || uint(toInt(old)) == 0 {
		v[e] = b
	}
}

func toInt(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// num is the value of the first of the elements that is there and not zero.
func (v values) num(pen uint32, ids ...uint16) uint64 {
	for _, id := range ids {
		if n := toInt(v[element{id, pen}]); n != 0 {
			return n
		}
	}
	return 0
}

func (v values) has(id uint16) bool { return len(v[element{id, 0}]) > 0 }

func (v values) addr(four, six uint16) netip.Addr {
	a, ok := netip.AddrFromSlice(v[element{four, 0}])
	if b, ok6 := netip.AddrFromSlice(v[element{six, 0}]); ok6 && (!ok || a.IsUnspecified()) {
		a = b.Unmap()
	}
	return a
}

const biflow = 29305

func (o *oracle) flows(fields []goflow.DataField, v9 *goflow.NFv9Packet, ipfix *goflow.IPFIXPacket) []netflow.Flow {
	v := values{}
	for _, f := range fields {
		v.put(f)
	}
	f := netflow.Flow{
		Exporter: exporter, Domain: v9.SourceId,
		Src: v.addr(8, 27), Dst: v.addr(12, 28),
		SrcPort: uint16(v.num(0, 7, 180, 182)), DstPort: uint16(v.num(0, 11, 181, 183)),
		Proto: uint8(v.num(0, 4)), Flags: uint8(v.num(0, 6)), Event: netflow.Event(v.num(0, 233)),
		Packets: v.num(0, 2, 86, 298, 24, 172), Bytes: v.num(0, 1, 85, 231, 23, 171),
		In: uint32(v.num(0, 10, 252)), Out: uint32(v.num(0, 14, 253)),
	}
	if v9.Version != 9 {
		f.Domain = ipfix.ObservationDomainId
	}
	if !f.Src.IsValid() || !f.Dst.IsValid() {
		return nil
	}
	if v.has(6) {
		f.Sees = netflow.SeesFlags
	}
	if f.DstPort == 0 && (f.Proto == 1 || f.Proto == 58) {
		f.DstPort = uint16(v.num(0, 32, 139))
		if v.has(176) || v.has(178) {
			f.DstPort = uint16(v.num(0, 176, 178)<<8 | v.num(0, 177, 179))
		}
	}
	f.Start, f.End = v.times(v9, ipfix)
	f.Sampling = o.rate(v)
	f.Packets, f.Bytes = f.Packets*uint64(f.Sampling), f.Bytes*uint64(f.Sampling)
	f = plausible(f)
	list := []netflow.Flow{f}
	revBytes, revPackets := v.num(biflow, 1, 85), v.num(biflow, 2, 86)
	if revBytes == 0 {
		revBytes = v.num(0, 232)
	}
	if revPackets == 0 {
		revPackets = v.num(0, 299)
	}
	if revBytes > 0 || revPackets > 0 {
		f.Src, f.Dst, f.SrcPort, f.DstPort, f.In, f.Out = f.Dst, f.Src, f.DstPort, f.SrcPort, f.Out, f.In
		f.Flags = uint8(v.num(biflow, 6))
		f.Bytes, f.Packets = revBytes*uint64(f.Sampling), revPackets*uint64(f.Sampling)
		list = append(list, f)
	}
	return list
}

func (o *oracle) rate(v values) uint32 {
	if n := v.num(0, 34, 50); n > 0 {
		return uint32(n)
	}
	if rate := o.samplers[v.num(0, 48)]; rate > 0 {
		return rate
	}
	return max(1, o.sampling)
}

func (v values) times(v9 *goflow.NFv9Packet, ipfix *goflow.IPFIXPacket) (start, end netflow.Stamp) {
	one := func(uptime, sec, ms, back uint16, ntp ...uint16) int64 {
		switch {
		case v.has(uptime) && v9.Version == 9:
			return int64(v9.UnixSeconds)*1000 + int64(int32(uint32(v.num(0, uptime))-v9.SystemUptime))
		case v.has(uptime) && v.has(160):
			return int64(v.num(0, 160) + v.num(0, uptime))
		case v.has(back):
			return int64(ipfix.ExportTime)*1000 - int64(v.num(0, back))/1000
		case v.num(0, ms, 323) != 0:
			return int64(v.num(0, ms, 323))
		case v.num(0, ntp...) != 0:
			n := v.num(0, ntp...)
			return max(0, (int64(n>>32)-2208988800)*1000+int64((n&0xffffffff)*1000>>32))
		}
		return int64(v.num(0, sec)) * 1000
	}
	s, e := one(22, 150, 152, 158, 154, 156), one(21, 151, 153, 159, 155, 157)
	length := int64(v.num(0, 161))
	if length == 0 {
		length = int64(v.num(0, 162)) / 1000
	}
	if length > 0 && s > 0 && e == 0 {
		e = s + length
	}
	return netflow.Stamp(s), netflow.Stamp(e)
}

// plausible is the rule for times: one stands in for the other, and what makes no sense is the time of receipt.
func plausible(f netflow.Flow) netflow.Flow {
	const received = netflow.Stamp(1700000000_000)
	if f.End == 0 {
		f.End = f.Start
	}
	if f.Start == 0 {
		f.Start = f.End
	}
	if length := f.End - f.Start; f.End == 0 || length < 0 || length > 24*3600_000 {
		f.Start, f.End = received, received
	}
	return f
}
