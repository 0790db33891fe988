package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

const (
	recordHeader = 16       // mark, length of head, length of body, checksum: four little-endian uint32
	maxHead      = 4 << 20  // bytes
	maxBody      = 1 << 30  // bytes
	readBuffer   = 64 << 10 // bytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged says that the bytes at a place are no record of this segment.
var errDamaged = errors.New("segment: damaged record")

// A key is what only this segment's records carry: a mark before and a seed of the checksum. Both are random, so that
// a message that contains the bytes of a record is not taken for one when the reader looks for the next after damage.
type key struct{ mark, seed uint32 }

// A frame is the fixed part of a record.
type frame struct {
	head, body int
	sum        uint32
}

func (f frame) size() int64 { return recordHeader + int64(f.head) + int64(f.body) }

// frameFor fills b with the fixed part of a record.
func (k key) frameFor(b, head, body []byte) {
	binary.LittleEndian.PutUint32(b[0:], k.mark)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(head)))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[12:], k.sum(b[4:12], head, body))
}

func (k key) sum(parts ...[]byte) uint32 {
	sum := k.seed
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}

// parseFrame reads the fixed part of a record of which at most room bytes can exist.
func (k key) parseFrame(b []byte, room int64) (frame, error) {
	f := frame{
		head: int(binary.LittleEndian.Uint32(b[4:])),
		body: int(binary.LittleEndian.Uint32(b[8:])),
		sum:  binary.LittleEndian.Uint32(b[12:]),
	}
	if binary.LittleEndian.Uint32(b) != k.mark || f.head > maxHead || f.body > maxBody || f.size() > room {
		return frame{}, errDamaged
	}
	return f, nil
}

// readRecord reads the whole record at off in a file whose records end at end.
func (k key) readRecord(r io.ReaderAt, off, end int64) (head, body []byte, next int64, err error) {
	f, err := k.readFrame(r, off, end)
	if err != nil {
		return nil, nil, 0, err
	}
	payload := make([]byte, f.head+f.body)
	if _, err := io.ReadFull(io.NewSectionReader(r, off+recordHeader, int64(len(payload))), payload); err != nil {
		return nil, nil, 0, readError(err)
	}
	var lengths [8]byte
	binary.LittleEndian.PutUint32(lengths[0:], uint32(f.head))
	binary.LittleEndian.PutUint32(lengths[4:], uint32(f.body))
	if k.sum(lengths[:], payload) != f.sum {
		return nil, nil, 0, errDamaged
	}
	return payload[:f.head:f.head], payload[f.head:], off + f.size(), nil
}

// readFrame reads the fixed part of the record at off.
func (k key) readFrame(r io.ReaderAt, off, end int64) (frame, error) {
	var b [recordHeader]byte
	if off < headerSize || end-off < recordHeader {
		return frame{}, errDamaged
	}
	if _, err := io.ReadFull(io.NewSectionReader(r, off, recordHeader), b[:]); err != nil {
		return frame{}, readError(err)
	}
	return k.parseFrame(b[:], end-off)
}

// readError tells a file that is shorter than it was from one that cannot be read.
func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errDamaged
	}
	return err
}

// nextRecord returns the place of the first whole record at or after off, or end.
func (k key) nextRecord(r io.ReaderAt, off, end int64) (int64, error) {
	mark := binary.LittleEndian.AppendUint32(nil, k.mark)
	buf := make([]byte, readBuffer)
	for off < end {
		n, err := io.ReadFull(io.NewSectionReader(r, off, end-off), buf[:min(int64(len(buf)), end-off)])
		if err != nil && !errors.Is(readError(err), errDamaged) {
			return 0, err
		}
		if n < len(mark) {
			break
		}
		for at := 0; ; at++ {
			i := bytes.Index(buf[at:n], mark)
			if i < 0 {
				break
			}
			at += i
			if _, _, _, err := k.readRecord(r, off+int64(at), end); err == nil {
				return off + int64(at), nil
			}
		}
		off += int64(n - len(mark) + 1)
	}
	return end, nil
}
