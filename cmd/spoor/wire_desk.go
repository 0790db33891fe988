package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"spoor/abusebox"
	"spoor/abusebox/intake"
	"spoor/abusebox/notify"
	"spoor/abusebox/store/bolt"
	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
)

// A deskRoom is the abuse desk with all that belongs to it.
type deskRoom struct {
	spool  *intake.Spool
	intake *intake.Server
	store  *bolt.Store
	desk   *abusebox.Desk

	reporters *reporters
}

// openDesk opens the abuse mailbox and the desk behind it.
func (d *daemon) openDesk(ctx context.Context, only services) error {
	if !d.cfg.Has("abusebox") || !only.has("abusebox") {
		return nil
	}
	room := &deskRoom{}
	d.desk = room
	var err error
	if room.spool, err = intake.OpenSpool(d.cfg.Store.Spool(), intake.SpoolDeps{Logger: d.log, Registry: d.metrics}); err != nil {
		return hint(err, "is another spoor using %s?", d.cfg.Store.Dir)
	}
	d.onClose(room.spool.Close)
	if room.store, err = bolt.Open(filepath.Join(d.cfg.Store.Dir, "mail.db"), bolt.Options{Logger: d.log, OnCommit: d.commitMetrics("mail")}); err != nil {
		return err
	}
	d.onClose(room.store.Close)
	if err := keepApart(ctx, room.spool, room.store, d.log); err != nil {
		return err
	}
	control.Store(d.mux, storeRoom{d.cfg, room.spool, room.store, time.Now}.stats)
	secret, err := storeSecret(d.cfg.Store.Dir)
	if err != nil {
		return err
	}
	if room.desk, err = d.newDesk(room, secret); err != nil {
		return err
	}
	clerk, err := newClerk(d.cfg, room.store)
	if err != nil {
		return err
	}
	clerk.Queued, clerk.Raw = room.desk.Wake, room.spool
	control.Incidents(d.mux, room.store, clerk)
	room.intake, err = intake.New(d.cfg.Abusebox, intake.Deps{Spool: room.spool, Logger: d.log, Registry: d.metrics,
		Dir: d.cfg.Store.Dir, Instance: instanceOf(secret)})
	if err != nil {
		return exitWith(exitUsage, err)
	}
	control.Intake(d.mux, room.intake, d.cfg.Abusebox.MaxSize.Bytes())
	if err := room.intake.Listen(ctx); err != nil {
		return err
	}
	d.add("intake", room.intake.Run)
	d.add("desk", room.desk.Run)
	return nil
}

// newDesk puts the desk's parts together.
func (d *daemon) newDesk(room *deskRoom, secret []byte) (*abusebox.Desk, error) {
	cfg := d.cfg.Notify
	signer, err := notify.NewSigner(secret, cfg.From)
	if err != nil {
		return nil, err
	}
	composer, err := newComposer(d.cfg, signer, instanceOf(secret), d.activity())
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(cfg, d.cfg.Abusebox.Hostname)
	if err != nil {
		return nil, err
	}
	read, err := d.reader(room, instanceOf(secret))
	if err != nil {
		return nil, err
	}
	deps := abusebox.Deps{
		Config: d.cfg.Desk, Notify: cfg,
		Policy: d.cfg.Incident.Policy(cfg.Delivery == "digest", cfg.Acknowledge, cfg.Expire.Std()),
		Store:  room.store, Spool: room.spool, Read: read, Holders: holders{d.registry.Registry},
		Composer: composer, Transport: transport, Signer: signer, Instance: instanceOf(secret),
		Recipients: append([]string{cfg.From}, d.cfg.Abusebox.Recipients...),
		KeepMail:   d.cfg.Store.KeepMail.Std(),
		Logger:     d.log, Registry: d.metrics, Witnesses: []abusebox.Witness{d.sightings}, Brakes: brakes{d.openStats(room.store)},
		Reputation: room.reporters,
	}
	if d.cfg.Has("maillog") {
		witness, run, err := openMaillog(d.cfg.Maillog, d.log, d.metrics)
		if err != nil {
			return nil, exitWith(exitUsage, err)
		}
		deps.Witnesses = append(deps.Witnesses, witness)
		d.add("maillog", run)
	}
	if d.flows != nil {
		deps.Witnesses = append(deps.Witnesses, flowWitness{d.flows})
		deps.Listings = flowListings{d.flows}
	}
	return abusebox.New(deps)
}

