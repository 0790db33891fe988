package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"spoor/abusebox/intake"
)

// TestIdleMemory bounds what a daemon needs that has nothing to do.
func TestIdleMemory(t *testing.T) {
	dir, _ := crashSetup(t)
	daemon := startServe(t, dir)
	kb := anonymousKB(t, daemon.cmd.Process.Pid)
	t.Logf("an idle daemon holds %d KiB of anonymous memory", kb)
	if kb > idleKB {
		t.Errorf("an idle daemon holds %d KiB, more than %d", kb, idleKB)
	}
}

// TestMemoryWithManyMails starts a daemon on a spool of manyMails mails and bounds its memory once all are decided.
func TestMemoryWithManyMails(t *testing.T) {
	if testing.Short() {
		t.Skip("it decides very many mails")
	}
	dir, _ := crashSetup(t)
	fillSpool(t, filepath.Join(dir, "store"), manyMails)
	daemon := startServe(t, dir)
	most := 0
	daemon.until("every mail is decided", func() bool {
		most = max(most, anonymousKB(t, daemon.cmd.Process.Pid))
		return daemon.metric("spoor_desk_mails_total", "") >= manyMails
	})
	t.Logf("with %d mails the daemon held at most %d KiB of anonymous memory", manyMails, most)
	if most > busyKB {
		t.Errorf("with %d mails the daemon held %d KiB, more than %d", manyMails, most, busyKB)
	}
}

func putMail(t *testing.T, spool *intake.Spool, raw []byte) {
	if _, err := spool.Put(context.Background(), intake.Mail{Envelope: intake.Envelope{From: "sam@far.example"}, Raw: raw}); err != nil {
		t.Error(err)
	}
}

// fillSpool stores what an abuse mailbox holds: out-of-office answers, and one complaint in twenty mails.
func fillSpool(t *testing.T, store string, mails int) {
	t.Helper()
	if err := os.MkdirAll(store, 0o750); err != nil {
		t.Fatal(err)
	}
	cfg := intake.DefaultSpoolConfig()
	cfg.Dir, cfg.MinFree = store, 1<<20
	spool, err := intake.OpenSpool(cfg, intake.SpoolDeps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	const writers = 64
	for w := range writers {
		wg.Go(func() {
			for n := w; n < mails; n += writers {
				if n%20 == 0 {
					putMail(t, spool, crashMail(crashAddress(uint32(n))))
					continue
				}
				raw := fmt.Appendf(nil, "From: Sam <sam@far.example>\r\nTo: abuse@example.net\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n"+
					"Message-ID: <%d@far.example>\r\n\r\nI am away.\r\n", n)
				putMail(t, spool, raw)
			}
		})
	}
	wg.Wait()
	if err := spool.Close(); err != nil {
		t.Fatal(err)
	}
}
