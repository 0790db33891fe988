package maillog

import (
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoor/internal/peers"
)

// TestRealPostfix lets a Postfix write the log: short queue ids, which tell no time, and long ones, which do.
func TestRealPostfix(t *testing.T) {
	for _, long := range []string{"no", "yes"} {
		t.Run("long ids "+long, func(t *testing.T) {
			postfix := peers.NewPostfix(t, peers.PostfixOptions{Main: map[string]string{
				"enable_long_queue_ids":        long,
				"smtpd_recipient_restrictions": "reject_non_fqdn_recipient, permit_mynetworks, reject",
			}})
			session(t, postfix.Addr.String())
			peers.WaitFor(t, 2*time.Minute, "postfix to log all deliveries", func() bool {
				return strings.Count(postfix.Log(), ": removed") == 3
			})
			report := tallyOf(t, Options{}, postfix.LogPath())
			want := Counts{Messages: 3, Recipients: 6, Rejected: 2}
			if len(report.Relays) != 1 || report.Relays[0].Addr.String() != "127.0.0.1" {
				t.Fatalf("relays %+v, want 127.0.0.1 alone\n%s", report.Relays, postfix.Log())
			}
			got := report.Relays[0].Counts
			if got.Bytes < 3*1000 || got.MaxSize < 1000 {
				t.Errorf("sizes %d in all, %d at most, for three mails of more than 1000", got.Bytes, got.MaxSize)
			}
			got.Bytes, got.MaxSize = 0, 0
			if got != want {
				t.Errorf("counted %+v, want %+v\n%s", got, want, postfix.Log())
			}
			if long == "yes" && report.Total.ZoneWhy != "queue ids" && report.Total.ZoneWhy != "log" {
				t.Errorf("long queue ids show no zone: %+v", report.Total)
			}
			if off := time.Since(report.Total.Last).Abs(); off > 5*time.Minute {
				t.Errorf("the last line is read as %s, %s from now", report.Total.Last, off)
			}
			if report.Total.Malformed != 0 || report.Total.Join.Unjoined != 0 {
				t.Errorf("%d malformed, %d unjoined\n%s", report.Total.Malformed, report.Total.Join.Unjoined, postfix.Log())
			}
		})
	}
}

// session hands over three mails to two recipients each, and is refused twice.
func session(t *testing.T, addr string) {
	t.Helper()
	body := "Subject: test\r\n\r\n" + strings.Repeat("a line of text\r\n", 80)
	for i := range 3 {
		c, err := smtp.Dial(addr)
		must(t, err)
		must(t, c.Mail(fmt.Sprintf("sender%d@example.org", i)))
		must(t, c.Rcpt("one@example.com"))
		must(t, c.Rcpt("two@example.com"))
		if i > 0 {
			err := c.Rcpt("nobody")
			if _, refused := err.(*textproto.Error); !refused {
				t.Errorf("a recipient that is to be refused: %v", err)
			}
		}
		w, err := c.Data()
		must(t, err)
		_, err = fmt.Fprint(w, body)
		must(t, err)
		must(t, w.Close())
		must(t, c.Quit())
	}
}

// TestRealSendmail lets a sendmail write the log. It speaks to /dev/log alone, so the test is run once more in a
// mount namespace in which /dev/log is a socket of ours.
func TestRealSendmail(t *testing.T) {
	if path := os.Getenv("SPOOR_TEST_DEVLOG"); path != "" {
		sendmailInside(t)
		return
	}
	unshare := peers.NeedAll(t, "sendmail", "unshare")[1]
	peers.NeedRoot(t)
	dir := t.TempDir()
	dev := filepath.Join(dir, "dev")
	must(t, os.Mkdir(dev, 0o755))
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dev, "log"), Net: "unixgram"})
	must(t, err)
	must(t, os.Chmod(filepath.Join(dev, "log"), 0o666))
	const end = "that was all"
	var log strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 16<<10)
		for {
			n, _, err := socket.ReadFromUnix(buffer)
			if err != nil || string(buffer[:n]) == end {
				return
			}
			log.WriteString(hosted(string(buffer[:n])))
		}
	}()
	// In the new /dev stand the old devices and our socket.
	const script = `for d in null zero full random urandom; do : >"$1/$d" && mount --bind "/dev/$d" "$1/$d" || exit 9; done
mount --rbind "$1" /dev && exec "$2" -test.run '^TestRealSendmail$' -test.v`
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), unshare, "--mount", "sh", "-c", script, "sh", dev, self)
	cmd.Env = append(os.Environ(), "SPOOR_TEST_DEVLOG="+dev)
	out, err := cmd.CombinedOutput()
	last, dialled := net.Dial("unixgram", filepath.Join(dev, "log"))
	must(t, dialled)
	_, sent := last.Write([]byte(end)) // behind all datagrams of sendmail, which wait in the socket by now
	must(t, sent)
	must(t, last.Close())
	<-done
	_ = socket.Close()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	path := filepath.Join(dir, "maillog")
	must(t, os.WriteFile(path, []byte(log.String()), 0o644))
	checkSendmail(t, path, log.String())
}

// hosted puts the host's name behind the time, as a log daemon does with what comes from /dev/log.
func hosted(datagram string) string {
	datagram = strings.TrimRight(datagram, "\n\x00")
	if end := strings.IndexByte(datagram, '>'); end > 0 && len(datagram) > end+16 {
		datagram = datagram[end+1:]
		datagram = datagram[:16] + "mail " + datagram[16:]
	}
	return datagram + "\n"
}

func sendmailInside(t *testing.T) {
	sendmail := peers.NewSendmail(t, peers.SendmailOptions{Rules: []string{
		"SLocal_check_rcpt", "R$*nobody$*\t$#error $@ 5.1.1 $: \"550 Nobody here\"",
	}})
	session(t, sendmail.Addr.String())
	peers.WaitFor(t, 2*time.Minute, "sendmail to deliver", func() bool { return sendmail.Queue(t) == 0 })
}

func checkSendmail(t *testing.T, path, log string) {
	report := tallyOf(t, Options{}, path)
	if len(report.Relays) != 1 || report.Relays[0].Addr.String() != "127.0.0.1" {
		t.Fatalf("relays %+v, want 127.0.0.1 alone\n%s", report.Relays, log)
	}
	got := report.Relays[0].Counts
	if got.Messages != 3 || got.Recipients != 6 || got.Rejected != 2 || got.MaxSize < 1000 {
		t.Errorf("counted %+v, want 3 messages, 6 recipients, 2 refusals\n%s", got, log)
	}
	if report.Total.ZoneWhy != "queue ids" {
		t.Errorf("zone by %s, want by queue ids\n%s", report.Total.ZoneWhy, log)
	}
	if off := time.Since(report.Total.Last).Abs(); off > 5*time.Minute {
		t.Errorf("the last line is read as %s, %s from now", report.Total.Last, off)
	}
}
