package message

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// A compound is an OLE compound file (MS-CFB): streams in folders, kept in
// chains of sectors.
type compound struct {
	b       []byte
	sector  int
	fat     []uint32
	miniFAT []uint32
	mini    []byte
	cutoff  uint32
	entries []entry
	left    int // bytes that may still be copied out
}

// An entry is one stream or folder of a compound file.
type entry struct {
	name               string
	kind               byte // 1 folder, 2 stream, 5 root
	left, right, child uint32
	start, size        uint32
}

var compoundSignature = []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")

const (
	endOfChain = 0xFFFFFFFE
	noEntry    = 0xFFFFFFFF
	maxEntries = 8192
)

// openCompound reads the tables and the directory; nil where b is no such file.
func openCompound(b []byte) *compound {
	if len(b) < 512 || !bytes.HasPrefix(b, compoundSignature) {
		return nil
	}
	shift := binary.LittleEndian.Uint16(b[30:])
	if shift != 9 && shift != 12 {
		return nil
	}
	c := &compound{b: b, sector: 1 << shift, cutoff: binary.LittleEndian.Uint32(b[56:]), left: 2*len(b) + 1<<16}
	c.readFAT()
	c.readDirectory(binary.LittleEndian.Uint32(b[48:]))
	if len(c.entries) == 0 || c.entries[0].kind != 5 {
		return nil
	}
	c.miniFAT = words(c.chain(binary.LittleEndian.Uint32(b[60:]), len(b)))
	c.mini = c.chain(c.entries[0].start, int(min(c.entries[0].size, uint32(len(b)))))
	return c
}

// at returns sector n, nil where the file has none.
func (c *compound) at(n uint32) []byte {
	from := (int64(n) + 1) * int64(c.sector)
	if n >= 0xFFFFFFFA || from >= int64(len(c.b)) {
		return nil
	}
	return c.b[from:min(from+int64(c.sector), int64(len(c.b)))]
}

// readFAT gathers the sectors of the allocation table: 109 in the header, more
// in a chain of their own.
func (c *compound) readFAT() {
	list := words(c.b[76:512])
	next := binary.LittleEndian.Uint32(c.b[68:])
	for hops := 0; next < 0xFFFFFFFA && hops < len(c.b)/c.sector; hops++ {
		more := words(c.at(next))
		if len(more) == 0 {
			break
		}
		list = append(list, more[:len(more)-1]...)
		next = more[len(more)-1]
	}
	for _, n := range list {
		if len(c.fat) > len(c.b)/c.sector+c.sector {
			return
		}
		c.fat = append(c.fat, words(c.at(n))...)
	}
}

func words(b []byte) []uint32 {
	out := make([]uint32, 0, len(b)/4)
	for ; len(b) >= 4; b = b[4:] {
		out = append(out, binary.LittleEndian.Uint32(b))
	}
	return out
}

// chain copies at most limit bytes of the sectors that begin at n.
func (c *compound) chain(n uint32, limit int) []byte {
	var out []byte
	for hops := 0; len(out) < limit && hops <= len(c.b)/c.sector; hops++ {
		s := c.at(n)
		if s == nil || c.left < len(s) {
			break
		}
		out = append(out, s...)
		c.left -= len(s)
		if int(n) >= len(c.fat) {
			break
		}
		n = c.fat[n]
	}
	return out[:min(len(out), limit)]
}

func (c *compound) readDirectory(n uint32) {
	b := c.chain(n, maxEntries*128)
	for ; len(b) >= 128; b = b[128:] {
		c.entries = append(c.entries, entry{
			name: utf16Text(b[:min(64, int(binary.LittleEndian.Uint16(b[64:])))]), kind: b[66],
			left: binary.LittleEndian.Uint32(b[68:]), right: binary.LittleEndian.Uint32(b[72:]), child: binary.LittleEndian.Uint32(b[76:]),
			start: binary.LittleEndian.Uint32(b[116:]), size: binary.LittleEndian.Uint32(b[120:]),
		})
	}
}

// children lists what a folder holds, each entry once.
func (c *compound) children(folder int) []int {
	var out []int
	seen := make([]bool, len(c.entries))
	stack := []uint32{c.entries[folder].child}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if n == noEntry || int64(n) >= int64(len(c.entries)) || seen[n] {
			continue
		}
		seen[n] = true
		out = append(out, int(n))
		stack = append(stack, c.entries[n].left, c.entries[n].right)
	}
	return out
}

// stream returns the bytes of a stream.
func (c *compound) stream(i int) []byte {
	e := c.entries[i]
	size := int(min(int64(e.size), int64(len(c.b))))
	if e.size >= c.cutoff {
		return c.chain(e.start, size)
	}
	const miniSector = 64
	var out []byte
	n := e.start
	for hops := 0; len(out) < size && hops <= len(c.mini)/miniSector; hops++ {
		from := int64(n) * miniSector
		if from >= int64(len(c.mini)) || c.left < miniSector || int64(n) >= int64(len(c.miniFAT)) {
			break
		}
		out = append(out, c.mini[from:min(from+miniSector, int64(len(c.mini)))]...)
		c.left -= miniSector
		n = c.miniFAT[n]
	}
	return out[:min(len(out), size)]
}

// IsOutlook tells whether b is an Outlook .msg file, by its first bytes and the
// name of the stream that each has.
func IsOutlook(b []byte) bool {
	return bytes.HasPrefix(b, compoundSignature) && bytes.Contains(b, utf16Bytes("__properties_version1.0"))
}

func utf16Bytes(s string) []byte {
	return []byte(strings.Join(strings.Split(s, ""), "\x00") + "\x00")
}
