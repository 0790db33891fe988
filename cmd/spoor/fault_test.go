package main

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"spoor/internal/peers"
)

// TestDiskFaults makes every fdatasync of a running daemon fail, from each thread's first and from its second call
// on: nothing is answered 250 that is not kept, and when the disk is back so is the service.
func TestDiskFaults(t *testing.T) {
	strace := peers.Need(t, "strace")
	for _, when := range []string{"1+", "2+"} {
		t.Run("from call "+when, func(t *testing.T) { diskFault(t, strace, when) })
	}
}

func diskFault(t *testing.T, strace, when string) {
	dir, out := crashSetup(t)
	daemon := startServe(t, dir)
	acked, n := map[netip.Addr]bool{}, uint32(0)
	send := func() error {
		n++
		ip := crashAddress(n)
		err := deliver(context.Background(), daemon.smtp(), "fbl@reporter.example", "abuse@example.net", crashMail(ip))
		if err == nil {
			acked[ip] = true
		}
		return err
	}
	if err := send(); err != nil {
		t.Fatal(err)
	}
	detach := injectFault(t, strace, daemon.cmd.Process.Pid, when)
	refused := 0
	for range 20 {
		err := send()
		var reply *smtp.SMTPError
		switch {
		case err == nil:
		case errors.As(err, &reply) && reply.Code == 451:
			refused++
		default:
			t.Errorf("the answer to a failing disk is %v, want 451", err)
		}
	}
	if refused == 0 {
		t.Error("no mail was refused: the fault did not reach the spool")
	}
	if when == "1+" && refused != 20 {
		t.Errorf("%d of 20 mails were refused, though no sync succeeded", refused)
	}
	detach()
	daemon.until("the service returns", func() bool { return send() == nil })
	incidents := waitForAll(t, daemon, acked)
	for ip := range acked {
		if incidents[ip] != 1 {
			t.Errorf("%s was answered 250 and has %d incidents", ip, incidents[ip])
		}
	}
	if notices, _ := countNotices(t, out); len(notices) != len(incidents) {
		t.Errorf("%d notices about %d incidents", len(notices), len(incidents))
	}
	if text, err := daemon.spoor(nil, "check"); err != nil {
		t.Errorf("the store is not sound: %v\n%s", err, text)
	}
}

// injectFault attaches strace to all threads of a process; the returned function takes it off again.
func injectFault(t *testing.T, strace string, pid int, when string) (detach func()) {
	t.Helper()
	cmd := exec.Command(strace, "-q", "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when="+when, "-p", strconv.Itoa(pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	running := threads(t, pid)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is ended by a signal
		close(done)
	}()
	peers.WaitFor(t, 2*time.Minute, "the daemon's threads to be traced", func() bool {
		select {
		case <-done:
			t.Fatalf("strace could not attach to the daemon (pid %d)", pid)
		default:
		}
		return tracedBy(t, running, cmd.Process.Pid) // they are attached one after the other
	})
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
	}
}
