package segment

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	headerSize = 16
	suffix     = ".seg"
	dayLayout  = "20060102"
)

// header begins every segment: what the file is, and the version of its records.
var header = []byte("spoor segment 1\n")

// A file is one segment: its name says its number, its day (UTC) and its key, as in 00002a-20261121-0123456789abcdef.seg.
type file struct {
	path   string
	number uint32
	day    time.Time // midnight UTC
	key    key
	end    int64 // past the last record that is known to be on disk
}

// parseName reads a segment's name.
func parseName(path string) (file, error) {
	base, ok := strings.CutSuffix(filepath.Base(path), suffix)
	parts := strings.Split(base, "-")
	if !ok || len(parts) != 3 {
		return file{}, fmt.Errorf("%s is no segment's name", path)
	}
	number, err1 := strconv.ParseUint(parts[0], 16, 24)
	day, err2 := time.Parse(dayLayout, parts[1])
	raw, err3 := hex.DecodeString(parts[2])
	if err := errors.Join(err1, err2, err3); err != nil || len(raw) != 8 {
		return file{}, fmt.Errorf("%s is no segment's name", path)
	}
	k := key{mark: binary.BigEndian.Uint32(raw), seed: binary.BigEndian.Uint32(raw[4:])}
	return file{path: path, number: uint32(number), day: day, key: k}, nil
}

// newFile names a segment that does not exist yet.
func newFile(dir string, number uint32, day time.Time) file {
	var raw [8]byte
	rand.Read(raw[:]) // never returns an error (crypto/rand)
	name := fmt.Sprintf("%06x-%s-%x%s", number, day.Format(dayLayout), raw, suffix)
	f, err := parseName(filepath.Join(dir, name))
	if err != nil {
		panic(err) // the two lines above and parseName disagree
	}
	return f
}

// create makes the segment's file, durable in its folder. Its header is synced with the first records.
func (s *file) create() (*os.File, error) {
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(header); err == nil {
		err = syncDir(filepath.Dir(s.path))
	}
	if err != nil {
		f.Close()
		os.Remove(s.path)
		return nil, err
	}
	s.end = headerSize
	return f, nil
}

// measure sets the end of a segment that was written before: past its last whole record.
// It returns how many bytes lie behind that.
func (s *file) measure() (torn int64, err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	s.end = min(headerSize, st.Size())
	for off := int64(headerSize); off < st.Size(); {
		_, _, next, err := s.key.readRecord(f, off, st.Size())
		if errors.Is(err, errDamaged) {
			next, err = s.key.nextRecord(f, off+1, st.Size())
			if next < st.Size() && err == nil {
				off = next
				continue
			}
			return st.Size() - s.end, err
		}
		if err != nil {
			return 0, err
		}
		off, s.end = next, next
	}
	return st.Size() - s.end, nil
}

// truncate cuts a torn tail off.
func (s *file) truncate() error {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(s.end); err != nil {
		return err
	}
	return fdatasync(f)
}

// list reads the folder's segments in order.
func list(dir string) ([]*file, error) {
	entries, err := os.ReadDir(dir) // sorted by name, which begins with the number
	if err != nil {
		return nil, err
	}
	var files []*file
	for _, e := range entries {
		if f, err := parseName(filepath.Join(dir, e.Name())); err == nil {
			files = append(files, &f)
		}
	}
	return files, nil
}

func fdatasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// offsetWriter writes at its own place in a file.
func offsetWriter(f *os.File, off int64) io.Writer { return io.NewOffsetWriter(f, off) }
