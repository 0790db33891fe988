package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"spoor/internal/message"
)

// A parsedMail is one complaint as it was found: unlike a mail to be traced it
// is kept whole, because attachments are read too.
type parsedMail struct {
	source string
	number int
	raw    []byte
	err    error
}

// complaintFiles calls take for each mail of the paths, in their order.
func (p *parseCmd) complaintFiles(ctx context.Context, paths []string, take func(parsedMail) error) error {
	for _, path := range paths {
		if path == "-" {
			if err := splitMails(ctx, "-", p.app.in, take); err != nil {
				return err
			}
			continue
		}
		err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return take(parsedMail{source: name, number: 1, err: pathError(err)})
			case ctx.Err() != nil:
				return ctx.Err()
			case d.IsDir() || !d.Type().IsRegular() && name != path || maildirBookkeeping(d.Name()):
				return nil
			}
			return complaintFile(ctx, name, take)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func complaintFile(ctx context.Context, name string, take func(parsedMail) error) error {
	f, err := os.Open(name)
	if err != nil {
		return take(parsedMail{source: name, number: 1, err: pathError(err)})
	}
	defer f.Close()
	return splitMails(ctx, name, f, take)
}

// sizeOf returns the size of a file up to the limit, 0 where it is unknown.
func sizeOf(in io.Reader, limit int) int {
	f, ok := in.(*os.File)
	if !ok {
		return 0
	}
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return 0
	}
	return int(min(fi.Size(), int64(limit)))
}

// readSized is io.ReadAll, but a large mail is not copied as it grows.
func readSized(r io.Reader, size int) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

// splitMails reads one mail, or those of a mbox (RFC 4155), each up to the
// limit of what a mail may measure.
func splitMails(ctx context.Context, name string, in io.Reader, take func(parsedMail) error) error {
	b := bufio.NewReaderSize(in, 64<<10)
	limit := message.DefaultLimits().MaxBytes + 1 // by the byte too many a mail that was cut is known
	head, _ := b.Peek(5)
	if string(head) != "From " {
		raw, err := readSized(io.LimitReader(b, int64(limit)), sizeOf(in, limit))
		return take(parsedMail{source: name, number: 1, raw: raw, err: err})
	}
	var cur []byte
	n, blank, whole := 0, true, true
	for {
		line, err := b.ReadSlice('\n')
		if whole && blank && bytes.HasPrefix(line, []byte("From ")) {
			if n > 0 {
				if err := errors.Join(ctx.Err(), take(parsedMail{source: name, number: n, raw: cur})); err != nil {
					return err
				}
			}
			cur = nil
			n++
		}
		if len(cur)+len(line) <= limit {
			cur = append(cur, line...)
		}
		blank = whole && len(bytes.TrimRight(line, "\r\n")) == 0
		whole = bytes.HasSuffix(line, []byte("\n"))
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return take(parsedMail{source: name, number: n, raw: cur, err: err})
		}
	}
}
