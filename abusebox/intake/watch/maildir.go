package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"spoor/abusebox/intake/mailbox"
)

// maxStuck bounds the names of mails that were taken and could not be moved.
const maxStuck = 100_000

// A maildir takes what is in new, and moves it to cur, marked as seen, when it is kept.
type maildir struct {
	Watcher
	stuck map[string]bool // names in new that are not to be taken again
}

func (d *maildir) close() {}

func (d *maildir) look(ctx context.Context) (taken int, err error) {
	names, err := mailbox.Names(filepath.Join(d.Path, "new"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("it is no Maildir: %w", err)
	}
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if d.stuck[name] {
			continue
		}
		ok, err := d.take(ctx, name)
		if err != nil {
			return taken, err
		}
		if ok {
			taken++
		}
	}
	return taken, nil
}

func (d *maildir) take(ctx context.Context, name string) (taken bool, err error) {
	path := filepath.Join(d.Path, "new", name)
	err = mailbox.File(ctx, path, d.Options, func(m mailbox.Message) error {
		if m.Err != nil {
			d.tooLarge(m)
			return m.Err
		}
		return d.Put(ctx, m)
	})
	switch {
	case errors.Is(err, fs.ErrNotExist): // somebody else moved it
		return false, nil
	case errors.Is(err, mailbox.ErrTooLarge), errors.Is(err, mailbox.ErrIrregular):
		return false, d.leave(name)
	case err != nil:
		return false, err
	}
	seen := name
	if !strings.Contains(name, ":2,") {
		seen += ":2,S"
	}
	if err := os.Rename(path, filepath.Join(d.Path, "cur", seen)); err != nil {
		return true, errors.Join(fmt.Errorf("move a mail that was taken: %w", err), d.leave(name))
	}
	return true, nil
}

// leave remembers that a mail stays in new.
func (d *maildir) leave(name string) error {
	if len(d.stuck) >= maxStuck {
		return fmt.Errorf("%s: more than %d mails in new cannot be moved to cur", d.Path, maxStuck)
	}
	d.stuck[name] = true
	return nil
}
