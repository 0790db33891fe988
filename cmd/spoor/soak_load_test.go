package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	soakSenders  = 16
	soakPipes    = 2 * time.Second // between two mails by `spoor file`
	soakBacklog  = time.Second     // of its pace that a sender makes up for after a kill
	soakPerConn  = 50              // mails of one connection, at most
	soakRudeness = 100             // one connection in so many is broken off in the midst of a mail
)

// SoakAcked is what was answered for.
type soakAcked struct {
	mails     map[[32]byte]string // SHA-256 of each mail, and its kind
	addresses map[netip.Addr]bool // of which a mail of its own complains
	kinds     map[string]int
}

func newSoakAcked() soakAcked {
	return soakAcked{map[[32]byte]string{}, map[netip.Addr]bool{}, map[string]int{}}
}

func (a soakAcked) add(m soakMail) {
	a.mails[sha256.Sum256(m.text)] = m.kind
	a.kinds[m.kind]++
	if m.about.IsValid() {
		a.addresses[m.about] = true
	}
}

func (a soakAcked) and(b soakAcked) soakAcked {
	sum := newSoakAcked()
	for _, one := range []soakAcked{a, b} {
		maps.Copy(sum.mails, one.mails)
		maps.Copy(sum.addresses, one.addresses)
		for kind, n := range one.kinds {
			sum.kinds[kind] += n
		}
	}
	return sum
}

// A soakLoad is several senders that repeat each mail until it is answered for.
type soakLoad struct {
	t      *testing.T
	mix    soakMix
	pace   time.Duration // between two mails of one sender; zero is as fast as it goes
	daemon atomic.Pointer[process]
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu    sync.Mutex
	acked soakAcked
}

// startSoakLoad sends so many mails a second; zero is as many as are taken.
func startSoakLoad(t *testing.T, daemon *process, perSecond float64) *soakLoad {
	ctx, cancel := context.WithCancel(context.Background())
	l := &soakLoad{t: t, mix: newSoakMix(t, perSecond), cancel: cancel, acked: newSoakAcked()}
	if perSecond > 0 {
		l.pace = time.Duration(float64(soakSenders) / perSecond * float64(time.Second))
	}
	l.daemon.Store(daemon)
	for range soakSenders {
		l.wait.Go(func() { l.sender(ctx) })
	}
	l.wait.Go(func() { l.piper(ctx) })
	return l
}

func (l *soakLoad) stop() soakAcked {
	l.cancel()
	l.wait.Wait()
	return l.acked
}

func (l *soakLoad) ack(m soakMail) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked.add(m)
}

// sender sends one mail after the other, at its pace, over connections of any length.
func (l *soakLoad) sender(ctx context.Context) {
	var c *smtp.Client
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	left, due := 0, time.Now()
	for ctx.Err() == nil {
		if due = due.Add(l.pace); time.Since(due) > soakBacklog {
			due = time.Now()
		}
		time.Sleep(time.Until(due))
		m := l.mix.next()
		for ctx.Err() == nil {
			if c == nil {
				c, left = l.connect(ctx), 1+rand.IntN(soakPerConn)
				continue
			}
			err := c.SendMail(m.from, []string{"abuse@example.net"}, bytes.NewReader(m.text))
			if left--; err != nil || left == 0 {
				c.Close()
				c = nil
			}
			if err == nil {
				l.ack(m)
				break
			}
			if reply := (*smtp.SMTPError)(nil); errors.As(err, &reply) && reply.Code/100 == 5 {
				l.t.Errorf("a mail of the kind %q is refused: %v", m.kind, err)
				break
			}
			time.Sleep(5 * time.Millisecond) // the daemon is down, or asks to try again
		}
	}
}

// connect greets the daemon, or waits a moment where it is down.
func (l *soakLoad) connect(ctx context.Context) *smtp.Client {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", l.daemon.Load().smtp())
	if err != nil {
		time.Sleep(5 * time.Millisecond)
		return nil
	}
	if rand.IntN(soakRudeness) == 0 {
		fmt.Fprintf(conn, "EHLO rude.example\r\nMAIL FROM:<rude@far.example>\r\nRCPT TO:<abuse@example.net>\r\nDATA\r\nSubject: half a mail\r\n\r\nand th")
		conn.Close()
		return nil
	}
	c := smtp.NewClient(conn)
	if err := c.Hello("mail.reporter.example"); err != nil {
		c.Close()
		return nil
	}
	return c
}

// piper hands mails in by `spoor file`, which keeps them in the drop folder while the daemon is down.
func (l *soakLoad) piper(ctx context.Context) {
	for ctx.Err() == nil {
		m := l.mix.next()
		if _, err := l.daemon.Load().spoor(m.text, "file", "--from", m.from); err == nil {
			l.ack(m)
		} else {
			l.t.Errorf("spoor file: %v", err)
		}
		select {
		case <-time.After(soakPipes):
		case <-ctx.Done():
		}
	}
}
