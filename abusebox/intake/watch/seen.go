package watch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
)

const seenEntry = 16 // bytes of a mail's hash

// A seen set holds the mails of one mbox that were taken. A mail reader that rewrites the file changes some fields of
// their headers, which do not count.
type seen struct {
	path  string
	known map[[seenEntry]byte]struct{}
}

func openSeen(path string) (*seen, error) {
	s := &seen{path: path, known: map[[seenEntry]byte]struct{}{}}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for ; len(data) >= seenEntry; data = data[seenEntry:] {
		s.known[[seenEntry]byte(data)] = struct{}{}
	}
	if len(data) > 0 { // a crash cut the last entry: begin a file of whole ones
		return s, s.rewrite()
	}
	return s, nil
}

func (s *seen) rewrite() error {
	var b bytes.Buffer
	for k := range s.known {
		b.Write(k[:])
	}
	return os.WriteFile(s.path, b.Bytes(), 0o600)
}

func (s *seen) has(raw []byte) bool {
	_, ok := s.known[hashOf(raw)]
	return ok
}

func (s *seen) add(raw []byte) error {
	k := hashOf(raw)
	s.known[k] = struct{}{}
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(k[:])
	return errors.Join(err, f.Close())
}

// reset forgets all: the file is a new one.
func (s *seen) reset() error {
	clear(s.known)
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readersFields are what mail readers and IMAP servers write into the mails of an mbox.
var readersFields = [][]byte{[]byte("status:"), []byte("x-status:"), []byte("x-keywords:"), []byte("x-uid:"), []byte("x-imap:"), []byte("x-imapbase:"),
	[]byte("content-length:"), []byte("x-mozilla-status:"), []byte("x-mozilla-status2:"), []byte("x-mozilla-keys:"), []byte("lines:")}

// hashOf hashes a mail but for the readers' fields.
func hashOf(raw []byte) [seenEntry]byte {
	h := sha256.New()
	rest := raw
	skipping := false
	for len(rest) > 0 {
		i := bytes.IndexByte(rest, '\n') + 1
		if i == 0 {
			i = len(rest)
		}
		line := rest[:i]
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		if line[0] != ' ' && line[0] != '\t' {
			skipping = ofReader(line)
		}
		if !skipping {
			h.Write(line)
		}
		rest = rest[i:]
	}
	h.Write(bytes.TrimRight(rest, "\r\n"))
	return [seenEntry]byte(h.Sum(nil))
}

func ofReader(line []byte) bool {
	for _, f := range readersFields {
		if len(line) >= len(f) && bytes.EqualFold(line[:len(f)], f) {
			return true
		}
	}
	return false
}
