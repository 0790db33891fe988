package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/abusebox/store/bolt"
	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
)

func newStoreCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "what lies on disk",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "stats",
		Short: "how much the spool, the index and the outbox hold, what waits, and what is due to be erased",
		Long: `Stats tells what lies in the store: the spool's segments and how many mails nobody has decided about yet, the size of each
part of the index, what the outbox waits for, what was set aside for a person, and how much the configured ages would erase
now. It asks the daemon or, where none runs, reads the store itself, and changes nothing. The whole index is read: with
millions of mails that takes some seconds.`,
		Example: "  spoor store stats\n  spoor store stats --json | jq .spool.undecided",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.storeStats(cmd.Context()) },
	})
	return cmd
}

func (a *app) storeStats(ctx context.Context) error {
	client, done, err := a.connect(ctx, openStoreRoom)
	if err != nil {
		return err
	}
	defer done()
	return client.Get(ctx, "/store/stats", nil, func(line json.RawMessage) error {
		var s control.StoreStats
		if err := json.Unmarshal(line, &s); err != nil {
			return err
		}
		if a.json {
			return a.emit(s)
		}
		return a.printStore(s)
	})
}

// A storeRoom is the store of the desk, as far as it is there.
type storeRoom struct {
	cfg   config.Config
	spool *intake.Spool
	store *bolt.Store
	now   func() time.Time
}

// openStoreRoom opens what there is in this process, and makes nothing.
func openStoreRoom(_ context.Context, cfg config.Config, mux *http.ServeMux) (func(), error) {
	room := storeRoom{cfg: cfg, now: time.Now}
	for _, name := range []string{"spool", "mail.db"} {
		if _, err := os.Stat(filepath.Join(cfg.Store.Dir, name)); err != nil {
			return nil, hint(fmt.Errorf("there is no store yet: %w", err), "start the daemon: spoor serve, or name another file: --config")
		}
	}
	log, err := slog.New(slog.DiscardHandler), error(nil)
	if room.spool, err = intake.OpenSpool(cfg.Store.Spool(), intake.SpoolDeps{Logger: log}); err != nil {
		return nil, hint(err, "does a daemon run? then this user may not reach %s", cfg.ControlPath())
	}
	if room.store, err = bolt.Open(filepath.Join(cfg.Store.Dir, "mail.db"), bolt.Options{Logger: log, ReadOnly: true}); err != nil {
		return nil, errors.Join(hint(err, "is a daemon with another control socket running?"), room.spool.Close())
	}
	control.Store(mux, room.stats)
	return func() { _ = errors.Join(room.store.Close(), room.spool.Close()) }, nil // nothing was written
}

// stats looks at everything once.
func (r storeRoom) stats(ctx context.Context) (s control.StoreStats, err error) {
	s.Dir, s.MinFree = r.cfg.Store.Dir, r.cfg.Store.MinFree.Bytes()
	var disk unix.Statfs_t
	if err := unix.Statfs(s.Dir, &disk); err != nil {
		return s, fmt.Errorf("look at free space: %w", err)
	}
	s.Free = int64(disk.Bavail) * disk.Bsize
	drop := intake.NewDrop(s.Dir, r.cfg.Abusebox.MaxSize.Bytes())
	if s.Spool.Drop, s.SetAside.Drop, err = drop.Count(); err != nil {
		return s, err
	}
	for _, fill := range []func(context.Context, *control.StoreStats) error{r.mails, r.files, r.outbox, r.keep} {
		if err := fill(ctx, &s); err != nil {
			return s, fmt.Errorf("store stats: %w", err)
		}
	}
	return s, nil
}

