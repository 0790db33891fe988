package intake

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// dropEvery is how often the drop folder is looked at.
const dropEvery = time.Second

// runReaders starts the ways in that are no listeners.
func (s *Server) runReaders(ctx context.Context, g *errgroup.Group) {
	if s.deps.Dir != "" {
		g.Go(func() error { return s.emptyDrop(ctx) })
	}
}

// Take keeps a mail that a reader found, and notes whether it looks like a loop.
func (s *Server) Take(ctx context.Context, m Mail) error {
	m.Loop = loop(m.Message(), s.deps.Instance)
	_, err := s.deps.Spool.Put(ctx, m)
	return err
}

// emptyDrop takes what `spoor file` left, now and then.
func (s *Server) emptyDrop(ctx context.Context) error {
	drop := NewDrop(s.deps.Dir, s.cfg.MaxSize.Bytes())
	tick := time.NewTicker(dropEvery)
	defer tick.Stop()
	failing := false
	for {
		taken, err := drop.Empty(ctx, s.Take)
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
