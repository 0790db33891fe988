package intake

import (
	"context"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"spoor/abusebox/intake/collect"
	"spoor/abusebox/intake/mailbox"
	"spoor/abusebox/intake/watch"
)

// dropEvery is how often the drop folder is looked at.
const dropEvery = time.Second

// runReaders starts the ways in that are no listeners.
func (s *Server) runReaders(ctx context.Context, g *errgroup.Group) {
	if s.deps.Dir != "" {
		g.Go(func() error { return s.emptyDrop(ctx) })
	}
	for _, path := range s.cfg.Watch {
		g.Go(func() error { return s.watcher(path).Run(ctx) })
	}
	for _, c := range s.cfg.IMAP {
		g.Go(func() error { return s.collector(c).Run(ctx) })
	}
}

// Put keeps a mail that came in by another way than the listeners, and notes whether it looks like a loop.
func (s *Server) Put(ctx context.Context, m Mail) (ID, error) {
	m.Loop = loop(m.Message(), s.deps.Instance)
	return s.deps.Spool.Put(ctx, m)
}

// take is Put for readers, which have no use for the ID.
func (s *Server) take(ctx context.Context, m Mail) error {
	_, err := s.Put(ctx, m)
	return err
}

func (s *Server) watcher(path string) watch.Watcher {
	return watch.Watcher{
		Path: path, State: filepath.Join(s.deps.Dir, "watch"), Logger: s.deps.Logger,
		Options: mailbox.Options{MaxSize: s.cfg.MaxSize.Bytes()},
		Put: func(ctx context.Context, m mailbox.Message) error {
			source := SourceMbox
			if m.Path != path {
				source = SourceMaildir
			}
			return s.take(ctx, Mail{Envelope: Envelope{Source: source, From: m.From, Mailbox: path, Delivered: delivered(m.Raw, m.Time)}, Raw: m.Raw})
		},
	}
}

func (s *Server) collector(c IMAPConfig) collect.Collector {
	poll := c.Poll.Std()
	if poll == 0 {
		poll = time.Minute
	}
	name := c.User + "@" + c.Server + "/" + c.mailbox()
	return collect.Collector{
		Server: c.Server, User: c.User, PasswordFile: c.PasswordFile, Mailbox: c.mailbox(), MoveTo: c.MoveTo, CAFile: c.CAFile,
		TLS: c.implicitTLS(), Plaintext: c.Plaintext, Poll: poll, MaxSize: s.cfg.MaxSize.Bytes(), Logger: s.deps.Logger,
		Room: s.budget.wait,
		Put: func(ctx context.Context, raw []byte, internal time.Time) error {
			return s.take(ctx, Mail{Envelope: Envelope{Source: SourceIMAP, Mailbox: name, Delivered: delivered(raw, internal)}, Raw: raw})
		},
	}
}

// emptyDrop takes what `spoor file` left, now and then.
func (s *Server) emptyDrop(ctx context.Context) error {
	drop := NewDrop(s.deps.Dir, s.cfg.MaxSize.Bytes())
	tick := time.NewTicker(dropEvery)
	defer tick.Stop()
	failing := false
	for {
		taken, err := drop.Empty(ctx, s.take)
		if taken > 0 {
			s.deps.Logger.Info("took mails from the drop folder", "mails", taken)
		}
		if err != nil && ctx.Err() == nil && !failing {
			s.deps.Logger.Error("the drop folder cannot be emptied; trying again", "err", err)
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