// mails holds the spool against the index, in the order of their IDs, which is the same in both.
func (r storeRoom) mails(ctx context.Context, s *control.StoreStats) error {
	held := r.spool.Stats()
	s.Spool.Segments, s.Spool.Bytes, s.Spool.Oldest, s.Spool.Newest = held.Segments, held.Bytes, held.Oldest, held.Newest
	cursor, err := r.store.Cursor(ctx)
	if err != nil {
		return err
	}
	next, stop := iter.Pull2(r.store.Mails(ctx, 0))
	defer stop()
	record, err, more := next()
	var first intake.ID
	_, walkErr := r.spool.IDs(ctx, 0, func(id intake.ID) error {
		for more && err == nil && record.Mail < id {
			countAside(&s.SetAside, record)
			record, err, more = next()
		}
		s.Spool.Mails++
		if err == nil && id >= cursor && !(more && record.Mail == id && record.Done()) {
			if s.Spool.Undecided++; first == 0 {
				first = id
			}
		}
		return err
	})
	for more && err == nil {
		countAside(&s.SetAside, record)
		record, err, more = next()
	}
	if err := errors.Join(err, walkErr); err != nil || first == 0 {
		return err
	}
	if m, err := r.spool.Get(first); err == nil { // one that cannot be read has no time
		s.Spool.UndecidedSince = m.Arrived
	}
	return nil
}

// countAside counts a mail that people must look at.
func countAside(s *control.StoreSetAside, r abusebox.MailRecord) {
	if r.Source == string(intake.SourceSpool) {
		s.Unreadable++
	}
	if r.Outcome == incident.Poisoned {
		s.Poison++
	}
}

func (r storeRoom) files(_ context.Context, s *control.StoreStats) error {
	buckets, _, err := r.store.Sizes()
	if err != nil {
		return err
	}
	for _, b := range buckets {
		s.Buckets = append(s.Buckets, control.StoreBucket{Name: b.Bucket, Records: b.Records, Bytes: b.Bytes})
	}
	for _, name := range []string{"mail.db", "flows.db", "registry.db"} {
		info, err := os.Stat(filepath.Join(r.cfg.Store.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		s.Files = append(s.Files, control.StoreFile{Name: name, Bytes: info.Size()})
	}
	return nil
}

func (r storeRoom) outbox(ctx context.Context, s *control.StoreStats) (err error) {
	if _, s.Outbox.Next, err = r.store.Backlog(ctx); err != nil {
		return err
	}
	for t, err := range r.store.Tasks(ctx, 0) {
		if err != nil {
			return err
		}
		switch t.State {
		case incident.Queued:
			s.Outbox.Waiting++
		case incident.Failed:
			s.Outbox.Failed++
		case incident.Expired:
			s.Outbox.Expired++
		}
	}
	return nil
}

// keep lists the ages of the configuration, and what each would erase now.
func (r storeRoom) keep(ctx context.Context, s *control.StoreStats) error {
	now := r.now()
	cursor, err := r.store.Cursor(ctx)
	if err != nil {
		return err
	}
	due, err := r.store.Purge(ctx, r.cfg.Desk.Purge(now, true))
	if err != nil {
		return err
	}
	segments, _ := r.spool.Due(now.Add(-r.cfg.Store.KeepMail.Std()), cursor)
	desk := r.cfg.Desk
	for _, k := range []struct {
		key, what string
		age       time.Duration
		due       int
	}{
		{"store.keep_mail", "segments of raw mail", r.cfg.Store.KeepMail.Std(), segments},
		{"desk.keep_evidence", "pieces of evidence, and notices", desk.KeepEvidence.Std(), due.Evidence + due.Notices},
		{"desk.keep_personal", "incidents and mail records that name persons", desk.KeepPersonal.Std(), due.Reporters + due.Mails},
		{"desk.keep_closed", "closed incidents", desk.KeepClosed.Std(), due.Incidents},
		{"desk.keep_history", "entries of the history", desk.KeepHistory.Std(), due.History},
	} {
		s.Keep = append(s.Keep, control.StoreKeep{Key: k.key, What: k.what, AgeS: int64(k.age / time.Second), Due: k.due})
	}
	return nil
}
