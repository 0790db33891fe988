// Package mailbox reads mails where they lie: mbox files (RFC 4155), Maildirs, folders of mails and single files. It reads
// them as a stream, so that the size of a mailbox does not matter.
package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrTooLarge marks a mail that is larger than Options allow. The reader goes on behind it.
var ErrTooLarge = errors.New("mailbox: the mail is larger than max_size")

// ErrIrregular means that there is something else than a file: a pipe, say.
var ErrIrregular = errors.New("mailbox: no regular file")

// A Message is one mail as it was found.
type Message struct {
	Path   string    // of the file
	Offset int64     // where it begins in the file (mbox), in bytes
	End    int64     // where what follows begins
	From   string    // envelope sender by the From_ line; empty if there is none
	Time   time.Time // by the From_ line (as UTC, RFC 4155) or the file's time of change; zero if neither says
	Raw    []byte    // without the From_ line and its quoting
	Err    error     // ErrTooLarge; Raw is nil then
}

// Options say how to read.
type Options struct {
	MaxSize int64   // bytes of one mail; 25 MiB if zero
	Quoting Quoting // of mbox files; Auto if empty
}

func (o Options) maxSize() int64 {
	if o.MaxSize <= 0 {
		return 25 << 20
	}
	return o.MaxSize
}

// Walk calls fn for every mail at path: an mbox file, a file with one mail, a Maildir, or a folder of any of these.
// It ends with fn's first error.
func Walk(ctx context.Context, path string, opt Options, fn func(Message) error) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read mailbox: %w", err)
	}
	if !st.IsDir() {
		return walkFile(ctx, path, opt, fn)
	}
	if IsMaildir(path) {
		return walkMaildir(ctx, path, opt, fn)
	}
	return walkFolder(ctx, path, opt, fn)
}

// Size returns the bytes of all mail at path, for a progress bar.
func Size(path string) (total int64, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // an MTA or a reader moved it
			return nil
		}
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// IsMaildir says whether dir has the folders of one.
func IsMaildir(dir string) bool {
	for _, sub := range []string{"cur", "new"} {
		if st, err := os.Stat(filepath.Join(dir, sub)); err != nil || !st.IsDir() {
			return false
		}
	}
	return true
}

// walkMaildir reads cur, then new: what was seen is older. Maildir++ folders are folders in it.
func walkMaildir(ctx context.Context, dir string, opt Options, fn func(Message) error) error {
	for _, sub := range []string{"cur", "new"} {
		names, err := Names(filepath.Join(dir, sub))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := File(ctx, filepath.Join(dir, sub, name), opt, fn); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return walkFolder(ctx, dir, opt, fn, "cur", "new", "tmp")
}

// Names lists the mails of a Maildir's folder in the order in which they were delivered: names begin with the time.
func Names(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("read Maildir: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("read Maildir: %w", err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, ".") })
	slices.Sort(names)
	return names, nil
}

// walkFolder reads what lies in a folder, by name, but for some names and hidden files. Maildirs may hide theirs.
func walkFolder(ctx context.Context, dir string, opt Options, fn func(Message) error, except ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read folder: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		hidden := strings.HasPrefix(e.Name(), ".")
		switch {
		case slices.Contains(except, e.Name()), hidden && !(e.IsDir() && IsMaildir(path)):
		case e.IsDir():
			err = Walk(ctx, path, opt, fn)
		case e.Type().IsRegular() && len(except) == 0: // a Maildir's own files are its server's
			err = walkFile(ctx, path, opt, fn)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Open opens a regular file, and never waits for what only looks like one.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, ErrIrregular)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// walkFile reads an mbox, or a single mail.
func walkFile(ctx context.Context, path string, opt Options, fn func(Message) error) error {
	f, err := Open(path)
	if err != nil {
		return fmt.Errorf("read mailbox: %w", err)
	}
	defer f.Close()
	start := make([]byte, 64)
	n, err := f.ReadAt(start, 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read mailbox: %w", err)
	}
	if !bytes.HasPrefix(bytes.TrimLeft(start[:n], "\r\n"), []byte("From ")) {
		return File(ctx, path, opt, fn)
	}
	return ReadMbox(ctx, f, path, 0, opt, fn)
}

// ReadMbox calls fn for every mail of an mbox from an offset on, at which a From_ line begins.
func ReadMbox(ctx context.Context, f io.ReaderAt, path string, from int64, opt Options, fn func(Message) error) error {
	r := NewMbox(f, from, opt)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		m, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read mbox %s: %w", path, err)
		}
		m.Path = path
		if err := fn(m); err != nil {
			return err
		}
	}
}

// File reads a file that is one mail.
func File(ctx context.Context, path string, opt Options, fn func(Message) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := Open(path)
	if err != nil {
		return fmt.Errorf("read mail: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, opt.maxSize()+1))
	if err != nil {
		return fmt.Errorf("read mail %s: %w", path, err)
	}
	m := Message{Path: path, Raw: raw, End: int64(len(raw))}
	if st, err := f.Stat(); err == nil {
		m.Time = st.ModTime().UTC()
	}
	if int64(len(raw)) > opt.maxSize() {
		m.Raw, m.Err = nil, ErrTooLarge
	}
	return fn(m)
}
