package intake

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// runReaders starts the ways in that are no listeners.
func (s *Server) runReaders(ctx context.Context, g *errgroup.Group) {
}
