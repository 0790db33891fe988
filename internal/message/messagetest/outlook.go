package messagetest

import (
	"encoding/binary"
	"fmt"
)

// Outlook returns the mail as a .msg file: an OLE compound file (MS-CFB) of
// 512-byte sectors whose small streams lie in the mini stream.
func Outlook(m Mail) []byte {
	root := &node{name: "Root Entry", kind: 5}
	mailFolder(root, m, 32)
	return compound(root)
}

// A node is a stream or folder of the file.
type node struct {
	name     string
	kind     byte
	data     []byte
	children []*node

	index, left, right, child int
	start                     uint32
}

func (n *node) add(c *node) *node {
	n.children = append(n.children, c)
	return c
}

func (n *node) stream(name string, data []byte) { n.add(&node{name: name, kind: 2, data: data}) }

func (n *node) text(id uint16, s string) {
	if s != "" {
		b := utf16le(s)
		n.stream(fmt.Sprintf("__substg1.0_%04X001F", id), b[:len(b)-2])
	}
}

func mailFolder(n *node, m Mail, head int) {
	n.stream("__properties_version1.0", make([]byte, head))
	n.text(0x007D, m.Header)
	n.text(0x0037, m.Subject)
	n.text(0x5D01, m.From)
	n.text(0x1000, m.Text)
	if m.HTML != "" {
		n.stream("__substg1.0_10130102", []byte(m.HTML))
	}
	for i, f := range m.Files {
		a := n.add(&node{name: fmt.Sprintf("__attach_version1.0_#%08X", i), kind: 1})
		a.stream("__properties_version1.0", make([]byte, 8))
		a.text(0x3707, f.Name)
		if f.Mail != nil {
			mailFolder(a.add(&node{name: "__substg1.0_3701000D", kind: 1}), *f.Mail, 24)
			continue
		}
		a.stream("__substg1.0_37010102", f.Data)
	}
}

const (
	sector     = 512
	miniSector = 64
	endOfChain = 0xFFFFFFFE
	free       = 0xFFFFFFFF
)

// compound lays the nodes out: data sectors, mini stream, its table, the
// directory, the table of sectors.
func compound(root *node) []byte {
	var all []*node
	number(root, &all)
	var data, mini []byte
	var fat, miniFAT []uint32
	for _, n := range all {
		switch {
		case n.kind != 2:
		case len(n.data) >= 4096:
			n.start = uint32(len(fat))
			data = append(data, pad(n.data, sector)...)
			fat = chain(fat, len(pad(n.data, sector))/sector)
		default:
			n.start = uint32(len(miniFAT))
			mini = append(mini, pad(n.data, miniSector)...)
			miniFAT = chain(miniFAT, len(pad(n.data, miniSector))/miniSector)
		}
	}
	root.data, root.start = mini, uint32(len(fat))
	data = append(data, pad(mini, sector)...)
	fat = chain(fat, len(pad(mini, sector))/sector)
	miniStart, miniTable := uint32(len(fat)), pad(table(miniFAT), sector)
	data = append(data, miniTable...)
	fat = chain(fat, len(miniTable)/sector)
	dirStart, dir := uint32(len(fat)), pad(directory(all), sector)
	data = append(data, dir...)
	fat = chain(fat, len(dir)/sector)
	fatStart := len(fat)
	fatSectors := (len(fat) + sector/4) / (sector / 4)
	for range fatSectors {
		fat = append(fat, 0xFFFFFFFD)
	}
	for len(fat)%(sector/4) != 0 {
		fat = append(fat, free)
	}
	data = append(data, table(fat)...)
	return append(header(dirStart, miniStart, len(miniTable)/sector, fatStart, len(fat)/(sector/4)), data...)
}

// number gives each node its place; children hang to the right of one another.
func number(n *node, all *[]*node) {
	n.index, n.left, n.right, n.child = len(*all), -1, -1, -1
	*all = append(*all, n)
	for i, c := range n.children {
		number(c, all)
		if i == 0 {
			n.child = c.index
		} else {
			n.children[i-1].right = c.index
		}
	}
}

func pad(b []byte, size int) []byte {
	if len(b) == 0 {
		return nil
	}
	return append(append([]byte{}, b...), make([]byte, -len(b)&(size-1))...)
}

func chain(t []uint32, n int) []uint32 {
	for i := range n {
		next := uint32(len(t) + 1)
		if i == n-1 {
			next = endOfChain
		}
		t = append(t, next)
	}
	return t
}

func table(t []uint32) []byte {
	var b []byte
	for _, n := range t {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func directory(all []*node) []byte {
	var b []byte
	for _, n := range all {
		e := make([]byte, 128)
		name := utf16le(n.name)
		copy(e, name)
		binary.LittleEndian.PutUint16(e[64:], uint16(len(name)))
		e[66], e[67] = n.kind, 1
		for i, at := range []int{n.left, n.right, n.child} {
			binary.LittleEndian.PutUint32(e[68+4*i:], uint32(int32(at)))
		}
		binary.LittleEndian.PutUint32(e[116:], n.start)
		binary.LittleEndian.PutUint32(e[120:], uint32(len(n.data)))
		b = append(b, e...)
	}
	return b
}

func header(dir, mini uint32, miniSectors, fatStart, fatSectors int) []byte {
	h := make([]byte, sector)
	copy(h, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")
	le := binary.LittleEndian
	le.PutUint16(h[24:], 0x3E)
	le.PutUint16(h[26:], 3)
	le.PutUint16(h[28:], 0xFFFE)
	le.PutUint16(h[30:], 9)
	le.PutUint16(h[32:], 6)
	le.PutUint32(h[44:], uint32(fatSectors))
	le.PutUint32(h[48:], dir)
	le.PutUint32(h[56:], 4096)
	le.PutUint32(h[60:], mini)
	le.PutUint32(h[64:], uint32(miniSectors))
	le.PutUint32(h[68:], endOfChain)
	for i := range 109 {
		n := uint32(free)
		if i < fatSectors {
			n = uint32(fatStart + i)
		}
		le.PutUint32(h[76+4*i:], n)
	}
	return h
}
