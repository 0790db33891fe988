package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"spoor/abusebox/store/bolt"
	"spoor/cmd/spoor/config"
)

// repair makes the indexes of mail.db anew, where no daemon has it open.
func (a *app) repair(ctx context.Context, cfg config.Config) error {
	path := filepath.Join(cfg.Store.Dir, "mail.db")
	if _, err := os.Stat(path); err != nil {
		return hint(fmt.Errorf("there is nothing to repair: %w", err), "name another file: --config")
	}
	store, err := bolt.Open(path, bolt.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return hint(err, "stop the daemon first; what cannot be opened at all must be restored from a backup")
	}
	if err := errors.Join(store.Repair(ctx), store.Close()); err != nil {
		return err
	}
	if !a.json {
		fmt.Fprintf(a.out, "the indexes of %s are made anew\n", path)
	}
	return nil
}
