package collect

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"spoor/internal/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A box gathers what a Collector keeps.
type box struct {
	internal time.Time // of the last
	mu       sync.Mutex
	mails    []string
	fault    error
	refused  int // mails that met the fault
}

func (b *box) put(_ context.Context, raw []byte, internal time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.internal = internal
	if b.fault != nil {
		b.refused++
		return b.fault
	}
	b.mails = append(b.mails, strings.ReplaceAll(string(raw), "\r\n", "\n"))
	return nil
}

func (b *box) setFault(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = err
}

func (b *box) refusals() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused
}

func (b *box) sorted() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(slices.Values(b.mails))
}

// run collects from d until the function that it returns is called.
func run(t *testing.T, d *peers.Dovecot, b *box, change func(*Collector)) (stop func()) {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(d.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Collector{
		Server: fmt.Sprintf("localhost:%d", d.Addr.Port()), User: d.User, PasswordFile: password, Mailbox: "INBOX", CAFile: d.CAFile,
		Poll: 100 * time.Millisecond, MaxSize: 1 << 20, Put: b.put, Logger: slog.New(slog.DiscardHandler),
	}
	change(&c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func text(n int) string { return fmt.Sprintf("Subject: %d\n\nbody %d\n", n, n) }

func (b *box) wait(t *testing.T, want ...string) {
	t.Helper()
	most := 90*time.Second + time.Duration(len(want))*50*time.Millisecond
	peers.WaitFor(t, most, "the mails to be collected", func() bool { return len(b.sorted()) >= len(want) })
	if d := cmp.Diff(want, b.sorted()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What is there, and what comes by IDLE, over TLS and STARTTLS; each once, also after a restart.
func TestCollectAndFlag(t *testing.T) {
	d := peers.NewDovecot(t, peers.DovecotOptions{})
	d.Deliver(t, "1.a", text(1))
	d.Deliver(t, "2.large", "Subject: large\n\n"+strings.Repeat("x\n", 1<<20))
	b := &box{}
	stop := run(t, d, b, func(*Collector) {})
	b.wait(t, text(1))
	d.Deliver(t, "3.b", text(2))
	b.wait(t, text(1), text(2))
	stop()
	d.Deliver(t, "4.c", text(3))
	run(t, d, b, func(c *Collector) { c.Server, c.TLS = fmt.Sprintf("localhost:%d", d.AddrTLS.Port()), true })
	b.wait(t, text(1), text(2), text(3))
	if left := d.Mails(t, ""); left != 4 {
		t.Errorf("%d mails are in the INBOX, want all 4", left)
	}
}

// A mail waits for room in memory before it is read, gives it back when it is kept, and brings the server's time along.
func TestRoomAndInternalDate(t *testing.T) {
	d := peers.NewDovecot(t, peers.DovecotOptions{})
	d.Deliver(t, "1.a", text(1))
	d.Deliver(t, "2.b", text(2))
	b := &box{}
	free := make(chan struct{})
	asked, taken, given := make(chan int64, 2), 0, 0
	stop := run(t, d, b, func(c *Collector) {
		c.Room = func(ctx context.Context, bytes int64) (func(), error) {
			asked <- bytes
			<-free
			taken++
			return func() { given++ }, nil
		}
	})
	if n := <-asked; n != int64(len(strings.ReplaceAll(text(1), "\n", "\r\n"))) || len(b.sorted()) > 0 {
		t.Errorf("room for %d bytes is asked for, and %d mails are kept", n, len(b.sorted()))
	}
	close(free)
	b.wait(t, text(1), text(2))
	stop()
	if taken != 2 || given != 2 {
		t.Errorf("room was taken %d times and given back %d times", taken, given)
	}
	if age := time.Since(b.internal); age < -time.Hour || age > 24*time.Hour {
		t.Errorf("INTERNALDATE %s", b.internal)
	}
}

// Moved by MOVE, by COPY and EXPUNGE, and where neither is safe only flagged.
func TestCollectAndMove(t *testing.T) {
	for capability, left := range map[string]int{"": 0, "IMAP4rev1 UIDPLUS IDLE": 0, "IMAP4rev1": 2} {
		t.Run(capability, func(t *testing.T) {
			d := peers.NewDovecot(t, peers.DovecotOptions{Capability: capability})
			d.MakeFolder(t, "Collected")
			d.Deliver(t, "1.a", text(1))
			d.Deliver(t, "2.b", text(2))
			b := &box{}
			stop := run(t, d, b, func(c *Collector) { c.MoveTo = "Collected" })
			b.wait(t, text(1), text(2))
			peers.WaitFor(t, 90*time.Second, "the mails to be moved", func() bool { return d.Mails(t, "") == left && d.Mails(t, "Collected") == 2 })
			stop()
			run(t, d, b, func(c *Collector) { c.MoveTo = "Collected" })
			d.Deliver(t, "3.c", text(3))
			b.wait(t, text(1), text(2), text(3))
		})
	}
}

// A folder that is not there yet is made.
func TestCollectedFolderIsMade(t *testing.T) {
	for _, capability := range []string{"", "IMAP4rev1 UIDPLUS IDLE"} {
		d := peers.NewDovecot(t, peers.DovecotOptions{Capability: capability})
		d.Deliver(t, "1.a", text(1))
		b := &box{}
		run(t, d, b, func(c *Collector) { c.MoveTo = "Collected" })
		peers.WaitFor(t, 90*time.Second, "the mail to be moved", func() bool { return d.Mails(t, "") == 0 && d.Mails(t, "Collected") == 1 })
		b.wait(t, text(1))
	}
}

// Mails that are kept and cannot be moved are not taken again by the next session, which moves them as soon as it can.
func TestKeptMailThatCannotBeMoved(t *testing.T) {
	d := peers.NewDovecot(t, peers.DovecotOptions{})
	d.Deliver(t, "1.a", text(1))
	d.Deliver(t, "2.b", text(2))
	b := &box{}
	password := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(password, []byte(d.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Collector{
		Server: fmt.Sprintf("localhost:%d", d.Addr.Port()), User: d.User, PasswordFile: password, Mailbox: "INBOX",
		CAFile: d.CAFile, MaxSize: 1 << 20, Put: b.put, Logger: slog.New(slog.DiscardHandler),
	}
	var o owed
	fails := func(want ...string) {
		t.Helper()
		c.MoveTo = "no/folder//of/this..name"
		if err := c.session(t.Context(), &o); err == nil {
			t.Error("a folder that cannot be made is no error")
		}
		b.wait(t, want...)
	}
	fails(text(1), text(2))
	fails(text(1), text(2))
	d.MakeFolder(t, "Collected")
	c.MoveTo = "Collected"
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.session(ctx, &o) }()
	peers.WaitFor(t, 90*time.Second, "the mails to be moved", func() bool { return d.Mails(t, "Collected") == 2 })
	cancel()
	<-done
	d.Deliver(t, "3.c", text(3))
	fails(text(1), text(2), text(3))
	o.validity++ // what is owed is of another mailbox than this one
	fails(text(1), text(2), text(3), text(3))
}

// What could not be kept is neither moved nor flagged, and comes again.
func TestNothingIsMarkedBeforeItIsKept(t *testing.T) {
	d := peers.NewDovecot(t, peers.DovecotOptions{})
	d.MakeFolder(t, "Collected")
	d.Deliver(t, "1.a", text(1))
	b := &box{fault: errors.New("disk full")}
	run(t, d, b, func(c *Collector) { c.MoveTo = "Collected" })
	peers.WaitFor(t, 90*time.Second, "the mail to be read twice", func() bool { return b.refusals() >= 2 })
	if n := d.Mails(t, "Collected"); n != 0 {
		t.Errorf("%d mails are moved that nobody has", n)
	}
	b.setFault(nil)
	b.wait(t, text(1))
}

// Every shape byte for byte (but for the line ends, which are IMAP's).
func TestRoundTrip(t *testing.T) {
	d := peers.NewDovecot(t, peers.DovecotOptions{})
	var want []string
	mails := 500
	if os.Getenv("SPOOR_SOAK") != "" { // each mail is a question and an answer: ten thousand are for make soak
		mails = 10_000
	}
	for n := range mails {
		s := text(n) + strings.Repeat(fmt.Sprintf("%x\n", sha256.Sum256([]byte{byte(n)})), n*n%97)
		want = append(want, s)
		d.Deliver(t, fmt.Sprintf("%d.x", n), s)
	}
	slices.Sort(want)
	b := &box{}
	run(t, d, b, func(*Collector) {})
	b.wait(t, want...)
}

func TestWrongPasswordAndCertificate(t *testing.T) {
	d := peers.NewDovecot(t, peers.DovecotOptions{})
	d.Deliver(t, "1.a", text(1))
	for name, change := range map[string]func(*Collector){
		"password":     func(c *Collector) { c.PasswordFile = c.CAFile },
		"certificate":  func(c *Collector) { c.CAFile = "" },
		"another name": func(c *Collector) { c.Server = d.Addr.String() },
		"mailbox":      func(c *Collector) { c.Mailbox = "None" },
	} {
		var errs []string
		c := Collector{
			Server: fmt.Sprintf("localhost:%d", d.Addr.Port()), User: d.User, PasswordFile: filepath.Join(t.TempDir(), "p"), Mailbox: "INBOX",
			CAFile: d.CAFile, MaxSize: 1 << 20, Put: (&box{}).put, Logger: slog.New(slog.DiscardHandler),
		}
		if err := os.WriteFile(c.PasswordFile, []byte(d.Password), 0o600); err != nil {
			t.Fatal(err)
		}
		change(&c)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		if err := c.session(ctx, &owed{}); err != nil {
			errs = append(errs, err.Error())
		}
		if len(errs) == 0 || ctx.Err() != nil {
			t.Errorf("a wrong %s is no error: %v", name, errs)
		}
		cancel()
	}
}