// newComposer loads the templates and keys that notices are made with.
func newComposer(cfg config.Config, signer *notify.Signer, instance string, activity notify.Activity) (*notify.Composer, error) {
	templates, err := notify.LoadTemplates(cfg.Notify.Templates)
	if err != nil {
		return nil, exitWith(exitUsage, hint(err, "mend the files in %s", cfg.Notify.Templates))
	}
	deps := notify.Deps{Config: cfg.Notify, Site: cfg.Site.Name, Desk: cfg.Site.Desk, Instance: instance, Templates: templates, Signer: signer, Activity: activity}
	if cfg.Notify.DKIMKey != "" {
		key, err := os.ReadFile(cfg.Notify.DKIMKey)
		if err != nil {
			return nil, exitWith(exitUsage, fmt.Errorf("notify.dkim_key: %w", err))
		}
		if deps.DKIM, err = notify.NewDKIM(cfg.Notify.DKIMDomain, cfg.Notify.DKIMSelector, key); err != nil {
			return nil, exitWith(exitUsage, fmt.Errorf("notify.dkim_key: %w", err))
		}
	}
	return notify.NewComposer(deps)
}

// newTransport is the way that notices leave by: the smarthost or, without one, the MX of each receiver.
func newTransport(cfg notify.Config, hostname string) (notify.Transport, error) {
	helo := hostname
	if helo == "" {
		helo, _ = os.Hostname() // an empty name is refused by the next server, which says so
	}
	if cfg.Smarthost == "" {
		return notify.NewDirect(cfg, helo, "25", net.DefaultResolver), nil
	}
	password := ""
	if cfg.PasswordFile != "" {
		data, err := os.ReadFile(cfg.PasswordFile)
		if err != nil {
			return nil, exitWith(exitUsage, fmt.Errorf("notify.password_file: %w", err))
		}
		password = strings.TrimRight(string(data), "\r\n")
	}
	return notify.NewSmarthost(cfg, helo, password)
}

// secretSize is the length of the store's secret, in bytes.
const secretSize = 32

// storeSecret is the random secret that signs this store's plus-addresses; the first start makes it.
func storeSecret(dir string) ([]byte, error) {
	path := filepath.Join(dir, "secret")
	data, err := os.ReadFile(path)
	if err == nil && len(data) == secretSize {
		return data, nil
	}
	if err == nil {
		return nil, fmt.Errorf("%s holds %d bytes, not %d: restore it from a backup, or remove it and lose the answers to notices that are under way", path, len(data), secretSize)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the store's secret: %w", err)
	}
	secret := make([]byte, secretSize)
	_, _ = rand.Read(secret) // crypto/rand.Read never fails
	return secret, writeSecret(path, secret)
}

// writeSecret writes, syncs and renames, so that a crash leaves no half secret.
func writeSecret(path string, secret []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the store's secret: %w", err)
	}
	_, err = f.Write(secret)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the store's secret: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write the store's secret: %w", err)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// instanceOf is the mark by which this installation knows its own mail. It tells nothing of the secret.
func instanceOf(secret []byte) string {
	sum := sha256.Sum256(append([]byte("spoor instance "), secret...))
	return hex.EncodeToString(sum[:8])
}

// commitMetrics measures the commits of one store.
func (d *daemon) commitMetrics(store string) func(changes int, took time.Duration) {
	m := newCommitMetrics(d.metrics, store)
	return func(changes int, took time.Duration) {
		m.changes.Add(float64(changes))
		m.seconds.Observe(took.Seconds())
	}
}
