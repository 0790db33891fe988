package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxKept is how much of one message is kept for tracing: its header and the
// beginning of its body.
const maxKept = 1 << 20

// A tracedMail is one message as it was found.
type tracedMail struct {
	source string
	number int // within its source, from 1
	raw    []byte
	err    error
}

// A mailReader finds messages in files, mboxes, Maildirs and folders, and hands
// them to emit one by one in the order of the paths.
type mailReader struct {
	stdin io.Reader
	emit  func(tracedMail) error
	// read counts the bytes that were read, for progress.
	read func(n int)
}

// paths reads all of them. What cannot be read is emitted with its error.
func (r *mailReader) paths(ctx context.Context, paths []string) error {
	for _, p := range paths {
		if err := r.path(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (r *mailReader) path(ctx context.Context, path string) error {
	if path == "-" {
		return r.stream(ctx, "-", r.stdin)
	}
	info, err := os.Stat(path)
	if err != nil {
		return r.emit(tracedMail{source: path, number: 1, err: pathError(err)})
	}
	if !info.IsDir() {
		return r.file(ctx, path)
	}
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return r.emit(tracedMail{source: name, number: 1, err: pathError(err)})
		}
		if d.IsDir() {
			if name != path && (d.Name() == "tmp" && isMaildir(filepath.Dir(name)) || strings.HasPrefix(d.Name(), ".git")) {
				return fs.SkipDir
			}
			return ctx.Err()
		}
		if !d.Type().IsRegular() || maildirBookkeeping(d.Name()) {
			return nil
		}
		return r.file(ctx, name)
	})
}

// isMaildir tells whether a folder holds new, cur and tmp.
func isMaildir(dir string) bool {
	for _, sub := range []string{"new", "cur"} {
		if info, err := os.Stat(filepath.Join(dir, sub)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// maildirBookkeeping knows the files that mail stores keep beside the mail.
func maildirBookkeeping(name string) bool {
	return strings.HasPrefix(name, "dovecot") || name == "maildirfolder" || name == "subscriptions" || strings.HasPrefix(name, "courierimap")
}

func (r *mailReader) file(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return r.emit(tracedMail{source: path, number: 1, err: pathError(err)})
	}
	defer f.Close()
	return r.stream(ctx, path, f)
}

// pathError says what happened without the path, which is named before it.
func pathError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// stream reads one message, or the messages of a mbox (RFC 4155).
func (r *mailReader) stream(ctx context.Context, name string, in io.Reader) error {
	b := bufio.NewReaderSize(in, 64<<10)
	head, _ := b.Peek(5)
	if string(head) == "From " {
		return r.mbox(ctx, name, b)
	}
	raw, err := io.ReadAll(io.LimitReader(b, maxKept))
	r.count(len(raw))
	if err == nil && len(raw) == maxKept {
		_, err = io.Copy(io.Discard, b)
	}
	if err != nil {
		err = fmt.Errorf("reading: %w", pathError(err))
	}
	return r.emit(tracedMail{source: name, number: 1, raw: raw, err: err})
}

func (r *mailReader) count(n int) {
	if r.read != nil {
		r.read(n)
	}
}

// mbox splits at lines that begin with "From " behind a blank line.
func (r *mailReader) mbox(ctx context.Context, name string, b *bufio.Reader) error {
	var cur []byte
	n, blank, lineStart := 0, true, true
	flush := func() error {
		if n == 0 {
			return nil
		}
		err := r.emit(tracedMail{source: name, number: n, raw: cur})
		cur = nil
		return err
	}
	for {
		line, err := b.ReadSlice('\n')
		r.count(len(line))
		if len(line) > 0 {
			if lineStart && blank && bytes.HasPrefix(line, []byte("From ")) {
				if err := flush(); err != nil {
					return err
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				n++
				cur = make([]byte, 0, 8<<10)
			}
			if len(cur)+len(line) <= maxKept {
				cur = append(cur, line...)
			}
			blank = lineStart && len(bytes.TrimRight(line, "\r\n")) == 0
			lineStart = line[len(line)-1] == '\n'
		}
		switch {
		case err == nil || errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return flush()
		default:
			return r.emit(tracedMail{source: name, number: max(n, 1), err: fmt.Errorf("reading: %w", pathError(err))})
		}
	}
}
