package intake

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"spoor/abusebox/intake/mailbox"
)

// A Drop is the folder in which `spoor file` leaves mails while no daemon runs, and from which the daemon takes them. It is
// laid out like a Maildir; a file is the envelope as one line of JSON, then the message.
type Drop struct {
	dir     string
	maxSize int64
}

// dropVersion begins every file.
const dropVersion = "spoor drop 1 "

// NewDrop returns the drop folder of a store.
func NewDrop(storeDir string, maxSize int64) Drop {
	return Drop{filepath.Join(storeDir, "drop"), maxSize}
}

// Put leaves a mail: written, synced, renamed, and the folder synced. Only then is it safe to tell the MTA so.
func (d Drop) Put(m Mail) error {
	for _, sub := range []string{"tmp", "new"} {
		if err := os.MkdirAll(filepath.Join(d.dir, sub), 0o770); err != nil {
			return fmt.Errorf("drop mail: %w", err)
		}
	}
	head, err := json.Marshal(m.Envelope)
	if err != nil {
		return fmt.Errorf("drop mail: %w", err)
	}
	name := fmt.Sprintf("%d.%s", time.Now().UnixMicro(), rand.Text()[:12])
	tmp := filepath.Join(d.dir, "tmp", name)
	if err := writeSynced(tmp, fmt.Appendf(nil, "%s%s\n", dropVersion, head), m.Raw); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("drop mail: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(d.dir, "new", name)); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("drop mail: %w", err)
	}
	if err := syncDir(filepath.Join(d.dir, "new")); err != nil {
		return fmt.Errorf("drop mail: %w", err)
	}
	return nil
}

func writeSynced(path string, parts ...[]byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o660)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := f.Write(p); err != nil {
			f.Close()
			return err
		}
	}
	// Whatever the umask of the MTA is, the daemon must be able to read the mail by the folder's group.
	if err := errors.Join(f.Chmod(0o660), f.Sync()); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Empty hands every mail in the folder to put and removes it when it is kept: after a crash between the two it comes a
// second time, which the desk recognises. It ends with put's first error; the rest stays where it is.
func (d Drop) Empty(ctx context.Context, put func(context.Context, Mail) error) (taken int, err error) {
	names, err := mailbox.Names(filepath.Join(d.dir, "new"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var unread error
	if err := d.sweep(time.Now()); err != nil { // which keeps no mail waiting
		unread = fmt.Errorf("sweep drop folder: %w", err)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return taken, err
		}
		path := filepath.Join(d.dir, "new", name)
		m, err := d.read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if errors.Is(err, errTooLarge) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
			if err := d.setAside(name); err != nil {
				return taken, fmt.Errorf("empty drop folder: %w", err)
			}
			continue
		}
		if err != nil { // a fault of the disk or of this process: the mail waits for the next turn, and stops no other
			unread = errors.Join(unread, fmt.Errorf("empty drop folder: %w", err))
			continue
		}
		if err := put(ctx, m); err != nil {
			return taken, fmt.Errorf("empty drop folder: %w", err)
		}
		if err := os.Remove(path); err != nil {
			return taken, fmt.Errorf("empty drop folder: %w", err)
		}
		taken++
	}
	return taken, unread
}

// leftover is the age at which a file in tmp has lost its writer: who was killed told the MTA nothing, which sends the mail again.
const leftover = 36 * time.Hour

// sweep removes what killed writers left behind.
func (d Drop) sweep(now time.Time) error {
	tmp := filepath.Join(d.dir, "tmp")
	entries, err := os.ReadDir(tmp)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || !st.Mode().IsRegular() || now.Sub(st.ModTime()) < leftover {
			continue
		}
		if err := os.Remove(filepath.Join(tmp, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Count returns how many mails wait, and how many files were set aside.
func (d Drop) Count() (waiting, aside int, err error) {
	for sub, n := range map[string]*int{"new": &waiting, "bad": &aside} {
		names, err := mailbox.Names(filepath.Join(d.dir, sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, 0, fmt.Errorf("count drop folder: %w", err)
		}
		*n = len(names)
	}
	return waiting, aside, nil
}

// Aside is the folder of what was set aside.
func (d Drop) Aside() string { return filepath.Join(d.dir, "bad") }

// setAside keeps for a person what is no readable file: a pipe, a link, a giant.
func (d Drop) setAside(name string) error {
	if err := os.MkdirAll(d.Aside(), 0o770); err != nil {
		return err
	}
	return os.Rename(filepath.Join(d.dir, "new", name), filepath.Join(d.Aside(), name))
}

// read reads one file. Whoever may write into the folder may put anything there, so links are not followed, and what it
// says of its envelope goes no further than what `spoor file` itself would say.
func (d Drop) read(path string) (Mail, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return Mail{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Mail{}, err
	}
	const maxHead = 64 << 10
	if !st.Mode().IsRegular() || st.Size() > d.maxSize+maxHead {
		return Mail{}, errTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(f, d.maxSize+maxHead))
	if err != nil {
		return Mail{}, err
	}
	m := Mail{Envelope: Envelope{Source: SourceDrop, Arrived: st.ModTime().UTC()}, Raw: data}
	line, rest, ok := bytes.Cut(data, []byte("\n"))
	head, versioned := bytes.CutPrefix(line, []byte(dropVersion))
	var said Envelope
	if ok && versioned && json.Unmarshal(head, &said) == nil {
		m.Raw, m.From, m.Recipients = rest, said.From, said.Recipients
		if !said.Arrived.IsZero() {
			m.Arrived = said.Arrived.UTC()
		}
	}
	return m, nil
}
