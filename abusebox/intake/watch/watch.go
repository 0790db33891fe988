// Package watch follows the mbox files and Maildirs to which an MTA delivers, and hands on each mail once.
package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"spoor/abusebox/intake/mailbox"
)

// Every is how often a mailbox is looked at. A look at one without news costs a stat.
const Every = time.Second

// A Watcher follows one mailbox.
type Watcher struct {
	Path    string
	State   string // folder in which the place in each mbox is kept
	Options mailbox.Options
	Put     func(context.Context, mailbox.Message) error // keeps a mail; it is on disk when that returns
	Logger  *slog.Logger
}

// A look takes what is new.
type look interface {
	look(ctx context.Context) (taken int, err error)
	close()
}

// Run follows the mailbox until ctx ends. It need not exist yet. What fails is tried again.
func (w Watcher) Run(ctx context.Context) error {
	var l look
	defer func() {
		if l != nil {
			l.close()
		}
	}()
	tick := time.NewTicker(Every)
	defer tick.Stop()
	failing := ""
	for {
		var err error
		if l == nil {
			l, err = w.begin()
		}
		if l != nil {
			var taken int
			if taken, err = l.look(ctx); taken > 0 {
				w.Logger.Info("took mails from a mailbox", "path", w.Path, "mails", taken)
			}
		}
		failing = w.complain(ctx, failing, err)
		if err != nil && l != nil && w.replaced(l, err) {
			l.close()
			l = nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// begin returns the way to look at what is there, or nil while nothing is.
func (w Watcher) begin() (look, error) {
	st, err := os.Stat(w.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return &maildir{Watcher: w, stuck: map[string]bool{}}, nil
	}
	return &mbox{Watcher: w}, nil
}

// replaced says whether a look failed since a mailbox of the other kind has taken the path.
func (w Watcher) replaced(l look, failed error) bool {
	st, err := os.Stat(w.Path)
	if err != nil {
		return false
	}
	if _, folder := l.(*maildir); folder {
		return !st.IsDir()
	}
	return st.IsDir() && errors.Is(failed, mailbox.ErrIrregular) // the old file is read to its end then
}

// complain logs an error once, not each second.
func (w Watcher) complain(ctx context.Context, before string, err error) string {
	if err == nil || ctx.Err() != nil {
		return ""
	}
	if text := err.Error(); text != before {
		w.Logger.Error("a watched mailbox cannot be read; trying again", "path", w.Path, "err", err)
	}
	return err.Error()
}

func (w Watcher) tooLarge(m mailbox.Message) {
	w.Logger.Error("a mail in a watched mailbox is larger than max_size; it stays there", "path", m.Path, "offset", m.Offset)
}

// statePath is the file that remembers a mailbox of this path.
func (w Watcher) statePath() string {
	sum := sha256.Sum256([]byte(w.Path))
	return filepath.Join(w.State, fmt.Sprintf("%x.json", sum[:8]))
}
