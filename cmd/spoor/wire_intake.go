package main

import (
	"context"
	"fmt"
	"iter"
	"log/slog"

	"spoor/abusebox"
	"spoor/abusebox/intake"
)

// A mailIndex is what remembers mails by their IDs; *bolt.Store is one.
type mailIndex interface {
	Cursor(ctx context.Context) (intake.ID, error)
	Mails(ctx context.Context, from intake.ID) iter.Seq2[abusebox.MailRecord, error]
}

// lastKnown is the last mail that the index knows of.
func lastKnown(ctx context.Context, index mailIndex) (intake.ID, error) {
	last, err := index.Cursor(ctx)
	if err != nil {
		return 0, err
	}
	for r, err := range index.Mails(ctx, last) {
		if err != nil {
			return 0, err
		}
		last = max(last, r.Mail)
	}
	return last, nil
}

// keepApart gives new mails IDs that the index does not know. Where the spool's folder was lost, or put back from an older
// backup than the index, a new mail would else be taken for one that was decided long ago.
func keepApart(ctx context.Context, spool *intake.Spool, index mailIndex, log *slog.Logger) error {
	last, err := lastKnown(ctx, index)
	if err != nil {
		return fmt.Errorf("look for the last known mail: %w", err)
	}
	if last != 0 && spool.Reaches(last) {
		spool.Beyond(last)
		log.Warn("the spool was lost or is older than the index: mails that it no longer holds are gone, new ones are numbered behind them", "last", last)
	}
	return nil
}

// checkApart tells of a spool that is older than the index.
func checkApart(spool *intake.Spool, index mailIndex) func(ctx context.Context, bad func(where, problem, mend string)) error {
	return func(ctx context.Context, bad func(where, problem, mend string)) error {
		last, err := lastKnown(ctx, index)
		if err == nil && last != 0 && spool.Reaches(last) {
			bad("spool", fmt.Sprintf("the index knows mail %s, which the spool has not reached yet", last),
				"restore the spool from a backup; without one start the daemon, which goes on behind that mail")
		}
		return err
	}
}

// checkDrop tells of files in the drop folder that are no mails: a person must look at them.
func checkDrop(drop intake.Drop) func(ctx context.Context, bad func(where, problem, mend string)) error {
	return func(_ context.Context, bad func(where, problem, mend string)) error {
		_, aside, err := drop.Count()
		if aside > 0 {
			bad("drop folder", fmt.Sprintf("%d files were set aside: they are links or pipes, or larger than abusebox.max_size", aside),
				"look at what lies in "+drop.Aside()+", and remove it")
		}
		return err
	}
}
